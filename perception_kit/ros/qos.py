# SPDX-License-Identifier: Apache-2.0
"""Quality of service of inputs and results, and reports where two ends are incompatible."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.event_handler import (
    PublisherEventCallbacks,
    QoSMessageLostInfo,
    QoSOfferedIncompatibleQoSInfo,
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
)
from rclpy.node import Node
from rclpy.qos import (
    QoSCompatibility,
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_check_compatible,
    qos_policy_name_from_kind,
)

RESULT_DEPTH = 10


def input_qos(reliability: str) -> QoSProfile:
    """Profile of an input: ``best_effort`` keeps only the newest message.

    ``reliable`` keeps up to 10, and lost ones are sent again, as a lock-step replay needs.
    """
    if reliability == "reliable":
        return result_qos()
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT
    )


def latched_qos() -> QoSProfile:
    """Profile of an input whose newest message is kept by its publisher for late subscribers."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=RESULT_DEPTH,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


def has_latched_publisher(node: Node, topic: str) -> bool:
    """Whether a publisher of the topic (full name) keeps its newest message for late subscribers.

    Only then ``latched_qos`` may be asked for: other publishers refuse to send for it.
    """
    return any(
        publisher.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
        for publisher in node.get_publishers_info_by_topic(topic)
    )


def result_qos() -> QoSProfile:
    """Profile of a result: reliable, the last 10 messages."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=RESULT_DEPTH,
        reliability=QoSReliabilityPolicy.RELIABLE,
    )


def heartbeat_qos(deadline_s: float) -> QoSProfile:
    """Profile of a message that comes at least every ``deadline_s``; only the newest counts.

    A subscriber that asks for the same deadline is told by DDS when none comes.
    """
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=QoSReliabilityPolicy.RELIABLE,
        deadline=Duration(seconds=deadline_s),
    )


def input_events(
    topic: str, warn: Callable[[str], None], lost: Callable[[int], None]
) -> SubscriptionEventCallbacks:
    """Callbacks of a subscription.

    ``warn`` gets the topic and the policy by which a publisher is incompatible, ``lost`` the number
    of messages that were lost in transport.
    """

    def incompatible(event: QoSRequestedIncompatibleQoSInfo) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(
            f"a publisher on '{topic}' offers incompatible QoS ({policy}): nothing is received from"
            " it; set the parameter input_reliability to best_effort, or change the publisher"
        )

    def message_lost(event: QoSMessageLostInfo) -> None:
        lost(event.total_count_change)

    return SubscriptionEventCallbacks(incompatible_qos=incompatible, message_lost=message_lost)


def result_events(topic: str, warn: Callable[[str], None]) -> PublisherEventCallbacks:
    """Callbacks of a publisher: ``warn`` gets topic and policy of an incompatible subscriber."""

    def incompatible(event: QoSOfferedIncompatibleQoSInfo) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(
            f"a subscriber of '{topic}' asks for incompatible QoS ({policy}): it receives nothing;"
            " results are reliable and volatile"
        )

    return PublisherEventCallbacks(incompatible_qos=incompatible)


def recorded_qos(depth: int, reliability: int, durability: int) -> QoSProfile:
    """Profile of a publisher from the numbers that rosbag2 records of it."""
    return QoSProfile(
        depth=max(1, depth),
        reliability=QoSReliabilityPolicy(reliability),
        durability=QoSDurabilityPolicy(durability),
    )


def qos_mismatch(offered: QoSProfile, requested: QoSProfile) -> str | None:
    """Why a subscriber receives nothing from a publisher; None where it may receive."""
    verdict, reason = qos_check_compatible(offered, requested)
    return reason.strip(" ;") if verdict == QoSCompatibility.ERROR else None
