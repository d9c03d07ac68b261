# SPDX-License-Identifier: Apache-2.0
"""A report in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def opened(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """The page when everything is drawn, without a network, and the errors on its console."""
    from browser import console_errors

    page = browser.new_page(viewport={"width": 1500, "height": 1800})
    page.context.set_offline(True)
    errors = console_errors(page)
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
    return page, errors


def click_timeline(page: Page, row: int, seconds: float, fraction: float) -> None:
    """Click in row ``row`` of the timeline (1 is the top) at a time and fraction of its height."""
    x, y = page.evaluate(
        """([row, seconds, fraction]) => {
            const plot = document.getElementById("timeline");
            const layout = plot._fullLayout, box = plot.getBoundingClientRect();
            const xaxis = layout["xaxis" + row] || layout.xaxis;
            const yaxis = layout["yaxis" + row] || layout.yaxis;
            return [
                box.left + xaxis._offset + xaxis.l2p(seconds),
                box.top + yaxis._offset + fraction * yaxis._length,
            ];
        }""",
        ["" if row == 1 else row, seconds, fraction],
    )
    page.mouse.move(x, y)
    page.wait_for_timeout(300)  # plotly looks for the nearest point when the pointer rests
    page.mouse.click(x, y)
