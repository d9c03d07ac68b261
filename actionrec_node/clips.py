# SPDX-License-Identifier: Apache-2.0
"""Cuts the clips that were tagged in VoTT, Label Studio or CVAT; says how they spread over classes.

``python -m actionrec_node.clips EXPORT.json… --out DIR``. A network sees an action at its end: each
clip also shows what comes before, so that actions shorter than the network's clip can be trained
on. ``labels.csv`` says when in the clip the action begins.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from actionrec_node.data.annotations import DataError, Segment, read_table, video_path
from actionrec_node.data.exports import read_export
from perception_kit.arguments import CommandParser, bounded_float, positive_float, program_name
from perception_kit.partial_file import replacing
from perception_kit.processes import run_command
from perception_kit.videos.video import is_video
from perception_kit.videos.video_file import STRICT_DECODING, VideoError, upright

# An end tag may be this much later than the last frame: VoTT rounds, and a video's rate may not be
# steady.
_LAST_FRAME_S = 0.5
_LEAD_IN_S = 2.0  # more than a network's clip: 16 frames at 15 fps are 1.1 s
_COLUMNS = ("video", "start", "end", "label")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.clips"),
        description="Cut the clips that were tagged in VoTT, Label Studio or CVAT.",
    )
    parser.add_argument(
        "exports",
        type=Path,
        nargs="+",
        help="*-export.json of VoTT 2, VIDEO.json of VoTT 1, JSON of Label Studio, or"
        " annotations.xml of CVAT (CVAT for video 1.1)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="data folder to write: a folder of clips for each class, and labels.csv",
    )
    parser.add_argument(
        "--lead-in",
        type=bounded_float(0.0),
        default=_LEAD_IN_S,
        metavar="SECONDS",
        help="what a clip shows before its action begins; at least the length of the clips that"
        " the network sees (default %(default)s)",
    )

    # How the export is read.
    parser.add_argument(
        "--videos", type=Path, help="folder with the videos, where the export names another place"
    )
    parser.add_argument(
        "--end-tag",
        default="dummy",
        help="tag of the last frame of an action in VoTT (default %(default)s)",
    )
    parser.add_argument(
        "--export-fps",
        type=positive_float,
        metavar="FPS",
        help="rate at which Label Studio counts frames, where the export does not say it",
    )
    return parser.parse_args(arguments)


def clip_paths(
    tagged: Mapping[Path, Sequence[Segment]], out: Path
) -> dict[Path, tuple[Path, Segment]]:
    """Video and segment of each clip by where it goes: ``out/LABEL/VIDEO_STARTms.mp4``.

    Raises DataError for a label that is no name of a folder, and for two clips that would be one
    file.
    """
    paths: dict[Path, tuple[Path, Segment]] = {}
    for video, segments in tagged.items():
        for segment in segments:
            if segment.label in ("", "..") or segment.label != Path(segment.label).name:
                raise DataError(
                    f"'{video}' is tagged '{segment.label}', which cannot be the name of"
                    " a class folder: rename the tag"
                )

            path = out / segment.label / f"{video.stem}_{round(segment.start * 1000):07d}ms.mp4"
            if path in paths:
                raise DataError(
                    f"clips of '{paths[path][0]}' and '{video}' would both be '{path}':"
                    " rename a video, or use two --out"
                )
            paths[path] = (video, segment)
    return paths


def check_no_stale_clips(paths: Mapping[Path, tuple[Path, Segment]], out: Path) -> None:
    """Raises DataError where ``out`` holds other clips of these videos.

    Their tags were moved or changed, and they would be trained on.
    """
    stems = {video.stem for video, _ in paths.values()}
    untagged = [path for path in sorted(out.glob("*/*.mp4")) if path not in paths]
    names = [re.fullmatch(r"(.*)_\d{7,}ms", path.stem) for path in untagged]
    stale = [
        path
        for path, name in zip(untagged, names, strict=True)
        if name is not None and name[1] in stems
    ]

    if stale:
        named = ", ".join(f"'{path}'" for path in stale[:3]) + (", …" if len(stale) > 3 else "")
        raise DataError(
            f"'{out}' has {len(stale)} clips of these videos that are not tagged (any more):"
            f" remove {named}, or choose another --out"
        )


@dataclass(frozen=True)
class CutClip:
    """Seconds from the start of a clip: its action begins at ``action_s``, the video at ``held_s``.

    Before that its first frame is held.
    """

    action_s: float
    held_s: float


def cut_clip(video: Path, segment: Segment, path: Path, lead_in_s: float = _LEAD_IN_S) -> CutClip:
    """Write a segment and the seconds before it, with the frames' own times and sizes.

    The last frame of the segment is included. Where the video begins so late that the clip would
    be shorter than ``lead_in_s``, its first frame is held. A side of odd length loses its last
    pixel. Raises VideoError, and leaves no file, for a video that does not decode, changes its
    size, or ends before the segment does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _cut(video, segment, path, lead_in_s)
    except (VideoError, av.error.FFmpegError, OSError) as error:
        path.unlink(missing_ok=True)
        # A class folder without a clip would be refused by the training.
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        if isinstance(error, VideoError):
            raise
        raise VideoError(
            f"'{video}' could not be decoded ({error}): re-encode or remove it"
        ) from error


