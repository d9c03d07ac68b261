# SPDX-License-Identifier: Apache-2.0
"""Messages for the user beside progress bars."""

from __future__ import annotations

import sys

from tqdm import tqdm


def log(text: str) -> None:
    """Print a line on stderr, above the progress bar."""
    tqdm.write(text, file=sys.stderr)
