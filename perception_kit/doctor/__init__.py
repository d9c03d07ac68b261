# SPDX-License-Identifier: Apache-2.0
"""Diagnoses camera, bag and configuration problems before the nodes run."""
