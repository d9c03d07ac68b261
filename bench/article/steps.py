# SPDX-License-Identifier: Apache-2.0
"""Parts of the articles' experiments: commands of the repository, and tables of their results.

In commands, folders have names: LMO is LineMOD-Occlusion in BOP's layout, YCBV frames of YCB-Video,
PEOPLE the folders of scripts/people_videos.py with their boxes, PHOTOS a folder of photographs for
the backgrounds of renders, OUT where everything is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDERS = {
    "LMO": "LineMOD-Occlusion in BOP's layout",
    "YCBV": "frames and models of YCB-Video",
    "PEOPLE": "folders of scripts/people_videos.py, with boxes.csv",
    "PHOTOS": "photographs, for backgrounds of renders",
}


@dataclass(frozen=True)
class Step:
    """A command of the repository. It is done once for each ``name``."""

    name: str
    command: str

    @property
    def is_training(self) -> bool:
        """Whether it goes on where it was stopped if it is told to."""
        return self.command.startswith(("perception train segmentation", "perception train pose"))


@dataclass(frozen=True)
class Part:
    """A section of the page: the folders it needs, its steps, and its tables of their results.

    ``charts`` are files that the steps wrote into OUT, by their names in the page's pictures.
    """

    folders: Sequence[str]
    steps: Sequence[Step]
    tables: Callable[[Path], str]
    charts: Mapping[str, str] = field(default_factory=dict)


def read_figures(path: Path) -> Any:
    """What a step wrote as JSON."""
    return json.loads(path.read_text())
