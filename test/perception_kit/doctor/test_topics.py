# SPDX-License-Identifier: Apache-2.0
"""By which topic the images of a running camera come."""

from __future__ import annotations

import pytest

from perception_kit.doctor.topics import transported_topic

COLOR, DEPTH = "/cam/color/image_raw", "/cam/depth/image_raw"


@pytest.mark.parametrize(
    ("role", "name", "published", "listened", "expected"),
    [
        ("color", COLOR, {COLOR, f"{COLOR}/compressed"}, set(), (COLOR, "raw")),
        ("color", COLOR, {f"{COLOR}/compressed"}, set(), (f"{COLOR}/compressed", "compressed")),
        (
            "color",
            COLOR,
            {COLOR, f"{COLOR}/compressed"},
            {f"{COLOR}/compressed"},
            (f"{COLOR}/compressed", "compressed"),
        ),
        (
            "depth",
            f"{DEPTH}/compressed",
            {f"{DEPTH}/compressed", f"{DEPTH}/compressedDepth"},
            set(),
            (f"{DEPTH}/compressedDepth", "compressed"),
        ),
        ("depth", f"{DEPTH}/theora", {f"{DEPTH}/theora"}, set(), (f"{DEPTH}/theora", "raw")),
        ("camera_info", "/cam/compressed", {"/cam/compressed"}, set(), ("/cam/compressed", "raw")),
    ],
    ids=["raw first", "compressed", "a node decides", "depth", "other transport", "camera info"],
)
def test_images_come_raw_or_compressed(
    role: str, name: str, published: set[str], listened: set[str], expected: tuple[str, str]
) -> None:
    assert transported_topic(role, name, published, listened) == expected
