# SPDX-License-Identifier: Apache-2.0
"""Names of what is logged, and how the viewer lays it out."""

from __future__ import annotations

import rerun.blueprint as rrb

TIMELINE = "time"
CAMERA, IMAGE, DEPTH, MASKS, BOXES, FALL = (
    "camera",
    "camera/image",
    "camera/depth",
    "camera/masks",
    "camera/boxes",
    "camera/fall",
)
FALL_LABEL = f"{FALL}/label"
CLOUD, OBJECTS, AXES, PEOPLE, LABELS, TRAILS = (
    "cloud",
    "objects",
    "axes",
    "people",
    "labels",
    "trails",
)
ACTIONS = "actions"
_DARK = (22, 24, 28, 255)
_SCORES_WINDOW_S = 10.0


def blueprint() -> rrb.Blueprint:
    """The picture with masks and boxes beside the scene in space, the scores of the actions below."""
    picture = rrb.Spatial2DView(
        name="Camera", origin=CAMERA, contents=[f"/{CAMERA}/**", f"- /{DEPTH}/**"]
    )
    depth = rrb.Spatial2DView(name="Depth", origin=CAMERA, contents=[f"/{DEPTH}"])
    space = rrb.Spatial3DView(
        name="Space",
        origin="/",
        contents=["/**", f"- /{CAMERA}/**", f"- /{ACTIONS}/**", f"+ /{CAMERA}"],
        background=_DARK,
        line_grid=False,
        eye_controls=rrb.EyeControls3D(
            position=(0.7, -0.9, -0.8), look_target=(0.0, -0.05, 1.2), eye_up=(0.0, -1.0, 0.0)
        ),
    )
    cursor = rrb.TimeRangeBoundary.cursor_relative
    scores = rrb.TimeSeriesView(
        name="Actions",
        origin=ACTIONS,
        plot_legend=rrb.Corner2D.RightTop,
        axis_y=rrb.ScalarAxis(range=(0.0, 1.0)),
        time_ranges=rrb.VisibleTimeRange(
            TIMELINE, start=cursor(seconds=-_SCORES_WINDOW_S), end=cursor(seconds=0.0)
        ),
    )
    left = rrb.Vertical(rrb.Tabs(picture, depth), scores, row_shares=[3, 1])
    return rrb.Blueprint(
        rrb.Horizontal(left, space, column_shares=[1, 1]),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
    )
