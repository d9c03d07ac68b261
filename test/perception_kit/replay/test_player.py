# SPDX-License-Identifier: Apache-2.0
"""Results are received whenever they come, and their times are those of their arrival."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

import rclpy
from assistant_perception.msg import InstanceDetectionArray
from rclpy.node import Node
from std_msgs.msg import Header

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.bags.camera_streams import StampedMessage
from perception_kit.evaluation.results import STAGES
from perception_kit.replay.domain import free_domain
from perception_kit.replay.player import Player, Responses
from perception_kit.ros.qos import result_qos
from perception_kit.ros.to_messages import ns_to_stamp

pytestmark = pytest.mark.ros

SEGMENTATION = STAGES[0]
FRAMES = 40
LIMIT_S = 60


@pytest.fixture
def player() -> Iterator[Player]:
    with free_domain() as domain, Player(domain) as player:
        yield player


def spin_until_complete(player: Player, frames: list[Responses]) -> None:
    end_s = monotonic() + LIMIT_S
    while not all(responses.data for responses in frames) and monotonic() < end_s:
        player.spin_once(0.1)


def test_results_wait_for_a_player_that_is_busy(player: Player) -> None:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=player.client.domain_id)
    node = Node("pose6d_node", context=context)
    publisher = node.create_publisher(InstanceDetectionArray, SEGMENTATION.topic, result_qos())
    while publisher.get_subscription_count() == 0:
        sleep(0.05)
    start_s = monotonic()  # as a deadline it has passed: no image is sent
    frames = [
        player.publish(CameraFrame(StampedMessage(k, None, b""), None, None), start_s)
        for k in range(FRAMES)
    ]
    for k in range(FRAMES):
        publisher.publish(InstanceDetectionArray(header=Header(stamp=ns_to_stamp(k))))
        sleep(0.01)
    sleep(2.0)
    busy_s = monotonic() - start_s
    spin_until_complete(player, frames)
    assert all(responses.data for responses in frames)
    assert all(0 < responses.latency_s[SEGMENTATION.name] < busy_s for responses in frames)
    node.destroy_node()
    context.try_shutdown()
