# SPDX-License-Identifier: Apache-2.0
"""Writes docs/inputs.md, what is read and what is refused, from the readers' own tables.

``./run python scripts/inputs_page.py``; a test compares the page with the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from actionrec_node.data.annotations import LABELS_COLUMNS, LABELS_FILE, SUBJECT_COLUMN
from actionrec_node.data.exports import EXPORTS, OTHER_JSON, OTHER_XML
from actionrec_node.networks.published_weights import OTHER_NETWORKS, SUPPORTED
from perception_kit.bags.camera_streams import IMAGE_MESSAGES, RGBD_FIELDS, RGBD_SUFFIX
from perception_kit.bags.camera_topics import ALIGNED_WORDS, UNREAD_IMAGES
from perception_kit.bags.compressed import VIDEO_FORMATS
from perception_kit.bags.recording import FOREIGN_PROFILES, RECORDINGS, UNREAD_RECORDINGS
from perception_kit.bags.video_packets import CODECS
from perception_kit.colors import OTHER_LABEL
from perception_kit.datasets.bop import (
    DEPTH_ENDINGS,
    IMAGE_ENDINGS,
    IMAGE_FOLDERS,
    MODEL_FOLDERS,
    REMEDY,
)
from perception_kit.datasets.layout_help import LAYOUT_FILES
from perception_kit.datasets.mesh import MESH_FORMATS
from perception_kit.datasets.mesh_file import FORMAT_UNITS
from perception_kit.datasets.mesh_folder import OTHER_FORMATS
from perception_kit.datasets.mesh_units import METERS, PLAUSIBLE
from perception_kit.networks.model_file import STATE_KEYS, WRAPPERS
from perception_kit.ros.image import COLOR_ENCODINGS, DEPTH_UNITS, UNNAMED_CHANNELS
from perception_kit.videos.pictures import IMAGE_SUFFIXES, MODES
from perception_kit.videos.video import UNTIMED_SUFFIXES, VIDEO_SUFFIXES
from pose6d_node.published_weights import MARKS
from tracker_node.box_columns import FORMS
from tracker_node.descriptors import DETECTION_COLUMNS
from tracker_node.kitti_files import NEIGHBORS
from tracker_node.layouts import LAYOUTS as TRACKING
from tracker_node.layouts import PEOPLE, Layout
from tracker_node.sequence_files import KITTI

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "inputs.md"
CAMERAS = ROOT / "config" / "cameras"
HEADER = """\
<!-- Made by `./run python scripts/inputs_page.py` from the tables of the readers: change those. -->
# What is read, and what is refused

Everything else is refused with a message that says what was found and what to do. Nothing is read
in part: what is left out is named and counted.
"""


def inputs_page() -> str:
    """The page as Markdown."""
    sections = (
        _cameras(),
        _images(),
        _bags(),
        _videos(),
        _annotations(),
        _datasets(),
        _meshes(),
        _checkpoints(),
        _tracking(),
    )
    return "\n".join((HEADER, *sections))


def _cameras() -> str:
    rows = [
        (f"`{path.stem}`", *(f"`{topics[name]}`" for name in _CAMERA_TOPICS))
        for path in sorted(CAMERAS.glob("*.yaml"))
        if (topics := yaml.safe_load(path.read_text()))
    ]
    return (
        "## Cameras\n\n"
        + _table(("`--camera`, `camera:=`", *(f"`{name}`" for name in _CAMERA_TOPICS)), rows)
        + f"""
Other cameras are one small file in `config/cameras`, or a remapping of the three topics. Depth
must be aligned to the colour image: of several depth
topics of a bag, those with {_words(ALIGNED_WORDS)} in their names go first. The intrinsics are K
of camera_info, or P for topics called `image_rect…`, of the
region of interest and the binning that camera_info states.

Refused: depth of another size than the colour image (align it in the driver), camera_info without
a calibration, or of another image size.
"""
    )


_CAMERA_TOPICS = ("color/image_raw", "depth/image_raw", "color/camera_info")


def _images() -> str:
    depth = [
        (f"`{name}`", "1 m" if unit == 1 else f"{unit * 1000:g} mm")
        for name, unit in DEPTH_UNITS.items()
    ]
    return (
        f"""## Image encodings

