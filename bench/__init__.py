# SPDX-License-Identifier: Apache-2.0
"""Speed measured side by side with other packages and with plain PyTorch; ``make bench`` installs
those and runs every benchmark.
"""
