# SPDX-License-Identifier: Apache-2.0
"""Scores a model on labeled videos.

``python -m actionrec_node.evaluate --data DIR --model FILE --out DIR``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from tqdm import tqdm

from actionrec_node.config_file import save_options
from actionrec_node.data.annotations import Annotations, DataError, known_labels, read_folders
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import SHARPNESS, LabeledVideo, load_video
from actionrec_node.data.person_boxes import BoxTrack, read_boxes
from actionrec_node.evaluation.clip_scores import (
    PredictedVideo,
    clip_scores,
    format_scores,
    predict_videos,
    window_scores,
)
from actionrec_node.evaluation.fall_alarm import alarm_scores, format_alarm
from actionrec_node.evaluation.model_arguments import add_model_arguments
from actionrec_node.evaluation.model_loading import load_chosen_model, time_per_clip
from actionrec_node.evaluation.plots import plot_alarm, plot_confusion, plot_per_class, plot_roc
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.alarm_classes import alarm_warning
from perception_kit.arguments import CommandParser, bounded_float, program_name
from perception_kit.json_output import write_json
from perception_kit.metrics.actions import roc
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.partial_file import refuse_links
from perception_kit.processes import run_command
from perception_kit.videos.pictures import add_folder_arguments
from perception_kit.videos.video import VideoError, VideoFormat

OUTPUTS = (
    "metrics.json",
    "config.yaml",
    "confusion.png",
    "per_class.png",
    "fall_alarm.png",
    "roc_falling.png",
)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.evaluate"),
        description="Score a model on labelled videos.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="data folder; may be given several times",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for metrics.json and the plots"
    )

    add_model_arguments(parser)
    add_video_arguments(parser)
    return parser.parse_args(arguments)


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
            if args.per_person and video.boxes_at(np.arange(len(video.frames))) is None:
                without_person.append(path)
            yield video

    if left_out == len(annotations):
        raise DataError("no video is left")
    if without_person:
        read = len(annotations) - left_out
        named = f"{len(without_person)} of {read} videos, such as '{without_person[0]}'"
        problem = f"boxes.csv says of {named}, at no time where in the image the person is"
        if len(without_person) == read:
            raise DataError(problem)
        print(f"{problem}: their clips show the whole image", file=sys.stderr)


def check_folder_is_writable(folder: Path) -> None:
    """Make the folder, and raise OSError where it cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder, OUTPUTS)
    TemporaryFile(dir=folder).close()


def write_plots(
    out: Path, metrics: dict[str, Any], videos: list[PredictedVideo], spec: ActionModelSpec
) -> None:
    """``confusion.png``, ``per_class.png``, ``fall_alarm.png`` and ``roc_falling.png``.

    The last two need falls; the curve of the very last also goes into ``metrics``.
    """
    plot_confusion(out / "confusion.png", np.array(metrics["confusion"]), spec.class_names)
    per_class = {"clips": metrics["per_class"], "frames": metrics["frames"]["per_class"]}
    plot_per_class(out / "per_class.png", per_class)

    metrics["roc_falling"] = None
    for name in ("fall_alarm.png", "roc_falling.png"):  # of an earlier evaluation
        (out / name).unlink(missing_ok=True)
    if metrics["fall_alarm"] and metrics["fall_alarm"]["falls"]:
        plot_alarm(out / "fall_alarm.png", metrics["fall_alarm"])
    if not spec.alarms:
        return
    ground_truth, scores = window_scores(videos, spec.alarm_indices)
    curve = roc(np.isin(ground_truth, spec.alarm_indices), scores)
    if curve is None:
        return
    plot_roc(out / "roc_falling.png", curve, "', '".join(spec.alarms))

    # The first threshold is infinite, which JSON cannot say: no window reaches more than 1.
    thresholds = np.minimum(curve.thresholds, 1.0)
    points = {"threshold": thresholds, "false_alarms": curve.false_alarms, "recall": curve.recall}
    metrics["roc_falling"] = {
        "auc": curve.auc,
        **{name: values.round(5).tolist() for name, values in points.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)
    try:
        check_folder_is_writable(args.out)  # before the work
        model = load_chosen_model(args)
        spec = model.spec
        if warning := alarm_warning(spec.class_names, spec.alarms):
            print(f"warning: {warning}", file=sys.stderr)

        annotations, tracks = find_videos(args.data, spec.class_names, args.per_person)
        labeled = read_videos(annotations, tracks, spec, args)
        videos = predict_videos(model, labeled, args.stride, args.per_person)

        metrics = clip_scores(
            videos, spec.class_names, spec.clip_length, spec.clip_fps, spec.alarms
        )
        if not metrics["clips"]:
            raise DataError(
                f"no clip of {spec.clip_length} frames at {spec.clip_fps:g} fps ends in a labelled"
                " segment: there is nothing to score"
            )
    except (DataError, VideoError, ModelFileError, RuntimeUnavailableError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    # What was scored, how fast, and what the fall alarm makes of it.
    clip_time = time_per_clip(model)
    alarm = alarm_scores(videos, spec.class_names, spec.clip_fps, spec.alarms, spec.confirmations)
    metrics |= {
        "class_names": list(spec.class_names),
        "videos": len(videos),
        "seconds_per_clip": asdict(clip_time),
        "architecture": spec.architecture,
        "model": str(args.model),
        "model_sha256": file_sha256(args.model),
        "fall_alarm": alarm if spec.alarms else None,
    }

    try:
        save_options(args.out / "config.yaml", args)
        write_plots(args.out, metrics, videos, spec)
        write_json(args.out / "metrics.json", metrics)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    print(format_scores(metrics))
    if metrics["fall_alarm"]:
        print(format_alarm(metrics["fall_alarm"]))
    print(f"{spec.architecture}: {clip_time}")
    print(f"wrote {args.out}/metrics.json and plots")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
