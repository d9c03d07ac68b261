# SPDX-License-Identifier: Apache-2.0
"""ROS 2 adapters of the nodes: messages, images, synchronization, life cycle, diagnostics."""
