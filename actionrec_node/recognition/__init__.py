# SPDX-License-Identifier: Apache-2.0
"""Live action recognition: clip buffers, per-track joining and the decision for each person."""
