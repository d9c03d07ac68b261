# SPDX-License-Identifier: Apache-2.0
"""The files in the folder that a replay writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from perception_kit.partial_file import refuse_links

RESULTS = "results"
VIDEO = "overlay.mp4"
LOGS = "logs"
METRICS = "metrics.json"
DETAILS = "details.json"
CONFIG = "effective_config.yaml"
FRAMES = "frames.json"
REPORT = "report.html"
RERUN = "recording.rrd"
MARKER = ".replay"


class OutputError(ValueError):
    """The folder for the results cannot be used. The message says why."""


def make_output(out: Path) -> None:
    """Make the folder where it does not exist. Raises OutputError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"'{out}' cannot be written ({error}): give another folder as --out"
        ) from error


def clear_output(out: Path) -> None:
    """Make the folder and remove what an earlier replay wrote into it.

    Raises OutputError for files that another program wrote, and for links: what they lead to is
    nobody's to replace.
    """
    names = (RESULTS, CONFIG, LOGS, VIDEO, METRICS, DETAILS, FRAMES, REPORT, RERUN)
    marker = out / MARKER
    try:
        refuse_links(out, (*names, MARKER))
    except OSError as error:
        raise OutputError(str(error)) from error
    in_the_way = [name for name in names if (out / name).exists()]
    if in_the_way and not marker.exists():
        raise OutputError(
            f"'{out}' holds {', '.join(in_the_way)}, but not of an earlier replay: give a new"
            " folder as --out"
        )

    make_output(out)
    try:
        marker.write_text("written by perception_kit.replay, which replaces its files here\n")
    except OSError as error:
        raise OutputError(
            f"'{out}' cannot be written ({error}): give another folder as --out"
        ) from error

    for name in in_the_way:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink()


def describe_output(out: Path) -> list[tuple[str, str]]:
    """Path and description of each file in the folder, the most useful first."""
    described = {
        REPORT: "scores, timelines and the worst frames; open it in a browser",
        VIDEO: "what the nodes saw, drawn on the images",
        METRICS: "all scores",
        DETAILS: "scores per class, and what the nodes reported about themselves",
        FRAMES: "what became of each frame",
        RESULTS: "bag of the nodes' results",
        CONFIG: "settings, parameters, model files, versions and machine",
        LOGS: "what the nodes wrote to their terminals",
    }
    if (out / RERUN).exists():
        described[RERUN] = (
            "everything in the picture and in space; './run rerun FILE --serve-web --bind"
            " 127.0.0.1' shows it in a browser"
        )

    return [(str(out / name), description) for name, description in described.items()]
