# SPDX-License-Identifier: Apache-2.0
"""An observation in which nothing is wrong, for tests to break."""

from __future__ import annotations

import pytest
from ros_graph import color_message, depth_message, info_message

from perception_kit.doctor.observation import EXPECTED_TYPES, Observation, TopicSeen
from perception_kit.resources import package_folder
from perception_kit.ros.transport import PROFILE_VARIABLES

FRAME = "camera_color_optical_frame"
STAMPS_NS = [10**9 + k * 50_000_000 for k in range(40)]


@pytest.fixture
def healthy() -> Observation:
    """20 Hz of a wall at 0.8 m, with the demo's models."""
    samples = {
        "color": color_message(STAMPS_NS[-1]),
        "depth": depth_message(STAMPS_NS[-1]),
        "camera_info": info_message(STAMPS_NS[-1]),
    }
    topics = {
        role: TopicSeen(
            f"/camera/{role}", [EXPECTED_TYPES[role]], list(STAMPS_NS), [], {FRAME}, sample
        )
        for role, sample in samples.items()
    }

    demo = package_folder() / "models" / "demo"
    models = {kind: demo / f"{kind}.safetensors" for kind in ("segmentation", "pose", "action")}
    profile = package_folder() / "config" / "fastdds.xml"
    return Observation(
        "a test",
        topics,
        models=models,
        environment={PROFILE_VARIABLES[0]: str(profile)},
        ground_truth_classes=frozenset({"mug"}),
    )
