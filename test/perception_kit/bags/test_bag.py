# SPDX-License-Identifier: Apache-2.0
"""Bags that are whole, damaged, or no bags at all."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from perception_kit.bags.bag import (
    BagError,
    BagReader,
    BagTopic,
    BagWriter,
    open_typestore,
    read_messages,
)
from perception_kit.bags.repair import mcap_profile, write_with_profile
from perception_kit.resources import package_folder

TYPES = open_typestore().types


def image(stamp_s: int, value: int = 7) -> Any:
    stamp = TYPES["builtin_interfaces/msg/Time"](sec=stamp_s, nanosec=5)
    header = TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    pixels = np.random.default_rng(value).integers(0, 255, 48 * 64 * 3, dtype=np.uint8)
    return TYPES["sensor_msgs/msg/Image"](
        header=header, height=48, width=64, encoding="rgb8", is_bigendian=0, step=192, data=pixels
    )


def track_array(stamp_s: int) -> Any:
    return TYPES["assistant_perception/msg/TrackArray"](header=image(stamp_s).header, tracks=[])


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    with BagWriter(tmp_path / "bag") as writer:
        for k in range(200):
            writer.write("/color", image(k, k), k)
            writer.write("/tracks", track_array(k), k)
    return tmp_path / "bag"


def test_every_message_of_the_package_is_known() -> None:
    names = {path.stem for path in (package_folder() / "msg").glob("*.msg")}
    assert {f"assistant_perception/msg/{name}" for name in names} <= set(TYPES)


def test_what_is_written_is_read_back(bag: Path) -> None:
    with BagReader(bag) as reader:
        assert reader.topics == {
            "/color": BagTopic("sensor_msgs/msg/Image", 200),
            "/tracks": BagTopic("assistant_perception/msg/TrackArray", 200),
        }
    messages = list(read_messages(bag, ["/color"]))
    assert [item.stamp_ns for item in messages] == list(range(200))
    assert np.array_equal(messages[3].message.data, image(3, 3).data)
    assert messages[3].message.header.stamp.sec == 3


def test_arrays_are_views_of_the_recorded_bytes(bag: Path) -> None:
    assert not next(read_messages(bag, ["/color"])).message.data.flags.owndata


def test_topics_that_were_not_recorded_give_nothing(bag: Path) -> None:
    assert list(read_messages(bag, ["/nothing"])) == []
    assert list(read_messages(bag, [])) == []


def test_single_mcap_file_is_a_bag(bag: Path) -> None:
    assert len(list(read_messages(bag / "bag.mcap", ["/tracks"]))) == 200


def test_real_sqlite_bag(shared_dir: Path) -> None:
    path = shared_dir / "data/rgbd_bag/ycbv_0000"
    messages = list(read_messages(path, ["/camera/color/image_raw"]))
    assert [item.message.encoding for item in messages] == ["rgb8"] * 5
    assert messages[0].message.data.size == 640 * 480 * 3


def test_type_that_only_the_bag_knows(tmp_path: Path) -> None:
    definition = get_types_from_msg("uint8 level\nstring[] names", "robot_msgs/msg/Battery")
    typestore = get_typestore(Stores.ROS2_JAZZY)
    typestore.register(definition)
    battery = typestore.types["robot_msgs/msg/Battery"](level=3, names=["left", "right"])
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/battery", "robot_msgs/msg/Battery", typestore=typestore
        )
        writer.write(connection, 1, typestore.serialize_cdr(battery, "robot_msgs/msg/Battery"))
    [item] = read_messages(tmp_path / "bag", ["/battery"])
    assert (item.message.level, item.message.names) == (3, ["left", "right"])


def test_type_recorded_in_another_version_is_refused(tmp_path: Path) -> None:
    typestore = get_typestore(Stores.ROS2_JAZZY)
    typestore.register(
        get_types_from_msg("uint8 nothing_like_it", "assistant_perception/msg/TrackArray")
    )
    message = typestore.types["assistant_perception/msg/TrackArray"](nothing_like_it=1)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/tracks", message.__msgtype__, typestore=typestore)
        writer.write(connection, 1, typestore.serialize_cdr(message, message.__msgtype__))
    with pytest.raises(BagError, match="another version of assistant_perception/msg/TrackArray"):
        list(read_messages(tmp_path / "bag", ["/tracks"]))


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_truncated_mcap(bag: Path, kept: float) -> None:
    path = bag / "bag.mcap"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(BagError, match="cut off, damaged or not a rosbag2 recording"):
        list(read_messages(bag, ["/color"]))


@pytest.mark.parametrize("kept", [0.6, 0.9, 0.999])
@pytest.mark.parametrize("as_folder", [True, False])
def test_unfinished_mcap_is_read_as_far_as_it_is_whole(
    bag: Path, kept: float, as_folder: bool
) -> None:
    (bag / "metadata.yaml").unlink()
    path = bag / "bag.mcap"
    whole = [item.stamp_ns for item in read_messages(path, ["/color", "/tracks"])]
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with BagReader(bag if as_folder else path) as reader:
        assert "was cut off: it is read up to its last whole record" in reader.remarks[-1]
        assert len(reader.remarks) == 1 + as_folder
        found = [item.stamp_ns for item in reader.messages(["/color", "/tracks"])]
    assert found == whole[: len(found)]
    assert len(found) == len(whole) if kept > 0.99 else 0 < len(found) < len(whole)


def test_a_whole_bag_has_no_remarks(bag: Path) -> None:
    with BagReader(bag) as reader:
        assert reader.remarks == []


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_zstd_compressed_bags(tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode) -> None:
    typestore = open_typestore()
    text = typestore.types["std_msgs/msg/String"]
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/text", text.__msgtype__, typestore=typestore)
        for stamp in range(5):
            data = typestore.serialize_cdr(text(data=f"text {stamp}"), text.__msgtype__)
            writer.write(connection, stamp, data)

    texts = [item.message.data for item in read_messages(tmp_path / "bag", ["/text"])]
    assert texts == [f"text {stamp}" for stamp in range(5)]


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9])
def test_truncated_sqlite(shared_dir: Path, tmp_path: Path, kept: float) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(shared_dir / "data/rgbd_bag/ycbv_0000", bag)
    path = bag / "ycbv_0000.db3"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    topics = ["/camera/color/image_raw", "/camera/aligned_depth_to_color/image_raw"]
    with pytest.raises(BagError, match="cut off, damaged or not a rosbag2 recording"):
        list(read_messages(bag, topics))


def test_damaged_chunk(bag: Path) -> None:
    path = bag / "bag.mcap"
    data = bytearray(path.read_bytes())
    zstd_magic = b"\x28\xb5\x2f\xfd"
    start = data.index(zstd_magic, len(data) // 2)  # where the second chunk begins
    data[start : start + 100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(BagError, match=r"cannot be read after [1-9]\d+ messages"):
        list(read_messages(bag, ["/color"]))


NO_BAGS = {
    "notes.mcap": (b"not a bag", "not a rosbag2 recording"),
    "notes.txt": (b"not a bag", "no recording by the ending of its name: give a rosbag2 folder"),
    "A.MCAP": (b"\x89MCAP0\r\n", "no recording by the ending of its name"),
    "a.mcap.zstd": (b"\x28\xb5\x2f\xfd", "give the folder with its metadata.yaml"),
    "a.bag.active": (b"#ROSBAG V2.0\n", "an unfinished ROS 1 recording: 'rosbag reindex' it"),
    "a.mcap": (b"version https://git-lfs.github.com/spec/v1\n", "fetch it by 'git lfs pull'"),
}


@pytest.mark.parametrize("name", NO_BAGS)
def test_files_that_are_no_bags(tmp_path: Path, name: str) -> None:
    content, remedy = NO_BAGS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=remedy):
        BagReader(path)


def test_folders_that_are_no_bags(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a bag")
    with pytest.raises(BagError, match="does not exist"):
        BagReader(tmp_path / "nothing")

    with pytest.raises(BagError, match=r"no metadata.yaml \(found \['notes.txt'\]\)"):
        BagReader(tmp_path)

    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: 3\n")
    with pytest.raises(BagError, match="not a rosbag2 recording"):
        BagReader(tmp_path)


def test_writer_never_overwrites(bag: Path) -> None:
    with pytest.raises(BagError, match="does not exist yet"):
        BagWriter(bag)


def test_topic_keeps_its_type(tmp_path: Path) -> None:
    expected = "has type sensor_msgs/msg/Image, got a assistant_perception/msg/TrackArray"
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/topic", image(1), 1)
        with pytest.raises(BagError, match=expected):
            writer.write("/topic", track_array(1), 1)


def write_ros1(path: Path) -> None:
    """A ROS 1 bag of one image and its camera information."""
    store = get_typestore(Stores.ROS1_NOETIC)
    stamp = store.types["builtin_interfaces/msg/Time"](sec=7, nanosec=8)
    header = store.types["std_msgs/msg/Header"](seq=3, stamp=stamp, frame_id="camera")
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=1, y_offset=0, height=0, width=0, do_rectify=False
    )
    image = store.types["sensor_msgs/msg/Image"](
        header=header,
        height=1,
        width=2,
        encoding="mono8",
        is_bigendian=0,
        step=2,
        data=np.array([5, 6], np.uint8),
    )
    info = store.types["sensor_msgs/msg/CameraInfo"](
        header=header,
        height=1,
        width=2,
        distortion_model="plumb_bob",
        D=np.zeros(5),
        K=np.arange(9.0),
        R=np.eye(3).ravel(),
        P=np.zeros(12),
        binning_x=2,
        binning_y=1,
        roi=roi,
    )
    with Ros1Writer(path) as writer:
        for topic, message in (("/image", image), ("/camera_info", info)):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 9, bytes(store.serialize_ros1(message, kind)))


def test_a_ros_1_bag_is_read_as_ros_2_messages(tmp_path: Path) -> None:
    path = tmp_path / "old.bag"
    write_ros1(path)
    with BagReader(path) as reader:
        assert {name: topic.count for name, topic in reader.topics.items()} == {
            "/camera_info": 1,
            "/image": 1,
        }
        messages = {item.topic: item.message for item in reader.messages(reader.topics)}
    image, info = messages["/image"], messages["/camera_info"]
    assert (image.header.stamp.sec, image.header.frame_id) == (7, "camera")
    assert image.data.tolist() == [5, 6]
    assert info.k.tolist() == list(range(9))
    assert (info.binning_x, info.roi.x_offset) == (2, 1)


def test_a_damaged_ros_1_bag_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "old.bag"
    write_ros1(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BagError, match=r"ROS 1 bag .* cannot be read .*'rosbag reindex'"):
        BagReader(path)


def test_an_mcap_file_without_a_profile_is_read(bag: Path) -> None:
    """As the tools of MCAP write them where they merge files."""
    (path,) = bag.glob("*.mcap")
    expected = [item.stamp_ns for item in read_messages(path, ["/color"])]
    write_with_profile(path, path.with_name("merged.mcap"), "")
    assert mcap_profile(path.with_name("merged.mcap")) == ""
    stamps = [item.stamp_ns for item in read_messages(path.with_name("merged.mcap"), ["/color"])]
    assert stamps == expected
    assert expected


def test_messages_of_others_beside_those_of_ros_2_are_named(bag: Path) -> None:
    (path,) = bag.glob("*.mcap")
    data = path.read_bytes()
    assert b"ros2msg" in data
    path.write_bytes(data.replace(b"ros2msg", b"flatbuf"))
    with pytest.raises(BagError, match=r"holds others \('flatbuf'\); leave them out: mcap filter"):
        BagReader(path)


@pytest.mark.parametrize(
    ("profile", "remedy"),
    [
        ("ros1", "a ROS 1 recording in MCAP, .*rosbags-convert --src"),
        ("", "of the profile '', not 'ros2': .*protobuf"),
    ],
)
def test_mcap_of_other_messages_is_named_with_the_remedy(
    tmp_path: Path, profile: str, remedy: str
) -> None:
    fields = struct.pack("<I", len(profile)) + profile.encode() + struct.pack("<I", 0)
    path = tmp_path / "foreign.mcap"
    path.write_bytes(b"\x89MCAP0\r\n" + struct.pack("<BQ", 1, len(fields)) + fields)
    with pytest.raises(BagError, match=remedy):
        BagReader(path)
