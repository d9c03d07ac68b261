# SPDX-License-Identifier: Apache-2.0
"""Plays a recorded bag through the three nodes, records their results and scores them."""
