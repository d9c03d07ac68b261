#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in the workspace of the image.
set -e
source /opt/ros/jazzy/setup.bash
source /ws/venv/bin/activate
source /ws/install/setup.bash
exec "$@"
