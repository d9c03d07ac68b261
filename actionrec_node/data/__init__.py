# SPDX-License-Identifier: Apache-2.0
"""Labelled videos, person boxes and augmented clips: what action models are trained on."""
