# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of speed and memory, side by side with other packages and with plain PyTorch."""
