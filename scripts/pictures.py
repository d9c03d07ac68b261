# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the documentation: ``make pictures``, after ``make demo``.

``demo.webp`` is an animation of what the nodes saw in ``out/demo``, ``report.png`` its report, and
the ``.svg`` files are the diagrams of docs/methods.md.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from pathlib import Path

import av
from PIL import Image

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "pictures"
DEMO = ROOT / "out" / "demo"

# The animation: every so many frames of the video, and its size.
FRAME_STEP, MAX_SECONDS, WIDTH = 3, 20.0, 480

DIAGRAMS: dict[str, list[list[str]]] = {
    "graph": [
        ["camera", "pose6d_node\nmasks, 6D poses", "tracker_node\nidentities"],
        ["camera\nand tracks", "actionrec_node\nactions of each person"],
    ],
    "pose": [
        ["color + depth", "Mask R-CNN\nmask, class", "DenseFusion\npose of each point"],
        ["best pose", "refiner\n2 passes", "hypotheses\njudged by the depth", "pose, confidence"],
    ],
    "track": [
        ["detections", "Kalman filter\nprediction", "cost\nmotion + appearance"],
        ["costs", "matching cascade", "overlap\nof what is left", "tracks"],
    ],
    "action": [
        ["images", "crops of each\ntracked person", "16 frames\na clip"],
        ["clip", "3D convolutions\nscores", "average\nover 0.15 s", "action, alarm"],
    ],
}
_BOX, _GAP, _HEIGHT, _ROW = 170, 36, 56, 84


def main() -> int:
    """Make all pictures; returns the exit code."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name, rows in DIAGRAMS.items():
        (OUT / f"{name}.svg").write_text(diagram(rows), encoding="utf-8")

    video = DEMO / "overlay.mp4"
    if not video.is_file():
        print(f"pictures: '{video}' is missing: run 'make demo' first", file=sys.stderr)
        return 2
    write_animation(video, OUT / "demo.webp")
    write_screenshot(DEMO / "report.html", OUT / "report.png")
    for path in sorted(OUT.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.2f} MB")
    return 0


def diagram(rows: Sequence[Sequence[str]]) -> str:
    """SVG of rows of boxes with arrows from each to the next; a box may have two lines."""
    width = max(len(row) for row in rows) * (_BOX + _GAP) - _GAP + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{len(rows) * _ROW - 24}"'
        ' font-family="sans-serif" font-size="14" text-anchor="middle">',
        "<style>rect{fill:#5a7dff22;stroke:#5a7dff}text{fill:#5a7dff}path{stroke:#5a7dff;"
        "fill:none}</style>",
    ]
    for line, row in enumerate(rows):
        top = 2 + line * _ROW
        for column, label in enumerate(row):
            left = 2 + column * (_BOX + _GAP)
            parts.append(f'<rect x="{left}" y="{top}" width="{_BOX}" height="{_HEIGHT}" rx="8"/>')
            words = label.split("\n")
            first = top + _HEIGHT / 2 + 5 - 9 * (len(words) - 1)
            parts += [
                f'<text x="{left + _BOX / 2}" y="{first + 18 * number}">{html.escape(text)}</text>'
                for number, text in enumerate(words)
            ]
            if column + 1 < len(row):
                middle, start = top + _HEIGHT / 2, left + _BOX
                parts.append(
                    f'<path d="M{start} {middle}h{_GAP - 4}m-7 -5l7 5l-7 5" stroke-width="1.5"/>'
                )
    return "\n".join([*parts, "</svg>", ""])


def write_animation(video: Path, path: Path) -> None:
    """Every ``FRAME_STEP``-th frame of a video as an animated WebP."""
    pictures = []
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 15)
        for number, frame in enumerate(container.decode(stream)):
            if number >= rate * MAX_SECONDS:
                break
            if number % FRAME_STEP == 0:
                height = round(WIDTH * frame.height / frame.width)
                pictures.append(frame.to_image().resize((WIDTH, height), Image.Resampling.LANCZOS))
    duration_ms = round(1000 * FRAME_STEP / rate)
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=duration_ms, loop=0, quality=55)


def write_screenshot(page: Path, path: Path) -> None:
    """The top of a page in a headless browser."""
    from playwright.sync_api import sync_playwright

    executable = next(
        (str(place) for place in map(Path, BROWSERS) if place.is_file()),
        None,
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1200, "height": 1500})
        view.goto(page.as_uri(), wait_until="load")
        view.wait_for_timeout(2000)
        view.screenshot(path=str(path))
        browser.close()


BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


if __name__ == "__main__":
    sys.exit(main())
