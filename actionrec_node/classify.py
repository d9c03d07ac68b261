# SPDX-License-Identifier: Apache-2.0
"""Say what happens in one video: ``python -m actionrec_node.classify VIDEO --model FILE [--json]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from actionrec_node.action_model import ActionModel, load_action_model
from actionrec_node.evaluation import predict_video
from actionrec_node.video import VideoError, read_video
from perception_kit.model_file import ModelFileError


def classify(model: ActionModel, path: Path, stride: int) -> dict[str, Any]:
    """Actions of a video file.

    ``windows``: ``start`` and ``end`` of the clip (seconds, its first and last frame), ``label`` and ``scores`` {NAME: probability}.
    ``label``: the class with the highest mean score. Raises VideoError for a file that does not decode or is shorter than one clip.
    """
    spec = model.spec
    frames = read_video(path, spec.clip_fps, spec.input_size[0])
    if len(frames) < spec.clip_length:
        seconds = spec.clip_length / spec.clip_fps
        raise VideoError(
            f"'{path}' has {len(frames)} frames at {spec.clip_fps:g} fps, the model needs {spec.clip_length} ({seconds:.2f} s)"
        )
    ends, scores = predict_video(model, frames, stride)
    windows = [
        {
            "start": round((end - spec.clip_length + 1) / spec.clip_fps, 3),
            "end": round(end / spec.clip_fps, 3),
            "label": spec.class_names[int(row.argmax())],
            "scores": {name: round(float(score), 4) for name, score in zip(spec.class_names, row, strict=True)},
        }
        for end, row in zip(ends.tolist(), scores, strict=True)
    ]
    return {"video": str(path), "label": spec.class_names[int(scores.mean(axis=0).argmax())], "windows": windows}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m actionrec_node.classify", description="Say what happens in one video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--stride", type=int, default=4, help="frames at the model's clip rate between two windows (default %(default)s)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of a table")
    args = parser.parse_args(arguments)
    if args.stride < 1:
        parser.error(f"--stride must be at least 1, got {args.stride}")
    try:
        result = classify(load_action_model(args.model, args.device), args.video, args.stride)
    except (VideoError, ModelFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    for window in result["windows"]:
        print(f"{window['start']:7.2f} to {window['end']:6.2f} s  {window['label']:<12} {window['scores'][window['label']]:.2f}")
    print(f"{result['video']}: {result['label']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
