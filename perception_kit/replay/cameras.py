# SPDX-License-Identifier: Apache-2.0
"""Replays the cameras of one bag one after the other, and fuses their tracks as on a robot."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.bags.camera_topics import topics_of_camera
from perception_kit.bags.transforms import RecordedTransforms, UnknownTransform
from perception_kit.evaluation.camera_views import ViewFrame, evaluate_views
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.ground_truth_bag import TRACKS
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.results import read_results
from perception_kit.evaluation.run_folder import RESULTS, make_output
from perception_kit.fusion.camera_checks import JumpCheck
from perception_kit.fusion.camera_tracks import CameraTrack, camera_tracks
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.track_fusion import TrackFusion
from perception_kit.json_output import write_json
from perception_kit.processes import ends_with_parent
from perception_kit.replay.annotated_frames import annotated_frames
from perception_kit.replay.batch import LOG, replay_command
from perception_kit.replay.log import log
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.image import ImageError
from perception_kit.types import FrameResults, TrackState

CAMERAS = "cameras.json"


def run_cameras(settings: ReplaySettings, cameras: Sequence[str], fixed_frame: str) -> int:
    """Replay each of ``cameras`` into ``OUT/NAME``, and write the fused scores to ``OUT``.

    ``cameras`` are namespaces of the bag's topics; ``fixed_frame`` is the TF frame in which they
    are compared. A camera that cannot be replayed is named, and the others are fused. Returns the
    largest exit code of the replays. Raises BagError or OutputError.
    """
    with BagReader(settings.bag) as reader:  # before the first is replayed, which takes minutes
        for camera in cameras:
            topics_of_camera(reader.topics, camera)
    tasks = {
        camera: replace(
            settings,
            bag=settings.bag.absolute(),
            out=settings.out.absolute() / camera,
            camera_namespace=camera,
        )
        for camera in cameras
    }
    codes, replayed = [], {}
    for camera, task in tasks.items():
        make_output(task.out)
        log(f"replaying the camera '{camera}'; its log is '{task.out / LOG}'")
        command = ends_with_parent([sys.executable, *replay_command(task)])
        with (task.out / LOG).open("w") as output:
            ended = subprocess.run(command, stdout=output, stderr=output, check=False)
        codes.append(ended.returncode)
        if (task.out / RESULTS).exists():
            replayed[camera] = task
        else:
            log(f"the replay of '{camera}' ended with exit code {codes[-1]}; see its log")
    if not replayed:
        return max(codes)

    report = fused_report(replayed, fixed_frame)
    write_json(settings.out / CAMERAS, report)
    print_cameras(report, settings.out / CAMERAS)
    return max(codes)


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
    """Fuse the frames of each camera, which come in the order of their stamps, and score them."""
    config = FusionConfig()
    fusion, jumps = TrackFusion(config), JumpCheck()
    alone: dict[str, Counter[str]] = {camera: Counter() for camera in streams}

    views = []
    for recorded in merge(*streams.values(), key=lambda entry: entry.frame.stamp_ns):
        stamp_ns, pose = recorded.frame.stamp_ns, None
        try:
            pose = transforms.pose_in(fixed_frame, recorded.frame_id, stamp_ns)
        except UnknownTransform as error:
            alone[recorded.camera][str(error)] += 1
        else:
            if (jump := jumps.problem(recorded.camera, stamp_ns, pose, config)) is not None:
                alone[recorded.camera][jump] += 1
                pose = None
        tracks = recorded.tracks(pose)
        fused = fusion.update(recorded.camera, stamp_ns, tracks)
        identities = {
            track.tracks[recorded.camera]: track.id
            for track in fused
            if recorded.camera in track.tracks
        }
        views.append(ViewFrame(recorded.camera, recorded.frame, identities))

    for camera, reason in _clocks_apart(views).items():
        alone[camera][reason] = sum(view.camera == camera for view in views)
    scores, seen_again = evaluate_views(views)
    return {
        "cameras": list(streams),
        "fixed_frame": fixed_frame,
        **scores,
        "identities": len({identity for view in views for identity in view.identities.values()}),
        "seen_again": [asdict(entry) | {"is_kept": entry.is_kept} for entry in seen_again],
        "alone": {camera: dict(reasons) for camera, reasons in alone.items() if reasons},
        "config": asdict(config),
    }


def _clocks_apart(views: Sequence[ViewFrame]) -> dict[str, str]:
    """Of each camera whose stamps lie before or after those of all others: that they do."""
    stamps: dict[str, list[int]] = {}
    for view in views:
        stamps.setdefault(view.camera, []).append(view.frame.stamp_ns)

    apart = {}
    for camera, own in stamps.items():
        others = [other for name, other in stamps.items() if name != camera]
        if others and all(own[-1] < other[0] or other[-1] < own[0] for other in others):
            gap_ns = min(max(other[0] - own[-1], own[0] - other[-1]) for other in others)
            apart[camera] = (
                f"its stamps are {gap_ns * 1e-9:.1f} s or more from those of every other camera:"
                " synchronize the clocks"
            )
    return apart


def print_cameras(report: dict[str, Any], path: Path) -> None:
    """The scores over all views in a few lines."""
    names = " and ".join(report["cameras"])
    if report["judged_frames"]:
        print(
            f"{names} together: {report['hand_overs_kept']} of {report['hand_overs']} hand-overs"
            f" keep the identity, {report['id_switches']} identity switches,"
            f" {report['identities']} identities"
        )
    else:
        topics = " or ".join(f"/{camera}{TRACKS}" for camera in report["cameras"])
        print(
            f"{names} together: {report['identities']} identities, which nothing judges: no frame"
            f" has ground truth on {topics}"
        )
    for camera, reasons in report["alone"].items():
        for reason, count in reasons.items():
            print(f"'{camera}' was alone in {count} frames: {reason}")
    print(f"Look at:\n  {path}")


class RecordedView:
    """One frame of a camera, whose images are read by ``reader``, with the results for it."""

    def __init__(
        self, camera: str, reader: CameraReader, message: CameraFrame, frame: EvaluatedFrame
    ) -> None:
        self.camera, self.frame = camera, frame
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