Colour: {_words(COLOR_ENCODINGS)}; {_words(UNNAMED_CHANNELS)}, which do not say which channels they
have, with `color_encoding`; all others that `cv_bridge`
converts, where it is installed.

"""
        + _table(("depth", "unit, unless `depth_scale` says another"), depth)
        + "\n### Image transports, in bags\n\n"
        + _table(
            ("message", "transports"),
            [(f"`{kind}`", _words(names)) for kind, names in IMAGE_MESSAGES.items()],
        )
        + f"""
`compressed` holds JPEG or PNG, also with 16 bits for depth; `compressedDepth` PNG or RVL; `ffmpeg`
{", ".join(sorted(set(CODECS.values())))}. A message
whose type ends in `{RGBD_SUFFIX}` (RealSense, Orbbec) is taken apart: {_words(RGBD_FIELDS)} are
topics below its own. Live, the nodes subscribe to raw images, with `image_transport` `compressed`
to `…/compressed` for colour and `…/compressedDepth` for depth;
`ros2 run image_transport republish` decompresses the others.

Refused: depth as JPEG, which has lost the distances; video ({_words(VIDEO_FORMATS)}) as
`CompressedImage`; packets before the first key frame, or without the
headers of theora, each as a fault of its frame. Not read are:

"""
        + _table(
            ("message", "instead"), [(f"`{kind}`", way) for kind, way in UNREAD_IMAGES.items()]
        )
    )


def _bags() -> str:
    refused = [
        *((f"`{name}`" if name else "any other", text) for name, text in UNREAD_RECORDINGS.items()),
        *(
            (f"MCAP of the profile `{name}`" if name else "of others", text.format(profile="…"))
            for name, text in FOREIGN_PROFILES.items()
        ),
    ]
    return (
        "## Bags\n\n"
        + _table(("file", ""), [(f"`{ending}`", what) for ending, what in RECORDINGS.items()])
        + """
A folder of rosbag2, also without `metadata.yaml` where it holds one file; zstd by file, by message
or by chunk. What a cut-off recording has lost is said.
Topics of any type may be in a bag.

"""
        + _table(("refused", "the file …"), refused)
    )


def _videos() -> str:
    timed = [ending for ending in VIDEO_SUFFIXES if ending not in UNTIMED_SUFFIXES]
    kinds = ", ".join(dict.fromkeys(kind for kind in MODES.values()))
    return f"""## Videos

Files that FFmpeg decodes, and {_words(timed)} in folders of data. Folders of pictures:
{_words(IMAGE_SUFFIXES)}, of one kind, at `--folder-fps`. Where numbers
are missing in their names for at most a second, the picture before them is seen for that time.

Refused: files that were cut off, lost packets or have gaps (`--skip-bad` uses what is left, and
says what is lost); {_words(UNTIMED_SUFFIXES)} without time
stamps (put them into a container); pictures of several kinds ({kinds}, color, or names that differ
in more than numbers) in one folder (`--pictures GLOB`
chooses), and those of 16 bit alone; frames that change their size; cameras and addresses of
streams (record them, or start the node).
"""


def _annotations() -> str:
    others = sorted({*OTHER_JSON, *OTHER_XML.values()})
    rows = [(tool, form) for tool, form in EXPORTS.items()]
    return (
        f"""## Annotations of actions

`{LABELS_FILE}` with the columns {_words(LABELS_COLUMNS)} (seconds) and, if you like,
{_words([SUBJECT_COLUMN])}; a folder of videos for each class; exports,
which `actionrec_node.clips` cuts into clips:

"""
        + _table(("tool", "export"), rows)
        + f"""
Refused by name: {", ".join(others)}. So are labels that overlap, that begin or end well behind
their video (frames or milliseconds), and classes that the model does not know: where it has the
class `{OTHER_LABEL}`, they are said to count as that.
"""
    )


def _datasets() -> str:
    rows = [(name, f"`{files}`".replace(", ", "`, `")) for name, files in LAYOUT_FILES.items()]
    return (
        "## Data sets of objects\n\n"
        + _table(("layout", "files"), rows)
        + f"""
