# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a replay: scores, timelines, curves and pictures in one file."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import yaml

from perception_kit.evaluation.frame_records import FrameRecord
from perception_kit.evaluation.run import ReplayRun, read_run
from perception_kit.evaluation.run_folder import REPORT
from perception_kit.evaluation.scores import action_scores, class_scores, main_scores
from perception_kit.report.charts import chart_figures
from perception_kit.report.html import assemble_page, class_table, notes, panel, plot, score_groups
from perception_kit.report.pictures import choose_pictures, encode_pictures
from perception_kit.report.problems import badness, describe_problems, is_pose_wrong, worst_frames
from perception_kit.report.style import BAD, WARN
from perception_kit.report.timeline import timeline_figure

_WORST = 12
_VIEWER = """
<section class="panel viewer" id="viewer">
<div class="picture"><img id="picture" alt="the chosen frame">
<svg id="boxes" viewBox="0 0 {width} {height}" preserveAspectRatio="none"></svg></div>
<div class="row"><button id="earlier">◀</button><input type="range" id="slider" min="0" aria-label="frame">
<button id="later">▶</button></div>
<div class="row"><span id="when"></span><label><input type="checkbox" id="mark" checked> mark what is wrong</label></div>
<ul id="problems"></ul>
</section>"""


def write_report(folder: Path) -> None:
    """Write ``report.html`` into the folder of a finished replay.

    Raises RunError where it is none.
    """
    run = read_run(folder)
    (folder / REPORT).write_text(replay_page(run))


def replay_page(run: ReplayRun) -> str:
    """The page as HTML."""
    if not run.frames:
        return assemble_page(run.bag_name, _header(run) + notes(["no frame was played"]), {}, {})
    worst, title = _worst_frames(run)
    pictures = encode_pictures(
        run.video, run.frames, choose_pictures(len(run.frames), worst), worst
    )
    timeline = timeline_figure(run)
    timeline.add_shape(
        type="line",
        xref="x",
        yref="paper",
        x0=0,
        x1=0,
        y0=0,
        y1=1,
        line={"color": "#ffffff", "width": 1},
    )
    charts = chart_figures(run)
    figures = {
        "timeline": timeline,
        **{f"chart{k}": figure for k, figure in enumerate(charts.values())},
    }
    width, height = run.details["image_size"]
    timelines = panel("Over time: click to see the frame", plot("timeline"))
    sections = [
        _header(run),
        notes(run.details["notes"]),
        score_groups(main_scores(run)),
        f'<div class="split">{timelines}{_VIEWER.format(width=width, height=height)}</div>',
        (
            "<div"
            f' class="charts">{"".join(panel(name, plot(f"chart{k}")) for k, name in enumerate(charts))}</div><br>'
        ),
        panel(title, f'<div class="worst">{"".join(_card(run, index) for index in worst)}</div>'),
        *_tables(run),
        _configuration(run),
    ]
    data = {
        "frames": [
            _frame_data(frame, time) for frame, time in zip(run.frames, run.seconds, strict=True)
        ],
        "pictures": pictures,
        "start": worst[0],
        "cursor": len(timeline.layout.shapes) - 1,
        "image_height": height,
        "has_truth": _has_ground_truth(run),
    }
    return assemble_page(f"Replay of {run.bag_name}", "".join(sections), data, figures)


def _header(run: ReplayRun) -> str:
    bag, count = run.config["settings"]["bag"], len(run.frames)
    duration = f", {run.seconds[-1]:.1f} s" if run.frames else ""
    return (
        f'<h1>Replay of {escape(run.bag_name)}</h1><p class="about">{escape(bag)}: {count}'
        f" frames{duration}</p>"
    )


def _has_ground_truth(run: ReplayRun) -> bool:
    return any(
        frame.objects is not None or frame.identities is not None or frame.true_label
        for frame in run.frames
    )


def _worst_frames(run: ReplayRun) -> tuple[list[int], str]:
    """The frames to look at first (at least one), and what they are."""
    if _has_ground_truth(run):
        chosen, title = (
            worst_frames([badness(frame) for frame in run.frames], run.seconds, _WORST),
            "Worst frames",
        )
    else:
        slowness = [max(frame.latency_ms.values(), default=0.0) for frame in run.frames]
        chosen, title = (
            worst_frames(slowness, run.seconds, _WORST),
            "Slowest frames (there is no truth to judge by)",
        )
    return chosen or [0], title


def _frame_data(frame: FrameRecord, seconds: float) -> dict[str, Any]:
    """What the page shows of a frame: sentences, and boxes of what is wrong with their colours."""
    boxes = [
        (item.box, BAD, f"missed {item.class_name}")
        for item in frame.objects or []
        if not item.found
    ]
    boxes += [
        (item.box, WARN, f"pose off: {item.class_name}")
        for item in frame.objects or []
        if is_pose_wrong(item)
    ]
    boxes += [
        (item.box, "#ff7bd5", f"wrong: {item.class_name}")
        for item in frame.detections
        if item.right is False
    ]
    return {
        "number": frame.number,
        "seconds": round(seconds, 4),
        "problems": describe_problems(frame),
        "boxes": boxes,
    }


def _card(run: ReplayRun, index: int) -> str:
    frame = run.frames[index]
    slowest = f"{max(frame.latency_ms.values(), default=0.0):.0f} ms"
    problems = "<br>".join(map(escape, describe_problems(frame) or [slowest]))
    caption = f"<b>frame {frame.number}, {run.seconds[index]:.2f} s</b><br>{problems}"
    return (
        f'<figure data-frame="{index}"><img alt="frame'
        f' {frame.number}"><figcaption>{caption}</figcaption></figure>'
    )


def _tables(run: ReplayRun) -> list[str]:
    tables = {"Objects by class": class_scores(run), "Actions by class": action_scores(run)}
    return [panel(title, class_table(rows)) for title, rows in tables.items() if rows]


def _configuration(run: ReplayRun) -> str:
    """The parts of the effective config, to unfold."""
    folded = "".join(
        f"<details><summary>{escape(name)}</summary><pre>{escape(yaml.safe_dump(content, sort_keys=False))}</pre></details>"
        for name, content in run.config.items()
    )
    return panel("What it ran with", folded)
