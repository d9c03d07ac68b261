# SPDX-License-Identifier: Apache-2.0
"""Camera bags as ROS 1 recorded them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore

from perception_kit.bags.bag import BagReader


def write_ros1_bag(source: Path, path: Path) -> Path:
    """The images and camera information of the bag ``source`` as a ROS 1 bag."""
    store = get_typestore(Stores.ROS1_NOETIC)
    types: Any = store.types
    with BagReader(source) as reader, Writer(path) as writer:
        connections: dict[str, Any] = {}
        for number, item in enumerate(reader.messages(reader.topics)):
            message = item.message
            stamp = types["builtin_interfaces/msg/Time"](
                message.header.stamp.sec, message.header.stamp.nanosec
            )
            header = types["std_msgs/msg/Header"](number, stamp, message.header.frame_id)
            kind = message.__msgtype__
            fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
            del fields["header"], fields["__msgtype__"]
            if "roi" in fields:
                roi = fields["roi"]
                fields["roi"] = types["sensor_msgs/msg/RegionOfInterest"](
                    roi.x_offset, roi.y_offset, roi.height, roi.width, roi.do_rectify
                )
                fields = {name.upper() if name in "dkrp" else name: fields[name] for name in fields}

            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(item.topic, kind, typestore=store)
            data = bytes(store.serialize_ros1(types[kind](header=header, **fields), kind))
            writer.write(connections[item.topic], item.stamp_ns, data)
    return path