def _cut(video: Path, segment: Segment, path: Path, lead_in_s: float) -> CutClip:
    """Copy the frames of one segment, and those before it."""
    held_s = max(lead_in_s - segment.end, 0.0)
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        if not source.streams.video:
            raise VideoError(f"'{video}' has no video stream")
        stream_in = source.streams.video[0]
        stream_in.codec_context.options = STRICT_DECODING
        stream_out = target.add_stream("libx264", rate=stream_in.average_rate or 30)
        stream_out.pix_fmt, stream_out.options = "yuv420p", {"crf": "18"}

        first: av.VideoFrame | None = None  # of the video
        begin: int | None = None  # time stamp of the clip's start
        shape, time, begin_s = (0, 0), 0.0, 0.0
        for frame in source.decode(stream_in):
            # Frames of the segment, by the time since the first of the video.
            if frame.pts is None or frame.time_base is None:
                raise VideoError(f"'{video}' has frames without a time stamp: re-encode it")
            first = first or frame
            time = frame.time - first.time
            if time > segment.end + 1e-6:
                break
            if time < segment.start - lead_in_s - 1e-6:
                continue
            if frame.is_corrupt:
                raise VideoError(
                    f"'{video}' is damaged at {time:.2f} s: get it whole, or cut there"
                )

            # The first sets the size, which all have.
            pixels = upright(frame)
            pts = [frame.pts]
            if begin is None:
                begin_s, shape = time - held_s, pixels.shape[:2]
                begin = frame.pts - round(held_s / frame.time_base)
                pts = _held_pts(begin, frame.pts, held_s * float(stream_in.average_rate or 30))
                if min(shape) < 2:
                    raise VideoError(
                        f"'{video}' is {shape[1]}x{shape[0]} pixels: too small for a clip"
                    )
                stream_out.height, stream_out.width = (side - side % 2 for side in shape)
                stream_out.codec_context.time_base = frame.time_base
            if pixels.shape[:2] != shape:
                raise VideoError(
                    f"the frames of '{video}' change their size at {time:.2f} s:"
                    " split it there, or scale them to one size"
                )

            # The codec wants even sides.
            even_pixels = np.ascontiguousarray(pixels[: stream_out.height, : stream_out.width])
            for shown in pts:
                even = av.VideoFrame.from_ndarray(even_pixels, format="rgb24")
                even.pts, even.time_base = shown - begin, frame.time_base
                target.mux(stream_out.encode(even))

        if begin is None or time < segment.end - _LAST_FRAME_S:
            tagged = f"'{segment.label}' is tagged from {segment.start:.2f} to {segment.end:.2f} s"
            raise VideoError(
                f"'{video}' ends at {time:.2f} s, but {tagged}: do the tags belong to this video?"
            )
        target.mux(stream_out.encode())
    return CutClip(segment.start - begin_s, held_s)


