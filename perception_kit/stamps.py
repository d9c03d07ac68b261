# SPDX-License-Identifier: Apache-2.0
"""Stamps of messages in nanoseconds, with and without ROS."""

from __future__ import annotations

from typing import Protocol


class Stamp(Protocol):
    """``builtin_interfaces/Time``, as ROS or as ``rosbags`` has it."""

    @property
    def sec(self) -> int: ...

    @property
    def nanosec(self) -> int: ...


def stamp_to_ns(stamp: Stamp) -> int:
    """Nanoseconds of a stamp."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec
