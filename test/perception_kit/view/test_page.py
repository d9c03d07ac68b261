# SPDX-License-Identifier: Apache-2.0
"""Recordings as a browser shows them."""

from __future__ import annotations

import io
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from ports import free_port

from perception_kit.colors import FALL_COLOR, class_color
from perception_kit.view.server import RERUN

_LIMIT_S = 240.0


@contextmanager
def viewer(path: Path) -> Iterator[str]:
    """Address of a page that shows the file."""
    port, web_port = free_port(), free_port()
    data = quote(f"rerun+http://127.0.0.1:{port}/proxy", safe="")
    command = [str(RERUN), str(path), "--serve-web", "--bind", "127.0.0.1"]
    command += ["--port", str(port), "--web-viewer-port", str(web_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(web_port, process)
            yield f"http://127.0.0.1:{web_port}/?url={data}"
        finally:
            process.kill()


def wait_for_port(port: int, process: subprocess.Popen) -> None:
    end_s = monotonic() + _LIMIT_S
    while monotonic() < end_s and process.poll() is None:
        with socket.socket() as client:
            client.settimeout(1.0)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
    state = "is still starting" if process.poll() is None else f"ended with {process.returncode}"
    raise AssertionError(f"the viewer did not come up: it {state}")


def screenshot(page: Page) -> np.ndarray:
    png = page.screenshot(timeout=_LIMIT_S * 1000)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(pixels: np.ndarray, color: Sequence[int], tolerance: int = 12) -> int:
    """Pixels of about this colour."""
    return int((np.abs(pixels - np.array(color)).max(axis=-1) <= tolerance).sum())


def of_hue(pixels: np.ndarray, color: Sequence[int]) -> int:
    """Pixels that have the ratio of red, green and blue of ``color``, whatever the light."""
    length = np.linalg.norm(pixels, axis=-1)
    is_similar = pixels @ color > 0.985 * length * np.linalg.norm(color)
    return int(((length > 30) & is_similar).sum())


def wait_for(page: Page, condition: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The first screenshot that fulfils the condition; drawing by software takes a while."""
    end_s = monotonic() + _LIMIT_S
    while True:
        pixels = screenshot(page)
        if condition(pixels):
            return pixels
        assert monotonic() < end_s, "the page never showed it"
        page.wait_for_timeout(2000)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_shows_the_picture_the_space_and_a_fall(
    browser: Browser, rrd: Callable[[Sequence[str]], Path]
) -> None:
    def shows_fall_and_wall(pixels: np.ndarray) -> bool:
        return count(pixels, FALL_COLOR) > 2000 and count(pixels, (90, 90, 90), 3) > 20_000

    with viewer(rrd(["walking", "falling"])) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        pixels = wait_for(page, shows_fall_and_wall)
        page.close()

    half = pixels.shape[1] // 2
    picture, space = pixels[:, :half], pixels[:, half:]
    assert count(picture, FALL_COLOR) > 2000, "the red frame around the picture"
    assert of_hue(picture - 90 * 155 / 255, class_color("mug")) > 5000, "the tint of the mask"
    assert count(space, (22, 24, 28)) > 0.2 * space[..., 0].size, "the dark space"
    assert of_hue(space, class_color("mug")) > 200, "the mesh in the colour of its class"
