# SPDX-License-Identifier: Apache-2.0
"""Child processes that do not outlive their parent."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """``command`` for a process that gets SIGTERM when its parent thread ends, even by SIGKILL.

    That needs Linux and util-linux's ``setpriv``; elsewhere the command is returned unchanged.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", "TERM", "--", *command]
