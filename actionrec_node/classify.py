# SPDX-License-Identifier: Apache-2.0
"""Recognizes the actions in one video, or in the images of a camera while they come.

``python -m actionrec_node.classify VIDEO --model FILE [--json PATH]``, where ``VIDEO`` may be the
number of a camera (``0`` is ``/dev/video0``) or a URL (``rtsp://…``); Ctrl-C ends those.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from actionrec_node.config import RecognizerConfig
from actionrec_node.data.crops import CLIPS_AT_ONCE, crop_clip
from actionrec_node.data.frames import slow_rate
from actionrec_node.evaluation.model_arguments import add_model_arguments
from actionrec_node.live import is_stream, live_actions
from actionrec_node.recognition.recognizer import ActionRecognizer
from perception_kit.arguments import CommandParser, program_name, with_json_path
from perception_kit.json_output import is_stdout, prepare_file, write_json
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import run_command
from perception_kit.short_text import counted
from perception_kit.videos.pictures import add_folder_arguments
from perception_kit.videos.video import HeldFrame, VideoError, VideoFormat, held_frames

if TYPE_CHECKING:
    from actionrec_node.networks.action_model import ActionModel
    from actionrec_node.networks.action_model_spec import ActionModelSpec

MIN_SIDE = 16
"""Pixels of the shorter side of a video; a person in less is a few dots."""
TOLERANCE_S = 1e-6  # of differences between times


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.classify"),
        description="Say what happens in one video, or before a camera.",
    )
    parser.add_argument(
        "video",
        help="video file or folder of pictures; or number of a camera (0: /dev/video0) or URL"
        " (rtsp://…), until Ctrl-C",
    )
    add_model_arguments(parser)

    add_folder_arguments(parser)
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="use what is left of a damaged video, and say what was lost, instead of stopping",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help="write everything as JSON to a file whose name ends in .json; - prints it instead of"
        " a table",
    )
    return parser.parse_args(with_json_path(arguments, has_positionals=True))


def classify(
    model: ActionModel,
    path: Path,
    stride: int,
    folder_fps: float = 30.0,
    pictures: str | None = None,
    keep_damaged: bool = False,
) -> dict[str, Any]:
    """Actions of a video of any length: a file, or a folder of pictures taken at ``folder_fps``.

    ``pictures`` and ``keep_damaged`` as in ``VideoFormat``.

    ``windows``: ``start`` and ``end`` of the clip (seconds, its first and last frame), ``label``
    and ``scores`` {NAME: probability}. ``label``: the class with the highest mean score. Raises
    VideoError for a video that does not decode or is shorter than one clip.
    """
    spec = model.spec
    form = VideoFormat(spec.clip_fps, 2 * spec.size, folder_fps, pictures, keep_damaged)

    # All windows, some at once.
    ends, scores = [], []
    clips = _clips(path, model, stride, form)
    while batch := list(islice(clips, CLIPS_AT_ONCE)):
        ends += [end for end, _ in batch]
        scores.append(model.probabilities([clip for _, clip in batch]))
    probabilities = np.concatenate(scores)

    windows = [
        {
            "start": round((end - spec.clip_length + 1) / spec.clip_fps, 3),
            "end": round(end / spec.clip_fps, 3),
            "label": spec.class_names[int(row.argmax())],
            "scores": {
                name: round(float(score), 4)
                for name, score in zip(spec.class_names, row, strict=True)
            },
        }
        for end, row in zip(ends, probabilities, strict=True)
    ]
    return {
        "video": str(path),
        "label": spec.class_names[int(probabilities.mean(axis=0).argmax())],
        "windows": windows,
    }


def _clips(
    path: Path, model: ActionModel, stride: int, form: VideoFormat
) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the last frame and pixels (K, S, S, 3) of every ``stride``-th clip.

    No more of the video than a clip is held. Where a frame is followed by none for longer than the
    node's ``max_gap``, a new clip begins, as in the node: what lies between was not seen.
    """
    spec = model.spec
    spacings: list[float] = []
    frames = tqdm(
        held_frames(path, form), desc="classifying", unit="frame", disable=None, leave=False
    )
    newest: deque[np.ndarray] = deque(maxlen=spec.clip_length)
    count = first = gaps = 0
    has_clip = False
    seen = _without_gaps(frames, RecognizerConfig.max_gap, spec.clip_fps, spacings)
    for count, frame in enumerate(seen, start=1):
        if frame is None:
            gaps += bool(newest)
            newest.clear()
            first = count
            continue
        if min(frame.shape[:2]) < MIN_SIDE:
            height, width = frame.shape[:2]
            raise VideoError(
                f"'{path}' is of {width}x{height} pixels, in which nobody can be seen:"
                f" expected at least {MIN_SIDE}x{MIN_SIDE}"
            )
        newest.append(frame)
        past = count - first - spec.clip_length
        if past >= 0 and past % stride == 0:
            has_clip = True
            yield count - 1, crop_clip(newest, None, spec.size, spec.resize)

    remarks = _remarks(spec, gaps, spacings)
    if not has_clip:
        needed = f"{spec.clip_length} ({spec.clip_length / spec.clip_fps:.2f} s)"
        raise VideoError(
            f"'{path}' has {count} frames at {spec.clip_fps:g} fps, the model needs {needed} in a"
            f" row{''.join(f'; {remark}' for remark in remarks)}"
        )
    for remark in remarks:
        print(f"'{path}': {remark}", file=sys.stderr)


