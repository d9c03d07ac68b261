# SPDX-License-Identifier: Apache-2.0
"""Model files with self-describing metadata, and the runtimes that execute them."""
