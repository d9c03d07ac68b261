# SPDX-License-Identifier: Apache-2.0
"""Labeled videos, person boxes and augmented clips: what action models are trained on."""
