# SPDX-License-Identifier: Apache-2.0
"""Readers of annotated RGB-D frames: one interface for several layouts; start with ``opener``."""
