# SPDX-License-Identifier: Apache-2.0
"""Reads and writes rosbag2 recordings without ROS: messages, camera frames, repair."""
