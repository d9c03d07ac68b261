# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a replay: scores, timelines, curves and pictures in one file."""

from __future__ import annotations

from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from perception_kit.evaluation.frame_records import FrameRecord
from perception_kit.evaluation.run import ReplayRun, read_run
from perception_kit.evaluation.run_folder import CONFIG, METRICS, REPORT, VIDEO
from perception_kit.evaluation.scores import action_scores, class_scores, main_scores
from perception_kit.report.charts import chart_figures
from perception_kit.report.html import (
    assemble_page,
    chart_panels,
    class_table,
    configuration_panel,
    file_links,
    notes,
    page_header,
    panel,
    plot,
    score_groups,
)
from perception_kit.report.instance_list import (
    COLUMNS,
    instance_data,
    instance_panel,
    record_row,
)
from perception_kit.report.pictures import choose_pictures, encode_pictures
from perception_kit.report.problems import (
    badness,
    describe_problems,
    is_pose_wrong,
    verdict,
    worst_frames,
)
from perception_kit.report.style import BAD, GOOD, WARN
from perception_kit.report.timeline import timeline_figure

_WORST = 12
_FILES = {VIDEO: "video", METRICS: "scores", CONFIG: "configuration"}
_WRONG_DETECTION, _DETECTED = "#ff7bd5", "#58a6ff"
# Boxes over the picture
WRONG, TRUTH, DETECTED, NOTHING = "of mistakes", "of the truth", "of detections", "none"
_VIEWER = """
<section class="panel viewer" id="viewer">
<div class="picture"><img id="picture" alt="the chosen frame" title="click: whole screen">
<svg id="boxes" viewBox="0 0 {width} {height}" preserveAspectRatio="none"></svg></div>
<div class="row"><button id="earlier">◀</button>\
<input type="range" id="slider" min="0" aria-label="frame">
<button id="later">▶</button></div>
<div class="row"><button id="play">▶ play</button><span id="when"></span>\
<label>boxes <select id="mark">{marks}</select></label></div>
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

    worst, worst_title = _worst_frames(run)
    pictures = encode_pictures(
        run.video, run.frames, choose_pictures(len(run.frames), worst), worst
    )

    # Figures. The last shape of the timeline is the cursor, which the page's script moves.
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
    charts, figures = chart_panels(chart_figures(run))
    figures["timeline"] = timeline

    objects = [
        (index, record) for index, frame in enumerate(run.frames) for record in frame.objects or []
    ]
    # What the page shows, from top to bottom.
    width, height = run.details["image_size"]
    timelines = panel("Over time: click to see the frame", plot("timeline"))
    has_truth = _has_ground_truth(run)
    viewer = _VIEWER.format(width=width, height=height, marks=_marks(has_truth))
    cards = "".join(_card(run, index) for index in worst)
    sections = [
        _header(run),
        notes(run.details["notes"]),
        score_groups(main_scores(run)),
        f'<div class="split">{timelines}{viewer}</div>',
        charts,
        panel(worst_title, f'<div class="worst">{cards}</div>'),
        *_tables(run),
        *([instance_panel()] if objects else []),
        configuration_panel(run.config),
    ]

    data = {
        "frames": [
            _frame_data(frame, time) for frame, time in zip(run.frames, run.seconds, strict=True)
        ],
        "pictures": pictures,
        "start": worst[0],
        "cursor": len(timeline.layout.shapes) - 1,
        "image_height": height,
        "has_truth": has_truth,
        "instances": instance_data(
            COLUMNS,
            [record_row(str(run.frames[index].number), record) for index, record in objects],
            [index for index, _ in objects],
        ),
    }
    return assemble_page(f"Replay of {run.bag_name}", "".join(sections), data, figures)


def _header(run: ReplayRun) -> str:
    settings, count = run.config["settings"], len(run.frames)
    duration = f", {run.seconds[-1]:.1f} s" if run.frames else ""
    played = datetime.fromtimestamp((run.folder / CONFIG).stat().st_mtime)
    models = [
        f"{kind} {settings[f'{kind}_model']}"
        for kind in ("segmentation", "pose", "action")
        if settings.get(f"{kind}_model")
    ]
    about = [
        f"{escape(settings['bag'])}: {count} frames{duration}, played {played:%Y-%m-%d %H:%M}",
        escape(", ".join(models)),
        file_links(run.folder, _FILES),
    ]
    told = verdict(run.frames) if _has_ground_truth(run) else ""
    return page_header(f"Replay of {run.bag_name}", about, told)


def _marks(has_truth: bool) -> str:
    """What boxes there are to choose from, the first at the start."""
    kinds = [WRONG, TRUTH, DETECTED, NOTHING] if has_truth else [NOTHING, DETECTED]
    return "".join(f"<option>{kind}</option>" for kind in kinds)


def _has_ground_truth(run: ReplayRun) -> bool:
    return any(
        frame.objects is not None or frame.identities is not None or frame.true_label
        for frame in run.frames
    )


def _worst_frames(run: ReplayRun) -> tuple[list[int], str]:
    """The frames to look at first (at least one), and the title of their panel."""
    if _has_ground_truth(run):
        scores = [badness(frame) for frame in run.frames]
        title = "Worst frames"
    else:
        scores = [_slowest_ms(frame) for frame in run.frames]
        title = "Slowest frames (there is no truth to judge by)"
    return worst_frames(scores, run.seconds, _WORST) or [0], title


def _slowest_ms(frame: FrameRecord) -> float:
    return max(frame.latency_ms.values(), default=0.0)


def _frame_data(frame: FrameRecord, seconds: float) -> dict[str, Any]:
    """For the page's script: sentences, and boxes of what is wrong with their colors."""
    objects = frame.objects or []
    wrong = [
        (record.box, BAD, f"missed {record.class_name}") for record in objects if not record.found
    ]
    wrong += [
        (record.box, WARN, f"pose off: {record.class_name}")
        for record in objects
        if is_pose_wrong(record)
    ]
    wrong += [
        (detection.box, _WRONG_DETECTION, f"wrong: {detection.class_name}")
        for detection in frame.detections
        if detection.right is False
    ]
    truth = [(record.box, GOOD, record.class_name) for record in objects]
    detected = [
        (detection.box, _DETECTED, f"{detection.class_name} {detection.score:.2f}")
        for detection in frame.detections
    ]

    return {
        "number": frame.number,
        "seconds": round(seconds, 4),
        "problems": describe_problems(frame),
        "boxes": {WRONG: wrong, TRUTH: truth, DETECTED: detected},
    }


def _card(run: ReplayRun, index: int) -> str:
    frame = run.frames[index]
    problems = describe_problems(frame) or [f"{_slowest_ms(frame):.0f} ms"]
    lines = [
        f"<b>frame {frame.number}, {run.seconds[index]:.2f} s</b>",
        *map(escape, problems),
    ]
    picture = f'<img alt="frame {frame.number}">'
    return (
        f'<figure data-frame="{index}">{picture}'
        f"<figcaption>{'<br>'.join(lines)}</figcaption></figure>"
    )


def _tables(run: ReplayRun) -> list[str]:
    tables = {"Objects by class": class_scores(run), "Actions by class": action_scores(run)}
    return [panel(title, class_table(rows)) for title, rows in tables.items() if rows]
