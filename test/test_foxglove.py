# SPDX-License-Identifier: Apache-2.0
"""The layout for Foxglove names panels that it has, and topics that are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from assistant_perception import msg
from python_imports import ROOT

from perception_kit.replay.panels import CAMERA_INFO, OVERLAY
from perception_kit.ros.listener import _RESULTS

LAYOUT = json.loads((ROOT / "config" / "foxglove.json").read_text())
# Types of panels in Foxglove Studio's sources (packages/studio-base/src/panels, release 1.87).
PANELS = {
    "3D", "DiagnosticStatusPanel", "DiagnosticSummary", "Image", "Plot", "RawMessages", "RosOut",
    "StateTransitions", "Tab", "Table",
}  # fmt: skip
SHOWN = {
    *(f"/scene_node/{name}" for name in ("overlay", "points", "markers")),
    "/pose6d_node/markers",
    "/tracker_node/markers",
    OVERLAY,  # of a replay's results
    CAMERA_INFO,
    "/diagnostics",
}


def arranged(node: Any) -> Iterator[str]:
    """The panels of a layout, those in tabs included."""
    if isinstance(node, str):
        yield node
        for tab in LAYOUT["configById"][node].get("tabs", []):
            yield from arranged(tab["layout"])
    else:
        yield from arranged(node["first"])
        yield from arranged(node["second"])


def texts(node: Any) -> Iterator[str]:
    """All strings of a JSON tree, keys included."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, child in node.items():
            yield key
            yield from texts(child)
    elif isinstance(node, list):
        for child in node:
            yield from texts(child)


def test_every_panel_is_arranged_once_and_exists() -> None:
    panels = list(arranged(LAYOUT["layout"]))
    assert sorted(panels) == sorted(LAYOUT["configById"])
    assert {panel.partition("!")[0] for panel in panels} <= PANELS


def test_topics_and_fields_exist() -> None:
    topics = [text for text in texts(LAYOUT["configById"]) if text.startswith("/")]
    paths = {text for text in topics if "." in text}
    assert set(topics) - paths <= SHOWN

    types = {f"/{topic}": kind for kind, topic in _RESULTS.values()}
    for path in paths:
        topic, array, field = path.split(".")
        array = array.partition("[")[0]
        element = types[topic].get_fields_and_field_types()[array]
        assert element.startswith("sequence<assistant_perception/")
        kind = getattr(msg, element.partition("/")[2].rstrip(">"))
        assert field in kind.get_fields_and_field_types()


def test_it_shows_what_rviz_does() -> None:
    rviz = yaml.safe_load((ROOT / "config" / "perception.rviz").read_text())
    displays = rviz["Visualization Manager"]["Displays"]
    drawn = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    assert drawn - {"/color/image_raw"} <= SHOWN
