# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own, so that a replay and a running robot do not hear each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_DOMAINS = range(1, 101)  # their ports are below those that Linux gives to other programs


@contextmanager
def free_domain() -> Iterator[int]:
    """Number of a domain in which nobody takes part on this machine; kept from other replays inside
    the ``with`` block.

    Raises RuntimeError where all are in use.
    """
    start = os.getpid() % len(_DOMAINS)
    for domain in [*_DOMAINS[start:], *_DOMAINS[:start]]:
        port = (
            7400 + 250 * domain
        )  # DDSI-RTPS 9.6.1: base port and gain; the first participant receives at offset 10
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as claim,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant,
        ):
            try:
                claim.bind(("127.0.0.1", port))
                participant.bind(("", port + 10))
            except OSError:
                continue
            participant.close()
            yield domain
            return
    raise RuntimeError(
        f"all ROS domains from {_DOMAINS[0]} to {_DOMAINS[-1]} are in use on this machine: end some"
        " ROS programs"
    )
