# SPDX-License-Identifier: Apache-2.0
"""Quantise a model to 8-bit integers for the runtime openvino_int8: ``python -m actionrec_node.quantize --model FILE --data DIR``.

Writes ``MODEL.int8.xml`` and ``.bin`` beside the model file. What it costs: ``python -m actionrec_node.evaluate --runtime openvino_int8``
beside the same without it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from actionrec_node.action_model import ActionModelSpec, load_action_model
from actionrec_node.annotations import DataError, check_labels, read_folders
from actionrec_node.compiled import write_int8
from actionrec_node.crops import CONTEXT
from actionrec_node.data import LabelledVideo
from actionrec_node.evaluate import read_videos
from actionrec_node.person_boxes import read_boxes
from actionrec_node.video import VideoError
from perception_kit.model_metadata import ModelFileError
from perception_kit.runtime import RuntimeUnavailableError

EXIT_BAD_INPUT = 2


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m actionrec_node.quantize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="model file (.safetensors)")
    parser.add_argument("--data", type=Path, action="append", required=True, help="videos like those that the model will see")
    parser.add_argument("--clips", type=int, default=100, help="clips of them to look at, evenly spread (default %(default)s)")
    parser.add_argument("--per-person", type=float, nargs="?", const=CONTEXT, metavar="CONTEXT", help="as for actionrec_node.evaluate")
    parser.add_argument("--folder-fps", type=float, default=30.0, help="rate of the pictures in folders of frames (default %(default)s)")
    parser.add_argument("--skip-bad", action="store_true", help="leave videos out that cannot be used, instead of stopping")
    return parser.parse_args(arguments)


def spread_clips(videos: Iterable[LabelledVideo], spec: ActionModelSpec, per_video: int, context: float | None) -> list[np.ndarray]:
    """Clips (T, S, S, 3) uint8 of the videos: at most ``per_video`` of each, evenly spread."""
    clips = []
    for video in videos:
        ends = np.unique(np.linspace(spec.clip_length - 1, len(video.frames) - 1, per_video).astype(int))
        clips += [video.show(end, spec.clip_length, spec.size, spec.resize, context) for end in ends]
    return clips


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)
    try:
        model = load_action_model(args.model)
        annotations = read_folders(args.data)
        check_labels(annotations, model.spec.class_names)
        tracks = read_boxes(args.data) if args.per_person else {}
        videos = read_videos(annotations, tracks, model.spec, args.folder_fps, args.skip_bad)
        clips = spread_clips(videos, model.spec, math.ceil(args.clips / max(len(annotations), 1)), args.per_person)
        if not clips:
            raise DataError(f"no video of {', '.join(map(str, args.data))} can be used")
        path = write_int8(model, args.model, clips)
    except (DataError, VideoError, ModelFileError, RuntimeUnavailableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    print(f"wrote {path}, whose ranges come from {len(clips)} clips; use it by --runtime openvino_int8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
