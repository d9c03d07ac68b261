# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and scripts/setup.sh (bash): the environment of this project.
# Reads the folder of this file; exports what ROS 2, the built messages and fast image transport need.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
package=$root/install/assistant_perception

prepend() { # prepend VARIABLE FOLDER
  local value=${!1:-}
  export "$1=$2${value:+:$value}"
}

export VIRTUAL_ENV=$venv
prepend PATH "$venv/bin"
site=("$venv"/lib/python3*/site-packages)
if [ -z "${ROS_DISTRO:-}" ]; then
  # ROS 2 from wheels: the virtual environment is the ament prefix, and its libraries lie beside the wheels.
  export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  prepend AMENT_PREFIX_PATH "$venv"
  prepend CMAKE_PREFIX_PATH "$venv"
  for folder in "${site[0]}"/ros_*.libs "$venv/lib"; do prepend LD_LIBRARY_PATH "$folder"; done
fi
if [ -d "$package" ]; then
  prepend AMENT_PREFIX_PATH "$package"
  prepend PATH "$package/bin"
  prepend LD_LIBRARY_PATH "$package/lib"
  # The messages come from the build, the Python packages from the source tree.
  prepend PYTHONPATH "$package${site[0]#"$venv"}"
fi
prepend PYTHONPATH "$root"

# Images through shared memory, and freed image buffers kept by the allocator (see README, Performance).
export RMW_IMPLEMENTATION=${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}
export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$root/config/fastdds.xml}
export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$FASTRTPS_DEFAULT_PROFILES_FILE}
export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-1073741824}
export MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-4294967296}
export MALLOC_TOP_PAD_=${MALLOC_TOP_PAD_:-67108864}
# Waiting threads sleep: spinning ones take the cores from the other nodes.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export RERUN_ANALYTICS=${RERUN_ANALYTICS:-0}
