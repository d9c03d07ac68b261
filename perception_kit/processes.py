# SPDX-License-Identifier: Apache-2.0
"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """``command`` for a process that gets SIGTERM when the thread that starts it ends, even by
    SIGKILL.

    That needs Linux and util-linux's ``setpriv``; elsewhere it is the command as it is.
    """
    setpriv = shutil.which("setpriv")
    return (
        [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv is not None else list(command)
    )
