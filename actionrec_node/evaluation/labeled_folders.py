# SPDX-License-Identifier: Apache-2.0
"""The labeled videos of data folders, as the commands that score models read them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from actionrec_node.data.annotations import Annotations, DataError, known_labels, read_folders
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import SHARPNESS, LabeledVideo, load_video, report_unseen
from actionrec_node.data.person_boxes import BoxTrack, read_boxes
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.arguments import bounded_float
from perception_kit.videos.pictures import add_folder_arguments
from perception_kit.videos.video import VideoError, VideoFormat


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """``--per-person``, ``--folder-fps``, ``--pictures`` and ``--skip-bad``.

    They say how the videos of data folders are read and shown to the model.
    """
    parser.add_argument(
        "--per-person",
        type=bounded_float(1.0),
        nargs="?",
        const=CONTEXT,
        metavar="CONTEXT",
        help=(
            "classify crops of the people that boxes.csv names, as the live node does; side of a"
            " crop in boxes (default %(const)s)"
        ),
    )

    add_folder_arguments(parser)
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave videos out that cannot be used, instead of stopping",
    )


def find_videos(
    folders: Sequence[Path], class_names: Sequence[str], per_person: float | None
) -> tuple[Annotations, dict[Path, BoxTrack]]:
    """Labels of the data folders and, for clips of people, their boxes.

    Raises DataError for labels that are none of ``class_names``, and for clips of people where no
    box of any is known.
    """
    annotations = known_labels(read_folders(folders), class_names)

    tracks = read_boxes(folders) if per_person else {}
    if per_person and not annotations.keys() & tracks.keys():
        raise DataError(
            "--per-person needs to know where people are:"
            f" no boxes.csv of {', '.join(map(str, folders))} names a video"
        )
    return annotations, tracks


def read_videos(
    annotations: Annotations,
    tracks: Mapping[Path, BoxTrack],
    spec: ActionModelSpec,
    args: argparse.Namespace,
) -> Iterator[LabeledVideo]:
    """The labeled videos, one after another: a large data set needs no large memory.

    ``args`` are those of ``add_video_arguments``. Says on standard error of which videos ``tracks``
    do not show the person: their clips are those of the whole image. Raises VideoError, or with
    ``--skip-bad`` prints it; DataError where no video is left, and for clips of people where nobody
    is shown.
    """
    form = VideoFormat(spec.clip_fps, SHARPNESS * spec.size, args.folder_fps, args.pictures)

    # Not only after the hours that the videos before it take.
    missing = [path for path in annotations if not path.exists()]
    if missing and not args.skip_bad:
        raise VideoError(
            f"{len(missing)} of {len(annotations)} labelled videos do not exist,"
            f" such as '{missing[0]}'"
        )

    left_out, without_person = 0, []
    for path, segments in tqdm(annotations.items(), desc="reading videos", unit="video"):
        try:
            video = load_video(
                path, segments, spec.class_names, form, spec.clip_length, tracks.get(path)
            )
        except VideoError as error:
            if not args.skip_bad:
                raise
            print(f"left out: {error}", file=sys.stderr)
            left_out += 1
        else:
            if args.per_person and not video.shows_person:
                without_person.append(path)
            yield video

    if left_out == len(annotations):
        raise DataError("no video is left")
    report_unseen(without_person, len(annotations) - left_out)
