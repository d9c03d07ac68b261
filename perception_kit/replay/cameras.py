# SPDX-License-Identifier: Apache-2.0
"""Replays the cameras of one bag one after the other, and fuses their tracks as on a robot."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagError, BagReader
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.bags.camera_topics import topics_of_camera
from perception_kit.bags.transforms import RecordedTransforms, UnknownTransform
from perception_kit.evaluation.camera_views import ViewFrame, evaluate_views
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.ground_truth_bag import TRACKS
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.results import read_results
from perception_kit.evaluation.run_folder import REPORT, RESULTS, make_output
from perception_kit.fusion.camera_checks import ClockCheck, JumpCheck
from perception_kit.fusion.camera_tracks import CameraTrack, camera_tracks
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.track_fusion import TrackFusion
from perception_kit.json_output import write_json
from perception_kit.processes import EXIT_BAD_INPUT, ends_with_parent
from perception_kit.replay.annotated_frames import annotated_frames
from perception_kit.replay.batch import LOG, replay_command
from perception_kit.replay.log import log
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.image import ImageError
from perception_kit.short_text import counted
from perception_kit.types import FrameResults, TrackState

CAMERAS = "cameras.json"


def run_cameras(settings: ReplaySettings, cameras: Sequence[str], fixed_frame: str) -> int:
    """Replay each of ``cameras`` into ``OUT/NAME``, and write the fused scores to ``OUT``.

    ``cameras`` are namespaces of the bag's topics; ``fixed_frame`` is the TF frame in which they
    are compared. A camera that cannot be replayed is named, and the others are fused. Returns the
    largest exit code of the replays. Raises BagError or OutputError.
    """
    # Before the first is replayed, which takes minutes.
    _check_fixed_frame(settings.bag, fixed_frame)
    tasks = {
        camera: replace(
            settings,
            bag=settings.bag.absolute(),
            out=settings.out.absolute() / camera,
            camera_namespace=camera,
        )
        for camera in cameras
    }
    unreadable = _unreadable(tasks)
    for camera, problem in unreadable.items():
        log(f"'{camera}' cannot be replayed: {problem}")

    codes = dict.fromkeys(unreadable, EXIT_BAD_INPUT)
    for camera, task in tasks.items():
        if camera not in unreadable:
            codes[camera] = _replay(camera, task)
    replayed = {
        camera: task
        for camera, task in tasks.items()
        if camera not in unreadable and (task.out / RESULTS).exists()
    }
    if not replayed:
        return max(codes.values())

    report = fused_report(replayed, fixed_frame)
    write_json(settings.out / CAMERAS, report)
    print_cameras(report, [settings.out / CAMERAS, *(t.out / REPORT for t in replayed.values())])
    return max(codes.values())


def _replay(camera: str, task: ReplaySettings) -> int:
    """Replay one camera in a process of its own; returns its exit code."""
    make_output(task.out)
    log(f"replaying the camera '{camera}'; its log is '{task.out / LOG}'")
    command = ends_with_parent([sys.executable, *replay_command(task)])
    with (task.out / LOG).open("w") as output:
        ended = subprocess.run(command, stdout=output, stderr=output, check=False)
    if not (task.out / RESULTS).exists():
        log(f"the replay of '{camera}' ended with exit code {ended.returncode}; see its log")
    return ended.returncode


def _check_fixed_frame(bag: Path, fixed_frame: str) -> None:
    """Raise BagError where the bag has transforms, but no frame of that name."""
    with BagReader(bag) as reader:
        frames = RecordedTransforms.of_bag(reader).frames()
    if frames and fixed_frame.strip("/") not in frames:
        raise BagError(
            f"--fixed-frame is '{fixed_frame}', but the TF of '{bag}' has the frames"
            f" {', '.join(sorted(frames))}: give one that stands still"
        )


def _unreadable(tasks: Mapping[str, ReplaySettings]) -> dict[str, str]:
    """Why cameras cannot be replayed. Raises BagError where one is not in the bag at all."""
    problems = {}
    for camera, task in tasks.items():
        with BagReader(task.bag) as reader:
            topics_of_camera(reader.topics, camera)
        try:
            with ReplayInput(task):
                pass
        except BagError as error:
            problems[camera] = str(error)
    return problems


def fused_report(tasks: dict[str, ReplaySettings], fixed_frame: str) -> dict[str, Any]:
    """Scores over all views from the results that the replays ``tasks`` have written."""
    with BagReader(next(iter(tasks.values())).bag) as reader:
        transforms = RecordedTransforms.of_bag(reader)
    streams = {camera: _recorded_frames(camera, task) for camera, task in tasks.items()}
    return fuse_views(streams, transforms, fixed_frame)


def fuse_views(
    streams: Mapping[str, Iterable[RecordedView]],
    transforms: RecordedTransforms,
    fixed_frame: str,
) -> dict[str, Any]:
    """Fuse the frames of each camera in the order of their arrival, as the node, and score them.

    Each stream is in that order. ``alone`` of the figures has, for each camera that was, the first
    reason of each kind and the number of frames with one of that kind.
    """
    config = FusionConfig()
    fusion, jumps, clocks = TrackFusion(config), JumpCheck(), ClockCheck(list(streams))
    alone: dict[str, dict[str, list[str]]] = {camera: defaultdict(list) for camera in streams}

    views = []
    for recorded in merge(*streams.values(), key=lambda entry: entry.arrival_ns):
        camera, stamp_ns = recorded.camera, recorded.frame.stamp_ns
        clock = clocks.problem(camera, stamp_ns, recorded.arrival_ns, config)
        pose, unknown, jump = None, None, None
        try:
            pose = transforms.pose_in(fixed_frame, recorded.frame_id, stamp_ns)
        except UnknownTransform as error:
            unknown = str(error)
        else:
            jump = jumps.problem(camera, stamp_ns, pose, config)
        kinds = {"clock": clock, "TF": unknown, "jump": jump}
        kind, reason = next(((k, text) for k, text in kinds.items() if text), ("", None))
        if reason is not None:
            alone[camera][kind].append(reason)

        tracks = recorded.tracks(None if reason else pose)
        fused = fusion.update(camera, stamp_ns - clocks.ahead_ns[camera], tracks)
        identities = {track.tracks[camera]: track.id for track in fused if camera in track.tracks}
        views.append(ViewFrame(camera, recorded.frame, identities))

    scores, seen_again = evaluate_views(views)
    return {
        "cameras": list(streams),
        "fixed_frame": fixed_frame,
        **scores,
        "identities": len({identity for view in views for identity in view.identities.values()}),
        "seen_again": [asdict(entry) | {"is_kept": entry.is_kept} for entry in seen_again],
        "alone": {
            camera: {reasons[0]: len(reasons) for reasons in kinds.values()}
            for camera, kinds in alone.items()
            if kinds
        },
        "config": asdict(config),
    }


def print_cameras(report: dict[str, Any], paths: Sequence[Path]) -> None:
    """The scores over all views in a few lines, and where to look."""
    names = " and ".join(report["cameras"]) + " together" * (len(report["cameras"]) > 1)
    if report["judged_frames"]:
        print(
            f"{names}: {report['hand_overs_kept']} of {report['hand_overs']} hand-overs keep the"
            f" identity, {report['id_switches']} identity switches, {report['identities']}"
            f" identities, MOTA {report['mota']:.3f}, IDF1 {report['idf1']:.3f}"
        )
    else:
        topics = " or ".join(f"/{camera}{TRACKS}" for camera in report["cameras"])
        print(
            f"{names}: {report['identities']} identities, which nothing judges: no frame has"
            f" ground truth on {topics}"
        )
    for camera, reasons in report["alone"].items():
        for reason, count in reasons.items():
            print(f"'{camera}' was alone in {counted(count, 'frame')}: {reason}")
    print("Look at:", *(f"  {path}" for path in paths), sep="\n")


class RecordedView:
    """One frame of a camera, whose images are read by ``reader``, with the results for it."""

    def __init__(
        self, camera: str, reader: CameraReader, message: CameraFrame, frame: EvaluatedFrame
    ) -> None:
        self.camera, self.frame = camera, frame
        self.arrival_ns = message.color.recorded_ns
        self._reader, self._message = reader, message
        color = message.color.message
        self.frame_id = "" if color is None else color.header.frame_id

    def tracks(self, camera_to_common: np.ndarray | None) -> list[CameraTrack]:
        """The confirmed tracks, in the common frame where that is known."""
        results, depth, intrinsics = self.frame.results, None, None
        needs_depth = any(
            track.position is None and track.state is TrackState.CONFIRMED
            for track in results.tracks
        )
        message, color = self._message, self._message.color.message
        if (
            needs_depth
            and camera_to_common is not None
            and color is not None
            and message.depth is not None
            and message.camera_info is not None
        ):
            try:
                depth = self._reader.depth(message.depth.message)
                intrinsics = self._reader.intrinsics(message.camera_info.message, color)
            except ImageError as error:
                log(f"'{self.camera}': a frame has no depth: {error}")
        size = (color.width, color.height) if color is not None else (2**31, 2**31)
        return camera_tracks(
            results.tracks, results.instances, depth, intrinsics, camera_to_common, size
        )


def _recorded_frames(camera: str, task: ReplaySettings) -> Iterator[RecordedView]:
    """The frames of one camera in the order of their stamps."""
    results, _ = read_results(task.out / RESULTS)
    for recorded in annotated_frames(task):
        message = recorded.message
        found = results.get(message.stamp_ns, FrameResults())
        truth = recorded.ground_truth or FrameGroundTruth()
        frame = EvaluatedFrame(message.stamp_ns, truth, found)
        yield RecordedView(camera, recorded.reader, message, frame)
