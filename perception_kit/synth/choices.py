# SPDX-License-Identifier: Apache-2.0
"""What can be chosen on the command line: views and paths of the camera."""

from __future__ import annotations

from typing import Literal

View = Literal["room", "table"]
"""Where the camera of clips is: anywhere in the room, or on a robot at the table of a recording.

The people are behind that table.
"""
PathKind = Literal["table", "drive", "circle"]
CAMERA_NAMES = ("left", "right")