def _remarks(spec: ActionModelSpec, gaps: int, spacings: Sequence[float]) -> list[str]:
    """What of a video's times keeps clips away, or makes them poor: gaps, and a low rate."""
    remarks = []
    if gaps:
        remarks.append(
            f"no clip goes across its {counted(gaps, 'gap')} of more than"
            f" {RecognizerConfig.max_gap:g} s"
        )
    if slow := slow_rate(spacings, spec.clip_fps):
        remarks.append(f"the video {slow}")
    return remarks


def _without_gaps(
    frames: Iterable[HeldFrame], max_gap: float, fps: float, spacings: list[float]
) -> Iterator[np.ndarray | None]:
    """Frames at ``fps``; one that is followed by none for ``max_gap`` seconds is no longer there.

    The rest of its time is None. ``spacings`` gets the seconds of each frame.
    """
    most = int(max_gap * fps)
    for frame in frames:
        is_gap = frame.seconds > max_gap + TOLERANCE_S
        seen = min(frame.count, most) if is_gap else frame.count
        yield from [frame.rgb] * seen
        yield from [None] * (frame.count - seen)
        spacings.append(frame.seconds)


def classify_live(args: argparse.Namespace) -> dict[str, Any]:
    """Actions of a camera or URL, printed as they come, until the stream ends or Ctrl-C.

    The same as of ``classify``; scores are smoothed as the node does. Raises VideoError for a
    stream that cannot be read.
    """
    config = RecognizerConfig(stride=args.stride)
    recognizer = ActionRecognizer(args.model, args.device, config, args.runtime)
    windows: list[dict[str, Any]] = []
    total = np.zeros(len(recognizer.class_names))
    try:
        for action in live_actions(recognizer, args.video):
            scores = dict(zip(recognizer.class_names, action.class_scores.tolist(), strict=True))
            window = {
                "start": round(action.clip_start_ns * 1e-9, 3),
                "end": round(action.clip_end_ns * 1e-9, 3),
                "label": action.label,
                "scores": {name: round(score, 4) for name, score in scores.items()},
            }
            windows.append(window)
            total += action.class_scores
            if not is_stdout(args.json):
                print_window(window)
    except KeyboardInterrupt:
        pass  # the usual end
    label = recognizer.class_names[int(total.argmax())] if windows else ""
    return {"video": args.video, "label": label, "windows": windows}


def print_window(window: dict[str, Any]) -> None:
    """A line for a window, at once."""
    score = max(window["scores"].values())
    print(
        f"{window['start']:7.2f} to {window['end']:6.2f} s  {window['label']:<12} {score:.2f}",
        flush=True,
    )


def print_windows(result: dict[str, Any]) -> None:
    """A line for each window, and the label of the video."""
    for window in result["windows"]:
        print_window(window)
    print(f"{result['video']}: {result['label']}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.evaluation.model_loading import load_chosen_model, time_per_clip

    try:
        if args.json is not None:
            prepare_file(args.json)
        model = load_chosen_model(args)
        is_live = is_stream(args.video)
        result = (
            classify_live(args)
            if is_live
            else classify(
                model, Path(args.video), args.stride, args.folder_fps, args.pictures, args.skip_bad
            )
        )
        clip_time = time_per_clip(model)
        result |= {"architecture": model.spec.architecture, "seconds_per_clip": asdict(clip_time)}
        if args.json is not None:
            write_json(args.json, result)
    except (VideoError, ModelFileError, RuntimeUnavailableError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    if not is_stdout(args.json):
        if not is_live:
            print_windows(result)
        print(f"{model.spec.architecture}: {clip_time}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
