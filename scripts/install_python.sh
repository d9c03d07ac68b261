#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Python dependencies of pyproject.toml in a virtual environment beside the system's Python, which Debian 12 and
# Ubuntu 24.04 keep to themselves ("externally-managed-environment").
#   scripts/install_python.sh VENV [EXTRA…]      for example: scripts/install_python.sh ~/ws/venv openvino view
# The environment sees the packages of a sourced ROS 2, and keeps the NumPy that its compiled messages were built with.
# Safe to run again.
set -euo pipefail
uv_version=0.13.9
fail() {
  echo "install_python: $*" >&2
  exit 1
}
[ $# -ge 1 ] || fail "usage: scripts/install_python.sh VENV [EXTRA…]; extras: openvino, view, train, dev"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$1
shift
extras=()
for extra in "$@"; do extras+=(--extra "$extra"); done

"$venv/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv --system-site-packages "$venv" ||
  fail "no virtual environment could be made in $venv; install it with: sudo apt-get install python3-venv"
touch "$venv/COLCON_IGNORE" # it may lie in a workspace

constraints=$venv/constraints.txt
: >"$constraints"
if [ -n "${ROS_DISTRO:-}" ]; then
  # From outside the environment, where a first run may have put another NumPy.
  (PATH=${PATH//$venv\/bin:/} python3 -c 'import numpy; print(f"numpy=={numpy.__version__}")') >"$constraints" ||
    fail "the sourced ROS 2 has no NumPy; install it with: sudo apt-get install python3-numpy"
fi

# The environment shall not take the ROS packages of PYTHONPATH for its own.
export PYTHONPATH=
"$venv/bin/python" -m pip install -q --disable-pip-version-check "uv==$uv_version" ||
  fail "uv could not be installed; is the network reachable?"
"$venv/bin/uv" pip install -q --python "$venv/bin/python" -c "$constraints" -r "$here/pyproject.toml" \
  ${extras[@]+"${extras[@]}"} ||
  fail "Python packages could not be installed; see the message above (network, disk space, Python version)"
echo "install_python: done; activate it with: source $venv/bin/activate"
