# SPDX-License-Identifier: Apache-2.0
"""Tags the times at which the lights are off: a plug-in of video_search in ten lines."""

from __future__ import annotations

from pathlib import Path

from video_search.frames import Frame
from video_search.sightings import Sighting

DARK = 30.0  # mean gray level


class LightsMatcher:
    """Sees "lights off" in dark frames; the folder of the option is not needed."""

    name, settings = "lights", f"1 {DARK}"

    def __init__(self, folder: Path | None) -> None:
        pass

    def __call__(self, frame: Frame) -> list[Sighting]:
        level = float(frame.rgb.mean())
        return [Sighting("event", "lights off", 1 - level / 255, self.name)] if level < DARK else []
