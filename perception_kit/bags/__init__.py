# SPDX-License-Identifier: Apache-2.0
"""Reading rosbags: camera topics, compressed images, camera files and repair."""
