# SPDX-License-Identifier: Apache-2.0
"""What the nodes share to speak ROS 2: images, messages, joining by stamp, parameters, life cycle,
diagnostics.
"""
