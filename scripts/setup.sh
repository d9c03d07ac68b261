#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes everything that ./run needs: virtual environment, ROS 2 from wheels (unless a ROS 2 is sourced), the built package.
# Safe to run again: each step is skipped when its inputs have not changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$PWD/.venv
uv_version=0.13.9
needed_gb=14

say() { echo "setup: $*"; }
fail() {
  echo "setup: cannot go on: $*" >&2
  exit 1
}

has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || ls /usr/lib/*/"$1"* >/dev/null 2>&1; }

has_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }

check_system() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || [ -n "${ROS_DISTRO:-}" ] ||
    fail "the ROS 2 wheels are for x86-64 Linux and this is $(uname -s) $(uname -m); source a ROS 2 Jazzy first, then it is used"
  command -v python3 >/dev/null || fail "python3 is missing; install Python 3.10 or newer"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$(python3 --version) found, Python 3.10 or newer expected"
  local packages=()
  command -v cmake >/dev/null || packages+=(cmake)
  command -v g++ >/dev/null || packages+=(g++)
  command -v make >/dev/null || packages+=(make)
  python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
  python3 -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' ||
    packages+=(python3-dev)
  has_library libGL.so.1 || packages+=(libgl1)
  has_library libgomp.so.1 || packages+=(libgomp1)
  has_library libusb-1.0.so.0 || packages+=(libusb-1.0-0)
  has_library libX11.so.6 || packages+=(libx11-6)
  [ ${#packages[@]} -eq 0 ] && return
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian packages: ${packages[*]}"
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}") >/dev/null ||
      fail "apt-get could not install ${packages[*]}; is the network reachable?"
  else
    fail "these packages are missing; install them with: sudo apt-get install ${packages[*]}"
  fi
}

install_python_packages() {
  local mark=$venv/.installed wanted
  wanted=$(cat pyproject.toml requirements/*.in requirements/*.txt scripts/fix_wheels.py scripts/install_python.sh | sha256sum | cut -c1-16)-${ROS_DISTRO:-wheels}
  [ -f "$mark" ] && [ "$(cat "$mark")" = "$wanted" ] && { say "Python packages are up to date"; return; }
  local free_gb
  free_gb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
  [ -d "$venv" ] || [ "$free_gb" -ge "$needed_gb" ] || fail "$free_gb GB of disk are free here, $needed_gb GB are needed"
  if [ -n "${ROS_DISTRO:-}" ]; then
    say "ROS 2 $ROS_DISTRO is sourced and will be used; installing what it does not bring"
    scripts/install_python.sh "$venv" dev &&
      "$venv/bin/python" -m pip install -q --no-deps -r requirements/no_deps.txt ||
      fail "Python packages could not be installed; is the network reachable?"
  else
    say "installing ROS 2 Jazzy and the Python packages into .venv (about 8 GB, most of it PyTorch)"
    has_pip || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "uv==$uv_version" ||
      fail "uv could not be installed; is the network reachable?"
    "$venv/bin/uv" pip install -q --python "$venv/bin/python" -r requirements/lock.txt &&
      "$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps -r requirements/no_deps.txt ||
      fail "Python packages could not be installed; see the message above (network, disk space, Python version)"
    "$venv/bin/python" -I scripts/fix_wheels.py
  fi
  echo "$wanted" >"$mark"
}

install_browser() { # for the tests of reports and viewers, which are skipped without it
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && return
  local how="the tests of web pages are skipped; to run them: sudo apt-get install chromium"
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || { say "no Chromium here: $how"; return; }
  say "installing Chromium for the tests of reports and viewers"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 ||
    say "Chromium could not be installed: $how"
}

build_package() {
  local mark=install/.built wanted
  wanted=$(cat msg/*.msg srv/*.srv CMakeLists.txt package.xml setup.cfg "$venv/.installed" | sha256sum | cut -c1-16)
  [ -f "$mark" ] && [ "$(cat "$mark")" = "$wanted" ] && { say "the package is built"; return; }
  say "building the messages and the package with colcon (about a minute)"
  mkdir -p log
  # shellcheck disable=SC1091
  (
    source scripts/environment.sh
    colcon build --base-paths . --symlink-install --event-handlers console_stderr- \
      --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
  ) >log/setup_build.log 2>&1 || { tail -n 30 log/setup_build.log >&2; fail "the build failed; the whole log is log/setup_build.log"; }
  echo "$wanted" >"$mark"
}

check_system
install_python_packages
build_package
install_browser
say "done; './run COMMAND…' runs a command in this environment"