BOP: every split, by `--split` where it is not clear; images in {_words(IMAGE_FOLDERS)}
({_words(IMAGE_ENDINGS)}), depth as {_words(DEPTH_ENDINGS)}; meshes in
{_words(MODEL_FOLDERS)}. Without `mask_visib` or `scene_gt_info.json`, masks and visible fractions
are rendered from meshes, poses and depth. `--classes`
makes the others background.

Refused: missing images, poses and cameras; neither masks nor depth ({REMEDY}); masks of another
size; poses that are no rotation.
"""
    )


def _meshes() -> str:
    units = [f"{ending[1:].upper()} is in {unit}" for ending, unit in FORMAT_UNITS.items()]
    return f"""## Meshes

{_words(MESH_FORMATS)}, in this order of preference: textures (also several materials), plain
colors of materials, colors of vertices or faces, or none (gray,
and said). A folder with a sub-folder or a mesh for each object, or a BOP models folder.

Units: {", ".join(units)}, BOP and LineMOD in mm; others are in the one unit of {_words(METERS)} by
which the object is
{PLAUSIBLE[0] * 1000:.0f} mm to {PLAUSIBLE[1]:g} m long. Where several fit, or none, `--mesh-unit`
is asked for. The size of every object is printed in mm.

Refused: other formats, such as {_words(OTHER_FORMATS)} (convert them), points without faces,
vertices that are not finite, compressed GLB, textures that are missing or damaged.
"""


def _checkpoints() -> str:
    others = sorted(set(OTHER_NETWORKS.values()))
    return f"""## Checkpoints

| | |
| --- | --- |
| `pose6d_node.convert` | {", ".join(MARKS)} |
| `actionrec_node.convert`, `train --weights` | {SUPPORTED} |

PyTorch files of tensors: at the top, under {_words(STATE_KEYS)}, or under one other name;
`module.` and {_words(WRAPPERS)} in front of all names are taken off.
Numbers, of NumPy too, and options beside the tensors are left out. Files of this project are
`.safetensors`.

Refused: code (save the `state_dict()`), values that are not finite, other numbers of classes, and
by name {", ".join(others)}.
"""


def _tracking() -> str:
    rows = [(f"`{name}`", layout.title, *_counting(layout)) for name, layout in TRACKING.items()]
    kitti = "; ".join(f"{kind} ({_listed(others)})" for kind, others in NEIGHBORS.items())
    rows.append((f"`{KITTI}`", "KITTI labels", kitti, "DontCare"))
    header = (
        "`--layout`",
        "labels of",
        "classes that count (tracks on these are ignored)",
        "areas",
    )
    return (
        "## Tables of tracking benchmarks\n\n"
        + _table(header, rows)
        + f"""
The layout is told by the columns, the folder and `seqinfo.ini`, and said; `--classes` chooses what
counts. Detections are MOTChallenge text, between commas or blanks (`--boxes`
{_words(FORMS)}), KITTI or AB3DMOT results, or Deep SORT's `.npy` ({DETECTION_COLUMNS} columns and
the descriptor).

Refused: labels of which none counts, boxes that look like corners or fractions without `--boxes`,
a class that changes within an identity, an identity
twice in a frame, numbers that are not finite, damaged lines (with their number).
"""
    )


def _counting(layout: Layout) -> tuple[str, str]:
    """Classes that count, with those that are ignored, and areas."""
    if layout.class_column is None:
        return "all rows", ""
    counted = _listed(layout.classes[number] for number in layout.counted)
    ignored = _listed(layout.classes[number] for number in layout.ignored)
    others = "all others" if layout.others_ignored else ignored
    areas = _listed(layout.classes[number] for number in layout.areas)
    if not layout.counted:
        counted = f"{_words(PEOPLE)} of `labels.txt`, or its only class"
    return f"{counted} ({others})", areas


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


if __name__ == "__main__":
    PAGE.write_text(inputs_page(), encoding="utf-8")
