# SPDX-License-Identifier: Apache-2.0
"""Small files by which a node that was restarted takes up its last state again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perception_kit.budgets import parse_json
from perception_kit.partial_file import replacing

_MAX_BYTES = 16 * 2**20


class StateFileError(ValueError):
    """The file cannot be used; the message says why."""


def write_state(path: Path, kind: str, state: dict[str, Any]) -> None:
    """Write JSON-serialisable ``state`` of a node of ``kind``, as a whole or not at all.

    Raises OSError with what to do where it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps({"kind": kind, "state": state}))


def read_state(path: Path, kind: str) -> dict[str, Any] | None:
    """The state that was written last; None where there is none yet.

    Raises StateFileError for anything else.
    """
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            raise StateFileError(
                f"state file '{path}' is no file of at most {_MAX_BYTES} bytes: remove it"
            )
        content = parse_json(path.read_text())
    except StateFileError:
        raise
    except (OSError, ValueError) as error:
        raise StateFileError(f"state file '{path}' cannot be read ({error}): remove it") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise StateFileError(f"state file '{path}' is not of a {kind}: remove it")
    state = content.get("state")
    if not isinstance(state, dict):
        raise StateFileError(f"state file '{path}' holds no state: remove it")
    return state
