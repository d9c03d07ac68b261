# SPDX-License-Identifier: Apache-2.0
"""Names of files, which may be no text: a system takes any bytes for one."""

from __future__ import annotations

import os
from pathlib import Path


def is_text(name: str | Path) -> bool:
    """Whether a name is UTF-8, so that the library can keep it."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str | Path) -> str:
    """A name as text, with marks for what is no UTF-8 in it."""
    return os.fsencode(name).decode(errors="replace")