def _held_pts(begin: int, first: int, count: float) -> list[int]:
    """Time stamps of about ``count`` frames that are held from ``begin`` to the ``first`` one."""
    return (
        np.linspace(first, begin, min(round(count), first - begin) + 1).astype(int).tolist()[::-1]
    )


def write_labels(out: Path, cut: Mapping[Path, tuple[Segment, CutClip]]) -> None:
    """Write ``labels.csv`` of the folder ``out``: when each clip shows its action.

    Lines of other videos that are there stay; other videos in the class folders show their class
    from the beginning, as they do without ``labels.csv``. Raises DataError for a file that is no
    table of labels.
    """
    table, rows = out / "labels.csv", []
    if table.is_file():
        rows = [row for _, row in read_table(table, _COLUMNS)]
        rows = [row for row in rows if video_path(out, row["video"]).exists()]
    listed = {video_path(out, row["video"]) for row in rows}

    rows = [row for row in rows if video_path(out, row["video"]) not in cut]
    folders = {path.parent for path in cut}
    rows += [
        _row(out, video, Segment(0.0, math.inf, video.parent.name))
        for folder in sorted(folders)
        for video in sorted(folder.iterdir())
        if is_video(video) and video not in listed and video not in cut
    ]
    rows += [
        _row(out, path, Segment(clip.action_s, math.inf, segment.label))
        for path, (segment, clip) in cut.items()
    ]

    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _row(out: Path, video: Path, segment: Segment) -> dict[str, str]:
    start, end = f"{segment.start:.6f}", f"{segment.end:g}"
    values = (video.relative_to(out).as_posix(), start, end, segment.label)
    return dict(zip(_COLUMNS, values, strict=True))


def distribution(segments: Iterable[Segment]) -> str:
    """Table of the clips, their seconds and their fraction of each class."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for segment in segments:
        seconds[segment.label].append(segment.end - segment.start)
    clips = sum(map(len, seconds.values()))
    all_seconds = sum(map(sum, seconds.values()))

    lines = [f"{'class':<16}{'clips':>7}{'fraction':>10}{'seconds':>10}"]
    lines += [
        f"{label:<16}{len(lengths):7d}{len(lengths) / clips:10.1%}{sum(lengths):10.1f}"
        for label, lengths in sorted(seconds.items())
    ]
    lines.append(f"{'all':<16}{clips:7d}{1:10.1%}{all_seconds:10.1f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)
    try:
        tagged: dict[Path, list[Segment]] = defaultdict(list)
        for export in args.exports:
            for video, segments in read_export(
                export, args.end_tag, args.videos, args.export_fps
            ).items():
                tagged[video] += segments

        clips = clip_paths(tagged, args.out)
        check_no_stale_clips(clips, args.out)
        cut: dict[Path, tuple[Segment, CutClip]] = {}
        try:
            for path, (video, segment) in clips.items():
                cut[path] = segment, cut_clip(video, segment, path, args.lead_in)
        finally:  # without its line a clip would show its class from the beginning
            if cut:
                write_labels(args.out, cut)
    except (DataError, VideoError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    print(distribution(segment for segment, _ in cut.values()))
    if held := [path for path, (_, clip) in cut.items() if clip.held_s > 0]:
        print(
            f"warning: {len(held)} clips, such as '{held[0]}', begin with their first frame held:"
            f" their action ends within {args.lead_in:g} s of the start of the video",
            file=sys.stderr,
        )
    print(f"wrote {len(clips)} clips to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
