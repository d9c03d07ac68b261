# SPDX-License-Identifier: Apache-2.0
"""Recognizes actions in the images of a camera, or of another stream, while they come.

As in the node, the stream is read in one thread and the network runs in another, always on the
newest clip: a slow network skips clips, but does not fall behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import av

from actionrec_node.recognition.clip_requests import NewestClips
from actionrec_node.recognition.recognizer import ActionRecognizer
from perception_kit.types import ActionEstimate
from perception_kit.videos.video import VideoError
from perception_kit.videos.video_file import upright

_TIMEOUT_S = 10.0


def is_stream(source: str) -> bool:
    """Whether ``source`` is the number or device of a camera, or a URL."""
    return source.isdigit() or source.startswith("/dev/video") or "://" in source


def open_stream(source: str) -> av.container.InputContainer:
    """The images of a camera (``0``, ``/dev/video0``) or of a URL.

    Raises VideoError where there are none.
    """
    is_url = "://" in source
    path = f"/dev/video{source}" if source.isdigit() else source
    try:
        # UDP loses parts of pictures.
        options = {"rtsp_transport": "tcp"} if source.startswith("rtsp://") else {}
        container = av.open(
            path, format=None if is_url else "v4l2", options=options, timeout=_TIMEOUT_S
        )
    except (av.error.FFmpegError, OSError) as error:
        hint = (
            "check the address, and that the stream is on"
            if is_url
            else "check the number (v4l2-ctl --list-devices), the right to read it (group video),"
            " and that no other program uses the camera"
        )
        raise VideoError(f"'{path}' gives no images ({error}): {hint}") from error
    if not container.streams.video:
        container.close()
        raise VideoError(f"'{path}' has no video stream")
    return container


def live_actions(recognizer: ActionRecognizer, source: str) -> Iterator[ActionEstimate]:
    """The action after each prediction, until the stream ends. Raises VideoError."""
    waiting, has_news, failures = NewestClips(), threading.Event(), list[Exception]()
    stopped = threading.Event()

    def read() -> None:
        """Have the clips that are due wait for the network."""
        try:
            for frame in container.decode(video=0):
                if stopped.is_set():
                    return
                if frame.time is None:
                    continue
                if requests := recognizer.add(upright(frame), round(frame.time * 1e9)):
                    waiting.put(requests)
                    has_news.set()
        except Exception as error:  # for the other thread
            failures.append(error)
        finally:
            stopped.set()
            has_news.set()

    with closing(open_stream(source)) as container:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            while True:
                has_news.wait()
                has_news.clear()
                is_last = stopped.is_set()
                if requests := waiting.take():
                    recognizer.predict(requests)
                    yield from recognizer.actions()
                if is_last:
                    break
        finally:
            stopped.set()
            reader.join(_TIMEOUT_S)
    if failures:
        raise VideoError(f"'{source}' has ended: {failures[0]}") from failures[0]
