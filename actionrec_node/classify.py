# SPDX-License-Identifier: Apache-2.0
"""Say what happens in one video: ``python -m actionrec_node.classify VIDEO --model FILE [--json]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from actionrec_node.action_model import ActionModel
from actionrec_node.data import UNLABELLED, LabelledVideo
from actionrec_node.evaluation import predict_video
from actionrec_node.model_choice import add_model_arguments, load_chosen_model, time_per_clip
from actionrec_node.video import VideoError, VideoFormat, read_video
from perception_kit.arguments import positive_number
from perception_kit.model_metadata import ModelFileError
from perception_kit.runtime import RuntimeUnavailableError


def classify(model: ActionModel, path: Path, stride: int, folder_fps: float = 30.0) -> dict[str, Any]:
    """Actions of a video: a file, or a folder of pictures taken at ``folder_fps``.

    ``windows``: ``start`` and ``end`` of the clip (seconds, its first and last frame), ``label`` and ``scores`` {NAME: probability}.
    ``label``: the class with the highest mean score. Raises VideoError for a video that does not decode or is shorter than one clip.
    """
    spec = model.spec
    frames = read_video(path, VideoFormat(spec.clip_fps, 2 * spec.size, folder_fps))
    if len(frames) < spec.clip_length:
        seconds = spec.clip_length / spec.clip_fps
        raise VideoError(
            f"'{path}' has {len(frames)} frames at {spec.clip_fps:g} fps, the model needs {spec.clip_length} ({seconds:.2f} s)"
        )
    predicted = predict_video(model, LabelledVideo(path, frames, np.full(len(frames), UNLABELLED)), stride)
    windows = [
        {
            "start": round((end - spec.clip_length + 1) / spec.clip_fps, 3),
            "end": round(end / spec.clip_fps, 3),
            "label": spec.class_names[int(row.argmax())],
            "scores": {name: round(float(score), 4) for name, score in zip(spec.class_names, row, strict=True)},
        }
        for end, row in zip(predicted.ends.tolist(), predicted.scores, strict=True)
    ]
    return {"video": str(path), "label": spec.class_names[int(predicted.scores.mean(axis=0).argmax())], "windows": windows}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m actionrec_node.classify", description="Say what happens in one video.")
    parser.add_argument("video", type=Path, help="video file, or folder of pictures")
    add_model_arguments(parser)
    parser.add_argument("--folder-fps", type=positive_number, default=30.0, help="rate of the pictures in a folder (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of a table")
    args = parser.parse_args(arguments)
    try:
        model = load_chosen_model(args)
        result = classify(model, args.video, args.stride, args.folder_fps)
    except (VideoError, ModelFileError, RuntimeUnavailableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clip_time = time_per_clip(model)
    result |= {"architecture": model.spec.architecture, "seconds_per_clip": asdict(clip_time)}
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    for window in result["windows"]:
        print(f"{window['start']:7.2f} to {window['end']:6.2f} s  {window['label']:<12} {window['scores'][window['label']]:.2f}")
    print(f"{result['video']}: {result['label']}")
    print(f"{model.spec.architecture}: {clip_time}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
