# SPDX-License-Identifier: Apache-2.0
"""A bag of images and of what the nodes have published for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_kit.bags.bag import BagWriter, open_typestore

START_NS = 1_700_000_000_000_000_000
STEP_NS = 200_000_000


def write_result_bag(path: Path, frames: int = 10, with_images: bool = True) -> Path:
    """A red mug on track 4, 0.8 m away; person 9 falls beside it in the second half."""
    types = open_typestore().types

    def make(name: str, *values: object) -> object:
        return types[name](*values)

    with BagWriter(path) as writer:
        for number in range(frames):
            stamp_ns = START_NS + number * STEP_NS
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            stamp = make("builtin_interfaces/msg/Time", seconds, nanoseconds)
            header = make("std_msgs/msg/Header", stamp, "camera")
            box = np.array([20, 20, 60, 60], np.float32)
            roi = make("sensor_msgs/msg/RegionOfInterest", 20, 20, 40, 40, False)
            mask = np.packbits(np.ones((40, 40), bool), axis=1).reshape(-1)
            mug = make(
                "assistant_perception/msg/InstanceDetection",
                *(0, 1, "mug", 0.9, box, roi, mask, np.zeros(0, np.float32)),
            )
            tracks = [_track(make, 4, "mug", 0, box, 0.8), _track(make, 9, "person", -1, box, 1.2)]
            label = "falling" if number >= frames // 2 else "walking"
            scores = np.array([1, 0], np.float32)
            action = make("assistant_perception/msg/Action", 9, label, 0.8, scores, stamp, stamp)
            messages = {
                "/pose6d_node/detections": make(
                    "assistant_perception/msg/InstanceDetectionArray", header, 120, 90, [mug]
                ),
                "/tracker_node/tracks": make("assistant_perception/msg/TrackArray", header, tracks),
                "/actionrec_node/actions": make(
                    "assistant_perception/msg/ActionArray", header, ["falling", "walking"], [action]
                ),
            }
            if with_images:
                image = np.full((90, 120, 3), 128, np.uint8)
                image[20:60, 20:60] = (200, 20, 20)
                messages["/camera/color/image_raw"] = make(
                    "sensor_msgs/msg/Image", header, 90, 120, "rgb8", 0, 360, image.reshape(-1)
                )
            for topic, message in messages.items():
                writer.write(topic, message, stamp_ns)
    return path


def _track(make, number, name, detection, box, depth):  # type: ignore[no-untyped-def]
    zeros = np.zeros(36)
    point = make("geometry_msgs/msg/Point", 0.1, 0.0, depth)
    quaternion = make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
    pose = make("geometry_msgs/msg/Pose", point, quaternion)
    vectors = [make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0) for _ in range(2)]
    twist = make("geometry_msgs/msg/Twist", *vectors)
    return make(
        "assistant_perception/msg/Track",
        *(number, 1, name, 2, 0.9, 5, 5, 0.0, detection, box, np.zeros(4, np.float32)),
        *(True, True, False),
        *(make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0) for _ in range(2)),
        make("geometry_msgs/msg/PoseWithCovariance", pose, zeros),
        make("geometry_msgs/msg/TwistWithCovariance", twist, zeros),
    )
