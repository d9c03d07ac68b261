#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs ROS 2's launch and launch_ros, which are no wheels, so that the tests run the launch files where no ROS 2 is sourced:
# scripts/install_launch.sh [FOLDER]; FOLDER is by default the site-packages of .venv. Needs git and a network.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=("$root"/.venv/lib/python3*/site-packages)
site=${1:-${venv[0]}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

checkout() { # checkout OWNER/NAME COMMIT: the repository in $work/NAME
  local folder=$work/${1#*/}
  git init -q "$folder"
  git -C "$folder" fetch -q --depth 1 "https://github.com/$1" "$2"
  git -C "$folder" checkout -q FETCH_HEAD
}
checkout ros2/launch 09403fcebedb68dd259e9ab6b35bd8712b6596ec         # branch jazzy
checkout ros2/launch_ros 62c56e53e86812023697fe330c83d327f54e7b18     # branch jazzy
checkout osrf/osrf_pycommon 3e98d0c39fb7656893f8fe22272aeb43f9c76e8e  # branch master

mkdir -p "$site"
cp -r "$work/launch/launch/launch" "$work/launch/launch_xml/launch_xml" "$work/launch/launch_yaml/launch_yaml" \
  "$work/launch_ros/launch_ros/launch_ros" "$work/osrf_pycommon/osrf_pycommon" "$site"

# launch_ros imports these messages for composable nodes, of which there are none here; they are no wheel either.
mkdir -p "$site/composition_interfaces"
touch "$site/composition_interfaces/__init__.py"
for name in ListNodes LoadNode UnloadNode; do
  printf 'class %s:\n    class Request: ...\n\n    class Response: ...\n\n\n' "$name"
done > "$site/composition_interfaces/srv.py"
echo "installed launch and launch_ros into $site"
