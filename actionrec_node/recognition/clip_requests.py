# SPDX-License-Identifier: Apache-2.0
"""Clips on their way from the stream to the network."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from actionrec_node.recognition.clip_buffer import Clip
from actionrec_node.recognition.subjects import Subject, View


@dataclass(frozen=True)
class ClipRequest:
    """A clip to classify, and whose it is."""

    track_id: int
    subject: Subject
    clip: Clip[View]


class NewestClips:
    """Clips that wait for a network: of everybody the newest one.

    ``replaced`` counts those that a newer one took the place of. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self.replaced = 0
        self._requests: dict[int, ClipRequest] = {}
        self._lock = threading.Lock()

    def put(self, requests: Sequence[ClipRequest]) -> None:
        """Let clips wait."""
        with self._lock:
            self.replaced += sum(request.track_id in self._requests for request in requests)
            self._requests |= {request.track_id: request for request in requests}

    def take(self) -> list[ClipRequest]:
        """All clips that wait; they wait no longer."""
        with self._lock:
            waiting, self._requests = list(self._requests.values()), {}
        return waiting
