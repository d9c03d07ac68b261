# SPDX-License-Identifier: Apache-2.0
"""Publishes a recording as a camera does, so that nodes and viewer can be tried without one.

Images, depth and camera information come on the topics of the camera's driver, at the pace of the
recording, and with the time of now as their stamps. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time_ns

from perception_kit.arguments import CommandParser, positive_float, program_name
from perception_kit.bags.bag import BagError, BagReader
from perception_kit.bags.camera_file import read_camera_file
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_streams import stream_encoding
from perception_kit.bags.camera_topics import find_camera_topics
from perception_kit.processes import run_command
from perception_kit.ros.graph_client import GraphClient
from perception_kit.ros.node_processes import BringupError, camera_remappings

EXIT_BAD_INPUT = 2
_SLOP_S = 0.03
_PUBLISH_LIMIT_S = 1.0
_TYPES = {
    "color/camera_info": "sensor_msgs/msg/CameraInfo",
    "depth/image_raw": "sensor_msgs/msg/Image",
    "color/image_raw": "sensor_msgs/msg/Image",
}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = CommandParser(
        prog=program_name("perception_kit.play"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bag", type=Path, help="rosbag2 folder, .mcap, .db3 or .bag file")
    add(
        "--camera",
        default="realsense",
        help="preset in config/cameras, or a .yaml file like those: whose topics to publish"
        " (default %(default)s)",
    )
    add("--camera-namespace", default="", help="namespace of the topics (default: the preset's)")
    add("--camera-name", default="", help="camera_name in the topics (default: the preset's)")
    add("--rate", type=positive_float, default=1.0, help="factor of the recorded speed (default 1)")
    add("--loop", action="store_true", help="start again at the end")
    for name in ("color", "depth", "camera-info"):
        add(f"--{name}-topic", help=f"{name} topic of the recording (default: found by its type)")
    add("--camera-info", type=Path, help="calibration file, where the recording has none")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the recording; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        topics = camera_remappings(
            options.camera,
            camera_namespace=options.camera_namespace,
            camera_name=options.camera_name,
        )
        reader = BagReader(options.bag)
        frames = _frame_source(reader, options)
    except (BagError, BringupError) as error:
        print(f"play: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT

    with GraphClient("fake_camera") as client:
        for name, type_name in _TYPES.items():
            client.add_publisher(type_name, topics[name])
        print(f"play: publishing {', '.join(topics[name] for name in _TYPES)}", flush=True)
        try:
            published, delay_s = play(frames, client, topics, options.rate, options.loop)
        except BagError as error:
            print(f"play: {error}", file=sys.stderr)
            return EXIT_BAD_INPUT
        finally:
            reader.close()
    print(f"play: {published} images, the latest {1e3 * delay_s:.0f} ms behind the recording")
    return 0


def _frame_source(
    reader: BagReader, options: argparse.Namespace
) -> Callable[[], Iterator[CameraFrame]]:
    """The frames of the recording, from its start at each call. Raises BagError."""
    camera_file = None if options.camera_info is None else read_camera_file(options.camera_info)
    topics = find_camera_topics(
        reader.topics,
        options.color_topic,
        options.depth_topic,
        options.camera_info_topic,
        has_camera_file=camera_file is not None,
        encoding_of=partial(stream_encoding, reader),
    )
    return partial(camera_frames, reader, topics, _SLOP_S, camera_file)


def play(
    frames: Callable[[], Iterator[CameraFrame]],
    client: GraphClient,
    topics: dict[str, str],
    rate: float,
    loop: bool,
) -> tuple[int, float]:
    """Publish each frame when it is due.

    Returns the number of color images, and the largest delay of one in seconds.
    """
    published, max_delay_s = 0, 0.0
    while True:
        first_ns: int | None = None
        start_s = 0.0
        for frame in frames():
            if frame.color.fault:
                print(f"play: left out: {frame.color.fault}", file=sys.stderr)
                continue
            if first_ns is None:
                first_ns, start_s = frame.stamp_ns, monotonic()
            due_s = start_s + (frame.stamp_ns - first_ns) * 1e-9 / rate
            max_delay_s = max(max_delay_s, monotonic() - due_s)
            sleep(max(0.0, due_s - monotonic()))

            now_ns = time_ns()
            messages = (frame.camera_info, frame.depth, frame.color)
            for name, message in zip(_TYPES, messages, strict=True):
                if message is not None:
                    data = with_stamp(message.data, now_ns)
                    client.publish(topics[name], data, monotonic() + _PUBLISH_LIMIT_S)
            published += 1
        if not loop or first_ns is None:
            return published, max_delay_s


def with_stamp(data: bytes, stamp_ns: int) -> bytes:
    """CDR bytes of a message that starts with a header, with another stamp."""
    # Four bytes of encapsulation, the second of which tells the byte order, then the stamp.
    order = "<" if data[1] & 1 else ">"
    return data[:4] + struct.pack(f"{order}iI", *divmod(stamp_ns, 10**9)) + data[12:]


if __name__ == "__main__":
    sys.exit(run_command(main))
