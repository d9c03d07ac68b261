# SPDX-License-Identifier: Apache-2.0
"""Entity paths of the logged data, and how the viewer lays them out."""

from __future__ import annotations

import rerun.blueprint as rrb

TIMELINE = "time"

# In the image
CAMERA = "camera"
IMAGE = f"{CAMERA}/image"
DEPTH = f"{CAMERA}/depth"
MASKS = f"{CAMERA}/masks"
BOXES = f"{CAMERA}/boxes"
FALL = f"{CAMERA}/fall"
FALL_LABEL = f"{FALL}/label"

# In space
CLOUD = "cloud"
OBJECTS = "objects"
AXES = "axes"
PEOPLE = "people"
LABELS = "labels"
TRAILS = "trails"

# Over time
ACTIONS = "actions"

_DARK = (22, 24, 28, 255)
_SCORES_WINDOW_S = 10.0


def blueprint() -> rrb.Blueprint:
    """The image with masks and boxes beside the scene in space, the action scores below."""
    image = rrb.Spatial2DView(
        name="Camera", origin=CAMERA, contents=[f"/{CAMERA}/**", f"- /{DEPTH}/**"]
    )
    depth = rrb.Spatial2DView(name="Depth", origin=CAMERA, contents=[f"/{DEPTH}"])

    # From behind, beside and above the camera; y points down.
    eye = rrb.EyeControls3D(
        position=(0.7, -0.9, -0.8), look_target=(0.0, -0.05, 1.2), eye_up=(0.0, -1.0, 0.0)
    )
    space = rrb.Spatial3DView(
        name="Space",
        origin="/",
        contents=["/**", f"- /{CAMERA}/**", f"- /{ACTIONS}/**", f"+ /{CAMERA}"],
        background=_DARK,
        line_grid=False,
        eye_controls=eye,
    )

    cursor = rrb.TimeRangeBoundary.cursor_relative
    start, end = cursor(seconds=-_SCORES_WINDOW_S), cursor(seconds=0.0)
    scores = rrb.TimeSeriesView(
        name="Actions",
        origin=ACTIONS,
        plot_legend=rrb.Corner2D.RightTop,
        axis_y=rrb.ScalarAxis(range=(0.0, 1.0)),
        time_ranges=rrb.VisibleTimeRange(TIMELINE, start=start, end=end),
    )

    left = rrb.Vertical(rrb.Tabs(image, depth), scores, row_shares=[3, 1])
    return rrb.Blueprint(
        rrb.Horizontal(left, space, column_shares=[1, 1]),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
    )
