# SPDX-License-Identifier: Apache-2.0
"""The training loop of all networks, and what the training commands share."""
