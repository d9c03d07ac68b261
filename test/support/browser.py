# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that opens the pages which this package writes or serves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: containers run as root. SwiftShader draws WebGL without a graphics card.
_ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def chromium_path() -> str | None:
    """The installed browser; None where there is none."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """The browser at ``path``, closed after the ``with`` block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()


def console_errors(page: Page) -> list[str]:
    """List that fills with the errors of ``page``. Call before it is opened.

    They are those on its console, uncaught ones, and files that it did not get.
    """
    errors: list[str] = []
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "requestfailed", lambda request: errors.append(f"{request.url[:200]}: {request.failure}")
    )
    return errors
