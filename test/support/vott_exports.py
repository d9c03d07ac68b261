# SPDX-License-Identifier: Apache-2.0
"""Exports as VoTT 2 writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def vott_export(video: Path, tagged: dict[float, str]) -> dict[str, Any]:
    """Content of the export of a video whose frames are tagged at some seconds."""
    parent = {
        "format": "mkv",
        "id": "p",
        "name": video.name,
        "path": f"file:{video.as_posix().replace(' ', '%20')}",
        "type": 2,
    }
    assets = {
        f"a{number}": {
            "asset": {
                "id": f"a{number}",
                "name": f"{video.name}#t={time}",
                "timestamp": time,
                "type": 3,
                "parent": parent,
            },
            "regions": [{"id": "r", "type": "RECTANGLE", "tags": [tag]}],
            "version": "2.2.0",
        }
        for number, (time, tag) in enumerate(tagged.items())
    }
    return {
        "name": "project",
        "version": "2.2.0",
        "tags": [{"name": "falling", "color": "#f00"}],
        "assets": assets,
    }
