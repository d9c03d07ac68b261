# SPDX-License-Identifier: Apache-2.0
"""What drawing costs while nobody looks: ``python -m bench.drawing``. It must be nothing.

The nodes work on the same rendered frames in one process, by turns with drawing removed (the nodes
are told that nobody listens), with nobody listening, and with a subscriber of ``~/overlay`` and
``~/markers``. Counted is the CPU time of the whole process; the ratio is that of nobody listening
to drawing removed, the median over the pictures, with its bootstrapped interval.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, process_time

import numpy as np
import rclpy
from rclpy.node import Node
from scipy.stats import bootstrap
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tqdm import tqdm
from visualization_msgs.msg import MarkerArray

from bench.timing import write_figures
from perception_kit.resources import package_folder
from perception_kit.ros.image import (
    array_to_image,
    color_image,
    depth_image,
    intrinsics_from_camera_info,
)
from perception_kit.ros.inputs import Frame
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.qos import result_qos
from perception_kit.ros.to_messages import detections_to_message, ns_to_stamp, poses_to_message
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import Recording
from perception_kit.synth.scene import pinhole
from perception_kit.synth.world import WorldConfig
from pose6d_node.node import Pose6dNode
from tracker_node.node import TrackerNode

PICTURES, FPS = 4, 15.0
TRACKER_REPEATS = 10  # its frames are short
VARIANTS = ("removed", "nobody looks", "watched")
Messages = dict[str, Image | CameraInfo]


def pictures() -> list[Messages]:
    """Camera messages of rendered frames."""
    camera = pinhole(640, 480, None)
    recording = Recording(WorldConfig("test", camera, None, (), True), 7, PICTURES / FPS, FPS)
    info = CameraInfo(
        width=camera.width, height=camera.height, k=camera.matrix.reshape(-1).tolist()
    )
    frames = [item.frame for item in render_frames(recording.renderer, PICTURES, 1)]
    return [
        {
            "color": array_to_image(frame.rgb, "rgb8", Header()),
            "depth": array_to_image(frame.depth_mm, "16UC1", Header()),
            "info": info,
        }
        for frame in frames
    ]


def active(node: PerceptionNode) -> PerceptionNode:
    """The node, configured and active."""
    node.trigger_configure()
    node.trigger_activate()
    return node


def frames_of(messages: Sequence[Messages], pose6d: Pose6dNode) -> dict[str, list[Messages]]:
    """What each node receives for each picture."""
    results = []
    for one in messages:
        rgb, depth = color_image(one["color"]), depth_image(one["depth"])
        geometry = depth, intrinsics_from_camera_info(one["info"], one["color"])
        instances = pose6d._segmenter(rgb, *geometry)
        poses = pose6d._estimator(rgb, *geometry, instances)
        results.append(
            (
                detections_to_message(instances, Header(), *rgb.shape[1::-1]),
                poses_to_message(poses, Header()),
            )
        )
    return {
        "pose6d_node": [
            {"color": one["color"], "depth": one["depth"], "info": one["info"]} for one in messages
        ],
        "tracker_node": (
            [{"poses": poses, "detections": detections} for detections, poses in results]
            * TRACKER_REPEATS
        ),
    }


def process(node: PerceptionNode, messages: Messages, stamp_ns: int) -> None:
    """Let the node work on one frame: the tracker on poses, then on detections, as they come over
    DDS.
    """
    for message in messages.values():
        message.header = Header(stamp=ns_to_stamp(stamp_ns))
    parts = (
        [messages]
        if "color" in messages
        else [{name: message} for name, message in messages.items()]
    )
    for part in parts:
        node._process(Frame(stamp_ns, part, monotonic()))


def watch(node: Node, name: str) -> Callable[[], None]:
    """Subscribe to what ``name`` draws; returns how to stop."""
    topics = {"overlay": Image, "markers": MarkerArray}
    subscriptions = [
        node.create_subscription(kind, f"/{name}/{topic}", lambda _: None, result_qos())
        for topic, kind in topics.items()
    ]
    return lambda: [node.destroy_subscription(one) for one in subscriptions]


def wait_until(condition: Callable[[], bool], watcher: Node) -> None:
    """Let DDS connect."""
    end_s = monotonic() + 30
    while not condition() and monotonic() < end_s:
        rclpy.spin_once(watcher, timeout_sec=0.05)


def milliseconds(
    node: PerceptionNode, name: str, frames: Sequence[Messages], rounds: int
) -> dict[str, np.ndarray]:
    """CPU milliseconds for each frame and variant; the variants take turns, so that what else runs
    on the machine hits all of them.
    """
    watcher = Node(f"watcher_of_{name}")
    asks = node.results.has_subscribers
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    stamp_ns = 10**9
    for number in tqdm(range(rounds + 1), desc=name, disable=None):
        for variant in np.random.default_rng(number).permutation(VARIANTS):
            node.results.has_subscribers = (lambda _: False) if variant == "removed" else asks
            stop = watch(watcher, name) if variant == "watched" else (lambda: None)
            wait_until(
                partial(lambda wanted: asks("markers") == wanted, variant == "watched"), watcher
            )
            for messages in frames:
                stamp_ns += round(1e9 / FPS)
                start = process_time()
                process(node, messages, stamp_ns)
                if number > 0:  # the first round warms up
                    times[variant].append(1e3 * (process_time() - start))
            stop()
    watcher.destroy_node()
    return {variant: np.array(values) for variant, values in times.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both nodes that draw; print a table and write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.drawing", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--rounds", type=int, default=15, help=f"rounds of {PICTURES} frames (default: 15)"
    )
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args(arguments)
    config = package_folder() / "config"
    rclpy.init(
        args=[
            "--ros-args",
            *(
                text
                for name in ("pose6d_node", "tracker_node")
                for text in ("--params-file", f"{config}/{name}.yaml")
            ),
        ]
    )
    pose6d, tracker = active(Pose6dNode()), active(TrackerNode())
    frames = frames_of(pictures(), pose6d)
    results = {}
    print(
        f"{'median CPU ms per frame':26}"
        + "".join(f"{variant:>14}" for variant in VARIANTS)
        + f"{'ratio':>12}  95 % interval"
    )
    for name, node in (("pose6d_node", pose6d), ("tracker_node", tracker)):
        times = milliseconds(node, name, frames[name], options.rounds)
        median = {variant: float(np.median(values)) for variant, values in times.items()}
        ratios = times["nobody looks"] / times["removed"]  # of the same picture in the same round
        low, high = bootstrap((ratios,), np.median, rng=0).confidence_interval
        results[name] = {
            "median_ms": median,
            "ratio": float(np.median(ratios)),
            "interval_95": [float(low), float(high)],
        }
        numbers = (
            "".join(f"{median[variant]:14.3f}" for variant in VARIANTS)
            + f"{np.median(ratios):12.3f}  {low:.3f} to {high:.3f}"
        )
        print(f"{name:26}{numbers}", flush=True)
    write_figures(options.json, {"results": results})
    for node in (pose6d, tracker):
        node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
