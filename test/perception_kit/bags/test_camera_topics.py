# SPDX-License-Identifier: Apache-2.0
"""Finding the camera's topics in the bags that people record."""

from __future__ import annotations

import pytest

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.camera_topics import CAMERA_INFO, IMAGE, CameraTopics, find_camera_topics


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
