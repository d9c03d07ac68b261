# SPDX-License-Identifier: Apache-2.0
"""argparse types of what must not be empty, which an unset variable of a shell is."""

from __future__ import annotations

import argparse
from pathlib import Path


def given(text: str) -> str:
    """Type of texts that say something: an empty one would count as not given, or as any."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, got '{text}'")
    return text


def given_path(text: str) -> Path:
    """Type of paths: an empty one would mean the working directory."""
    return Path(given(text))
