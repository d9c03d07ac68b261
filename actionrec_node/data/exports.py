# SPDX-License-Identifier: Apache-2.0
"""Reads actions from the exports of annotation tools: VoTT, Label Studio and CVAT."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from actionrec_node.data.annotations import LABELS_COLUMNS, LABELS_FILE, DataError, Segment
from actionrec_node.data.cvat import read_cvat
from actionrec_node.data.label_studio import is_label_studio, read_label_studio
from actionrec_node.data.vott import read_vott
from perception_kit.budgets import parse_json, regular

# Tools and the forms of their exports
EXPORTS = {
    "VoTT": "JSON",
    "Label Studio": "JSON or JSON-MIN",
    "CVAT": "CVAT for video 1.1, or CVAT for images 1.1 of a video",
}
# Other tools, by what their exports hold at the top.
OTHER_JSON = {
    "VIA": ("_via_settings", "_via_img_metadata", "config"),
    "COCO": ("categories",),
    "Supervisely": ("framesCount", "objects"),
    "Encord": ("label_hash", "data_units"),
    "Labelbox": ("data_row", "DataRow ID", "Labeled Data"),
    "BORIS": ("behaviors_conf",),
    "ActivityNet": ("database",),
    "V7 Darwin": ("slots", "item"),
    "LabelMe": ("shapes", "imagePath"),
    "SuperAnnotate": ("metadata", "instances"),
}
OTHER_XML = {"ANNOTATION_DOCUMENT": "ELAN", "annotation": "Pascal VOC", "annotation-spec": "Anvil"}
_TOOLS = ", ".join(f"{tool} ({form})" for tool, form in EXPORTS.items())
_READ = (
    f"what is read are exports of {_TOOLS};"
    f" or write {LABELS_FILE} with the columns {','.join(LABELS_COLUMNS)} beside the videos"
)


def read_export(
    path: Path, end_tag: str, videos: Path | None = None, fps: float | None = None
) -> dict[Path, list[Segment]]:
    """Segments of each video of an export, whichever of the tools wrote it.

    ``end_tag`` is what ends an action in VoTT, ``fps`` the rate at which Label Studio counts
    frames. Videos are looked for in ``videos``, at the path that the export names, and beside the
    export. Raises DataError naming the file, and where it is known the tool, for anything else;
    also for actions that overlap, and VideoError for a video of CVAT that does not decode.
    """
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        unpack = ": unpack it, and give annotations.xml" if path.suffix == ".zip" else ""
        raise DataError(f"'{path}' cannot be read as text ({error}){unpack}") from error

    segments = (
        _read_xml(text, path, videos)
        if text.lstrip().startswith("<")
        else _read_json(text, path, end_tag, videos, fps)
    )
    for video, found in segments.items():
        found.sort(key=lambda segment: segment.start)
        for earlier, later in pairwise(found):
            if later.start < earlier.end:
                raise DataError(
                    f"'{path}', video '{video.name}': '{earlier.label}' until {earlier.end:.2f} s"
                    f" and '{later.label}' from {later.start:.2f} s overlap: a frame has one label"
                )
    return segments


def _read_xml(text: str, path: Path, videos: Path | None) -> dict[Path, list[Segment]]:
    try:
        root = ElementTree.fromstring(text)
        if root.tag == "annotations" and root.find("meta") is not None:
            segments = read_cvat(root, path, videos)
            return _checked(segments, path, "no track and no tag: label the actions by one of them")
    except (ElementTree.ParseError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"'{path}' is no export of CVAT that can be read: {error}") from error
    tool = OTHER_XML.get(root.tag)
    named = f"an export of {tool}" if tool else f"an unknown XML file (<{root.tag}>)"
    raise DataError(f"'{path}' is {named}; {_READ}")


def _read_json(
    text: str, path: Path, end_tag: str, videos: Path | None, fps: float | None
) -> dict[Path, list[Segment]]:
    try:
        content = parse_json(text)
    except json.JSONDecodeError as error:
        raise DataError(f"'{path}' cannot be read as JSON: {error}; {_READ}") from error

    if is_label_studio(content):
        try:
            segments = read_label_studio(content, path, videos, fps)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"'{path}' is no export of Label Studio that can be read:"
                f" {type(error).__name__} {error}"
            ) from error
        return _checked(segments, path, "no span: label the actions by TimelineLabels")

    if (tool := _other_tool(content)) is not None:
        raise DataError(f"'{path}' is an export of {tool}; {_READ}")
    if not isinstance(content, dict) or not content.keys() & {"assets", "frames"}:
        raise DataError(f"'{path}' is no export that is known; {_READ}")
    return read_vott(content, path, end_tag, videos)


def _other_tool(content: Any) -> str | None:
    """The tool that wrote a JSON file which none of the readers is for, where that is known."""
    top = content[0] if isinstance(content, list) and content else content
    if not isinstance(top, dict) or "assets" in top or "frames" in top:
        return None
    return next(
        (tool for tool, keys in OTHER_JSON.items() if any(key in top for key in keys)), None
    )


def _checked(
    segments: dict[Path, list[Segment]], path: Path, what: str
) -> dict[Path, list[Segment]]:
    """The segments. Raises DataError where there are none, or one has no length or no label."""
    if not segments:
        raise DataError(f"'{path}' has {what}")
    for video, found in segments.items():
        for segment in found:
            if not (0 <= segment.start < segment.end and segment.label):
                raise DataError(
                    f"'{path}', video '{video.name}': '{segment.label}' from {segment.start:.2f} to"
                    f" {segment.end:.2f} s is no action: it needs a label, and two frames or more"
                )
    return segments
