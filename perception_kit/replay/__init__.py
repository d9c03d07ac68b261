# SPDX-License-Identifier: Apache-2.0
"""Plays a recorded bag through the three nodes, records what they answer and measures how good it
is.
"""
