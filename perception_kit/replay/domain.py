# SPDX-License-Identifier: Apache-2.0
"""Reserves a ROS domain for a replay, apart from a running robot."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

# The ports of these domains are below those that Linux gives to other programs.
_DOMAINS = range(1, 101)

# UDP ports of a domain (DDSI-RTPS 9.6.1): base port, gain, and the offset of the unicast port on
# which the first participant is discovered.
_BASE_PORT, _DOMAIN_GAIN, _FIRST_PARTICIPANT = 7400, 250, 10


@contextmanager
def free_domain() -> Iterator[int]:
    """Number of a domain without participants on this machine.

    Other replays do not get it inside the ``with`` block. Raises RuntimeError where all domains are
    in use.
    """
    start = os.getpid() % len(_DOMAINS)
    for domain in [*_DOMAINS[start:], *_DOMAINS[:start]]:
        port = _BASE_PORT + _DOMAIN_GAIN * domain
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as claim,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant,
        ):
            try:
                # The TCP port, which DDS does not use, marks the domain as taken by a replay.
                claim.bind(("127.0.0.1", port))
                participant.bind(("", port + _FIRST_PARTICIPANT))
            except OSError:
                continue

            # The nodes need the participant's port; the claim stays.
            participant.close()
            yield domain
            return
    raise RuntimeError(
        f"all ROS domains from {_DOMAINS[0]} to {_DOMAINS[-1]} are in use on this machine:"
        " end some ROS programs"
    )
