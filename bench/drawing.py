# SPDX-License-Identifier: Apache-2.0
"""Overhead of the visualization topics without subscribers: ``python -m bench.drawing``.

It is expected to be none. The nodes process the same rendered frames in one process: in turns with
drawing removed (the nodes are told that there are no subscribers), without subscribers, and with a
subscriber of ``~/overlay`` and ``~/markers``. Counted is the CPU time of the whole process. The
ratio is that of no subscribers to drawing removed: the median over the images, with its
bootstrapped interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from time import monotonic, process_time
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import rclpy
from rclpy.node import Node
from scipy.stats import bootstrap
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tqdm import tqdm
from visualization_msgs.msg import MarkerArray

from bench.timing import add_json_option, write_figures
from perception_kit.resources import package_folder
from perception_kit.ros.image import (
    array_to_image,
    color_image,
    depth_image,
)
from perception_kit.ros.inputs import SynchronizedFrame
from perception_kit.ros.intrinsics import picture_intrinsics
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.qos import result_qos
from perception_kit.ros.to_messages import detections_to_message, ns_to_stamp, poses_to_message
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import SyntheticRecording
from perception_kit.synth.scene import pinhole
from perception_kit.synth.world import WorldConfig
from pose6d_node.node import Pose6dNode
from tracker_node.node import TrackerNode

IMAGES, FPS = 4, 15.0

# The tracker's frames are short.
TRACKER_REPEATS = 10
VARIANTS = ("removed", "nobody looks", "watched")
Messages = dict[str, Any]
NodeT = TypeVar("NodeT", bound=PerceptionNode)


def camera_messages() -> list[Messages]:
    """Messages of a camera that sees rendered frames."""
    camera = pinhole(640, 480, None)
    world = WorldConfig("test", camera, None, (), True)
    recording = SyntheticRecording(world, 7, IMAGES / FPS, FPS)
    frames = [item.frame for item in render_frames(recording.renderer, IMAGES, 1)]

    matrix = camera.matrix.reshape(-1).tolist()
    info = CameraInfo(width=camera.width, height=camera.height, k=matrix)
    return [
        {
            "color": array_to_image(frame.rgb, "rgb8", Header()),
            "depth": array_to_image(frame.depth_mm, "16UC1", Header()),
            "info": info,
        }
        for frame in frames
    ]


def active(node: NodeT) -> NodeT:
    """The node, configured and active."""
    node.trigger_configure()
    node.trigger_activate()
    return node


def node_inputs(images: Sequence[Messages], pose6d: Pose6dNode) -> dict[str, list[Messages]]:
    """Messages that each node receives for each frame."""
    segmenter, estimator = pose6d._segmenter, pose6d._estimator
    if segmenter is None or estimator is None:
        raise RuntimeError("pose6d_node has no models: it could not be configured")

    tracker_inputs = []
    for messages in images:
        rgb, depth = color_image(messages["color"]), depth_image(messages["depth"])
        intrinsics = picture_intrinsics(messages["info"], messages["color"])
        instances = segmenter(rgb, depth, intrinsics)
        poses = estimator(rgb, depth, intrinsics, instances)

        height, width = rgb.shape[:2]
        detections = detections_to_message(instances, Header(), width, height)
        tracker_inputs.append(
            {"poses": poses_to_message(poses, Header()), "detections": detections}
        )
    return {
        "pose6d_node": [dict(messages) for messages in images],
        "tracker_node": tracker_inputs * TRACKER_REPEATS,
    }


def process(node: PerceptionNode, messages: Messages, stamp_ns: int) -> None:
    """Let the node process one frame.

    Images come together; the tracker gets poses, then detections, as over DDS.
    """
    for message in messages.values():
        message.header = Header(stamp=ns_to_stamp(stamp_ns))

    arrivals = [messages]
    if "color" not in messages:
        arrivals = [{name: message} for name, message in messages.items()]
    for arrived in arrivals:
        node._process(SynchronizedFrame(stamp_ns, arrived, monotonic()))


@contextmanager
def subscribed(subscriber: Node, name: str) -> Iterator[None]:
    """Subscribe to what the node ``name`` draws."""
    topics = {"overlay": Image, "markers": MarkerArray}
    subscriptions = [
        subscriber.create_subscription(kind, f"/{name}/{topic}", lambda _: None, result_qos())
        for topic, kind in topics.items()
    ]
    yield
    for subscription in subscriptions:
        subscriber.destroy_subscription(subscription)


def wait_until(condition: Callable[[], bool], subscriber: Node) -> None:
    """Let DDS connect or disconnect."""
    end_s = monotonic() + 30
    while not condition() and monotonic() < end_s:
        rclpy.spin_once(subscriber, timeout_sec=0.05)


def milliseconds(
    node: PerceptionNode, name: str, frames: Sequence[Messages], rounds: int
) -> dict[str, np.ndarray]:
    """CPU milliseconds for each frame and variant.

    Variants take turns, so that other load on the machine affects all of them.
    """
    subscriber = Node(f"watcher_of_{name}")
    has_subscribers = node.results.has_subscribers
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    stamp_ns = 10**9
    for number in tqdm(range(rounds + 1), desc=name, disable=None):
        for variant in np.random.default_rng(number).permutation(VARIANTS):
            is_removed, is_watched = variant == "removed", variant == "watched"
            removal = patch.object(node.results, "has_subscribers", lambda _: False)
            with (
                removal if is_removed else nullcontext(),
                subscribed(subscriber, name) if is_watched else nullcontext(),
            ):
                wait_until(_becomes(has_subscribers, is_watched), subscriber)
                for messages in frames:
                    stamp_ns += round(1e9 / FPS)
                    start = process_time()
                    process(node, messages, stamp_ns)

                    # The first round warms up.
                    if number > 0:
                        times[variant].append(1e3 * (process_time() - start))

    subscriber.destroy_node()
    return {variant: np.array(values) for variant, values in times.items()}


def _becomes(has_subscribers: Callable[[str], bool], expected: bool) -> Callable[[], bool]:
    """Condition that the markers have subscribers, or have none."""
    return lambda: has_subscribers("markers") == expected


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.drawing",
        description="Measure the overhead of the visualization topics without subscribers.",
    )
    parser.add_argument(
        "--rounds", type=int, default=15, help=f"rounds of {IMAGES} frames (default: 15)"
    )
    add_json_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both nodes that draw; print a table and write JSON."""
    options = parse_arguments(arguments)
    names = ("pose6d_node", "tracker_node")
    config = package_folder() / "config"
    files = [text for name in names for text in ("--params-file", f"{config}/{name}.yaml")]
    # With a live camera the poses would be estimated in a thread of their own.
    rclpy.init(args=["--ros-args", *files, "-p", "input_reliability:=reliable"])
    pose6d, tracker = active(Pose6dNode()), active(TrackerNode())
    frames = node_inputs(camera_messages(), pose6d)

    columns = "".join(f"{variant:>14}" for variant in VARIANTS)
    print(f"{'median CPU ms per frame':26}{columns}{'ratio':>12}  95 % interval")
    results = {}
    nodes: list[PerceptionNode[Any]] = [pose6d, tracker]
    for name, node in zip(names, nodes, strict=True):
        times = milliseconds(node, name, frames[name], options.rounds)
        results[name] = summary(times)
        print(f"{name:26}{table_row(results[name])}", flush=True)
    write_figures(options.json, {"results": results})

    pose6d.destroy_node()
    tracker.destroy_node()
    rclpy.try_shutdown()
    return 0


def summary(times: dict[str, np.ndarray]) -> dict[str, Any]:
    """Median times, and the ratio of no subscribers to drawing removed with its interval."""
    # Each ratio is of the same image in the same round.
    ratios = times["nobody looks"] / times["removed"]
    low, high = bootstrap((ratios,), np.median, rng=0).confidence_interval
    return {
        "median_ms": {variant: float(np.median(values)) for variant, values in times.items()},
        "ratio": float(np.median(ratios)),
        "interval_95": [float(low), float(high)],
    }


def table_row(result: dict[str, Any]) -> str:
    """The figures of one node under the header."""
    low, high = result["interval_95"]
    medians = "".join(f"{result['median_ms'][variant]:14.3f}" for variant in VARIANTS)
    return f"{medians}{result['ratio']:12.3f}  {low:.3f} to {high:.3f}"


if __name__ == "__main__":
    sys.exit(main())
