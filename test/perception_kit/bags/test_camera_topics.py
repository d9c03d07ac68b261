# SPDX-License-Identifier: Apache-2.0
"""Finding the camera's topics in the bags that people record."""

from __future__ import annotations

import pytest

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.camera_streams import CAMERA_INFO, IMAGE
from perception_kit.bags.camera_topics import CameraTopics, find_camera_topics
from perception_kit.bags.video_packets import VIDEO_PACKET


def topics(**of_type: str) -> dict[str, BagTopic]:
    kinds = {"images": IMAGE, "infos": CAMERA_INFO, "compressed": "sensor_msgs/msg/CompressedImage"}
    return {
        name: BagTopic(kinds[kind], 5) for kind, names in of_type.items() for name in names.split()
    }


REALSENSE = topics(
    images=(
        "/camera/camera/color/image_raw /camera/camera/aligned_depth_to_color/image_raw"
        " /camera/camera/depth/image_rect_raw /camera/camera/infra1/image_rect_raw"
    ),
    infos=(
        "/camera/camera/color/camera_info /camera/camera/aligned_depth_to_color/camera_info"
        " /camera/camera/depth/camera_info"
    ),
)
FOUND = {
    "RealSense with its own depth and infrared beside": (
        REALSENSE,
        CameraTopics(
            "/camera/camera/color/image_raw",
            "/camera/camera/aligned_depth_to_color/image_raw",
            "/camera/camera/color/camera_info",
        ),
    ),
    "Azure Kinect": (
        topics(
            images="/rgb/image_raw /depth_to_rgb/image_raw /ir/image_raw",
            infos="/rgb/camera_info /depth_to_rgb/camera_info",
        ),
        CameraTopics("/rgb/image_raw", "/depth_to_rgb/image_raw", "/rgb/camera_info"),
    ),
    "depth that does not say it is aligned": (
        topics(
            images="/color/image_raw /depth/image_raw",
            infos="/color/camera_info /depth/camera_info",
        ),
        CameraTopics("/color/image_raw", "/depth/image_raw", "/color/camera_info"),
    ),
    "one camera_info for both": (
        topics(images="/rgb/image /depth/image", infos="/camera_info"),
        CameraTopics("/rgb/image", "/depth/image", "/camera_info"),
    ),
    "compressed images only": (
        topics(
            compressed="/cam/color/image_raw/compressed /cam/depth/image_raw/compressedDepth",
            infos="/cam/color/camera_info",
        ),
        CameraTopics(
            "/cam/color/image_raw/compressed",
            "/cam/depth/image_raw/compressedDepth",
            "/cam/color/camera_info",
        ),
    ),
    "compressed colour beside raw depth that is compressed, too": (
        topics(
            images="/cam/depth/image_raw",
            compressed="/cam/color/image_raw/compressed /cam/depth/image_raw/compressedDepth",
            infos="/cam/color/camera_info",
        ),
        CameraTopics(
            "/cam/color/image_raw/compressed", "/cam/depth/image_raw", "/cam/color/camera_info"
        ),
    ),
    "a camera called depth_cam": (
        topics(
            images="/depth_cam/rgb/image_raw /depth_cam/depth/image_raw /depth_cam/ir/image_raw",
            infos="/depth_cam/rgb/camera_info /depth_cam/depth/camera_info",
        ),
        CameraTopics(
            "/depth_cam/rgb/image_raw", "/depth_cam/depth/image_raw", "/depth_cam/rgb/camera_info"
        ),
    ),
    "a camera called depth_camera in a robot's namespace": (
        topics(
            images="/bot/depth_camera/color/image_raw /bot/depth_camera/depth/image_raw",
            infos="/bot/depth_camera/color/camera_info",
        ),
        CameraTopics(
            "/bot/depth_camera/color/image_raw",
            "/bot/depth_camera/depth/image_raw",
            "/bot/depth_camera/color/camera_info",
        ),
    ),
    "a camera called rgbd": (
        topics(images="/rgbd/image_color /rgbd/depth_registered", infos="/rgbd/camera_info"),
        CameraTopics("/rgbd/image_color", "/rgbd/depth_registered", "/rgbd/camera_info"),
    ),
    "a camera called color_cam with infrared": (
        topics(
            images="/color_cam/color/image /color_cam/infra1/image /color_cam/depth/image",
            infos="/color_cam/color/camera_info",
        ),
        CameraTopics(
            "/color_cam/color/image", "/color_cam/depth/image", "/color_cam/color/camera_info"
        ),
    ),
    "every transport of both images": (
        topics(
            compressed=(
                "/cam/color/image_raw/compressed /cam/color/image_raw/compressedDepth"
                " /cam/depth/image_raw/compressed /cam/depth/image_raw/compressedDepth"
            ),
            infos="/cam/color/camera_info",
        ),
        CameraTopics(
            "/cam/color/image_raw/compressedDepth",
            "/cam/depth/image_raw/compressedDepth",
            "/cam/color/camera_info",
        ),
    ),
    "video packets": (
        topics(images="/cam/depth/image_raw", infos="/cam/color/camera_info")
        | {"/cam/color/image_raw/ffmpeg": BagTopic(VIDEO_PACKET, 5)},
        CameraTopics(
            "/cam/color/image_raw/ffmpeg", "/cam/depth/image_raw", "/cam/color/camera_info"
        ),
    ),
    "one message for all": (
        {"/cam/rgbd": BagTopic("realsense2_camera_msgs/msg/RGBD", 5)},
        CameraTopics("/cam/rgbd/rgb", "/cam/rgbd/depth", "/cam/rgbd/rgb_camera_info"),
    ),
    "ground-truth images beside": (
        topics(
            images="/color/image_raw /depth/image_raw /ground_truth/color",
            infos="/color/camera_info",
        ),
        CameraTopics("/color/image_raw", "/depth/image_raw", "/color/camera_info"),
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_found(case: str) -> None:
    recorded, expected = FOUND[case]
    assert find_camera_topics(recorded) == expected


TWO_CAMERAS = topics(
    images=(
        "/left/color/image_raw /right/color/image_raw /left/depth/image_raw /right/depth/image_raw"
    ),
    infos="/left/color/camera_info /right/color/camera_info",
)
REFUSED = {
    "nothing recorded": (
        {},
        (
            "no topic is the colour image, without which nothing can be replayed: record it, too."
            " There are no topics"
        ),
    ),
    "two cameras": (
        TWO_CAMERAS,
        (
            "2 topics may be the colour image: /left/color/image_raw, /right/color/image_raw;"
            " choose one with --color-topic"
        ),
    ),
    "no depth": (
        topics(images="/color/image_raw", infos="/color/camera_info"),
        "no topic is the depth image, without which nothing can be replayed",
    ),
    "no camera information": (
        topics(images="/color/image_raw /depth/image_raw"),
        "the bag has no camera information; give",
    ),
    "a topic without a message": (
        {"/color/image_raw": BagTopic(IMAGE, 0)},
        "record it, too. There are:\n  /color/image_raw  sensor_msgs/msg/Image  (no messages)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_listing(case: str) -> None:
    recorded, message = REFUSED[case]
    with pytest.raises(BagError) as error:
        find_camera_topics(recorded)
    assert message in str(error.value)
    assert all(name in str(error.value) for name in recorded)


UNNAMED = topics(images="/depth_cam/image_raw /depth_cam/image_aligned /front/image", infos="/info")


def test_the_encoding_decides_where_names_do_not() -> None:
    encodings = {"/depth_cam/image_raw": "rgb8", "/depth_cam/image_aligned": "mono16"}
    recorded = {name: topic for name, topic in UNNAMED.items() if name != "/front/image"}
    found = find_camera_topics(recorded, encoding_of=encodings.get)
    assert found == CameraTopics("/depth_cam/image_raw", "/depth_cam/image_aligned", "/info")


def test_names_go_before_encodings() -> None:
    recorded = topics(images="/oak/rgb/image /oak/left/image /oak/stereo/image", infos="/info")
    encodings = {"/oak/left/image": "mono8", "/oak/stereo/image": "16UC1"}
    found = find_camera_topics(recorded, encoding_of=encodings.get)
    assert found == CameraTopics("/oak/rgb/image", "/oak/stereo/image", "/info")


def test_depth_in_false_colors_is_not_the_color_image() -> None:
    recorded = topics(
        images="/cam/color/image_raw /cam/depth/image_raw /cam/depth/colorized", infos="/info"
    )
    found = find_camera_topics(recorded, encoding_of=lambda name: "rgb8")
    assert found == CameraTopics("/cam/color/image_raw", "/cam/depth/image_raw", "/info")


@pytest.mark.parametrize("other", ["depth", "camera_info"])
def test_one_topic_never_has_two_roles(other: str) -> None:
    with pytest.raises(BagError, match="'/left/color/image_raw' is given two roles"):
        find_camera_topics(TWO_CAMERAS, "/left/color/image_raw", **{other: "/left/color/image_raw"})


def test_a_given_topic_is_not_taken_for_another_role() -> None:
    recorded = topics(images="/depth/a /depth/b", infos="/info")
    assert find_camera_topics(recorded, color="/depth/a").depth == "/depth/b"
    only_one = topics(images="/depth/a", infos="/info")
    with pytest.raises(BagError, match="no topic is the depth image"):
        find_camera_topics(only_one, color="/depth/a")


def test_images_in_messages_that_are_not_read_are_named_with_the_remedy() -> None:
    recorded = topics(images="/cam/depth/image_raw", infos="/cam/color/camera_info")
    recorded["/cam/color/video"] = BagTopic("foxglove_msgs/msg/CompressedVideo", 5)
    with pytest.raises(BagError, match=r"is not read: publish it by ffmpeg_image_transport\."):
        find_camera_topics(recorded)


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        ("theora", "theora_image_transport/msg/Packet"),
        ("ffmpeg", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"),
        ("zstd", "sensor_msgs/msg/CompressedImage"),
    ],
)
def test_images_of_every_transport_are_found(transport: str, kind: str) -> None:
    recorded = topics(images="/cam/depth/image_raw", infos="/cam/color/camera_info")
    recorded[f"/cam/color/image_raw/{transport}"] = BagTopic(kind, 5)
    assert find_camera_topics(recorded).color == f"/cam/color/image_raw/{transport}"


def test_given_names_decide_between_two_cameras() -> None:
    found = find_camera_topics(
        TWO_CAMERAS, color="/right/color/image_raw", depth="/right/depth/image_raw"
    )
    assert found == CameraTopics(
        "/right/color/image_raw", "/right/depth/image_raw", "/right/color/camera_info"
    )


def test_the_color_images_decide_between_two_cameras() -> None:
    found = find_camera_topics(TWO_CAMERAS, color="/left/color/image_raw")
    assert found == CameraTopics(
        "/left/color/image_raw", "/left/depth/image_raw", "/left/color/camera_info"
    )


def test_a_camera_file_takes_the_place_of_camera_information() -> None:
    recorded = topics(images="/color/image_raw /depth/image_raw")
    assert find_camera_topics(recorded, has_camera_file=True) == CameraTopics(
        "/color/image_raw", "/depth/image_raw", None
    )


def test_given_name_must_be_recorded_with_the_right_type() -> None:
    for wrong in ("/nowhere", "/left/color/camera_info"):
        with pytest.raises(BagError, match=f"--color-topic '{wrong}' is no colour image topic"):
            find_camera_topics(TWO_CAMERAS, color=wrong)
