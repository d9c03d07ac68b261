# SPDX-License-Identifier: Apache-2.0
"""Multi-object tracking (Deep SORT)."""
