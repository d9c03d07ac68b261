# SPDX-License-Identifier: Apache-2.0
"""Quality of service of inputs and results, and messages for the user where two ends do not fit."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy, qos_policy_name_from_kind

RELIABILITIES = ("best_effort", "reliable")
RESULT_DEPTH = 10


def input_qos(reliability: str) -> QoSProfile:
    """``best_effort``: only the newest message waits.

    ``reliable``: up to 10 wait and lost ones are sent again (lock-step replay).
    """
    if reliability == "reliable":
        return result_qos()
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT
    )


def result_qos() -> QoSProfile:
    """Reliable, the last 10 messages."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=RESULT_DEPTH,
        reliability=QoSReliabilityPolicy.RELIABLE,
    )


def input_events(
    topic: str, warn: Callable[[str], None], lost: Callable[[int], None]
) -> SubscriptionEventCallbacks:
    """Names the topic and the policy when a publisher does not fit; tells ``lost`` how many
    messages went missing on the way.
    """

    def incompatible(event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(
            f"a publisher on '{topic}' offers incompatible QoS ({policy}): nothing is received from"
            " it; set the parameter input_reliability to best_effort, or change the publisher"
        )

    return SubscriptionEventCallbacks(
        incompatible_qos=incompatible, message_lost=lambda event: lost(event.total_count_change)
    )


def result_events(topic: str, warn: Callable[[str], None]) -> PublisherEventCallbacks:
    """Names the topic and the policy when a subscriber does not fit."""

    def incompatible(event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(
            f"a subscriber of '{topic}' asks for incompatible QoS ({policy}): it receives nothing;"
            " results are reliable and volatile"
        )

    return PublisherEventCallbacks(incompatible_qos=incompatible)
