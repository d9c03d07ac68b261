# SPDX-License-Identifier: Apache-2.0
"""Makes the CMake files of the ROS 2 wheels name this machine's Python and NumPy headers.

The wheels' exported CMake targets hold the include folders of the machine that they were built on.
Run with the virtual environment's Python; running it again changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy


def _literal(text: str) -> str:
    """Replacement for ``re.sub`` that is inserted as it is."""
    return text.replace("\\", "\\\\")


def main() -> None:
    """Rewrite the include folders in every CMake file below the environment's ``share``."""
    python_include = sysconfig.get_path("include")
    if not (Path(python_include) / "Python.h").is_file():
        sys.exit(
            f"setup: Python.h is missing in {python_include}:"
            " install the Python headers (Debian: apt-get install python3-dev)"
        )

    replacements = [
        (re.compile(r"/[^;:<>\"\s]*/numpy/_core/include"), numpy.get_include()),
        (re.compile(r"/[^;:<>\"\s]*/include/python3\.\d+"), python_include),
    ]

    changed = 0
    for path in Path(sys.prefix, "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        fixed = text
        for pattern, target in replacements:
            fixed = pattern.sub(_literal(target), fixed)

        # The file may be a hard link into the installer's cache, which other environments share: it
        # is replaced, not changed.
        if fixed != text:
            path.unlink()
            path.write_text(fixed, encoding="utf-8", errors="surrogateescape")
            changed += 1

    print(f"setup: include folders rewritten in {changed} CMake files of the ROS 2 wheels")


if __name__ == "__main__":
    main()
