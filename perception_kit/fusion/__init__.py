# SPDX-License-Identifier: Apache-2.0
"""Fusion of the tracks of several cameras in one frame: one identity for what several see."""
