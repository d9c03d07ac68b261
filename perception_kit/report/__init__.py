# SPDX-License-Identifier: Apache-2.0
"""Pages that show how good a replay was, each one file for a browser without a network."""
