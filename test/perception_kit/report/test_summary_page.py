# SPDX-License-Identifier: Apache-2.0
"""The table of several replays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from replay_runs import frame, metrics

from perception_kit.evaluation.run import read_run
from perception_kit.report.summary_page import summary_page, summary_table


def test_each_run_and_the_mean_of_what_is_known(write_run: Callable[..., Path]) -> None:
    without_pose = replace(metrics(), pose=None)
    runs = {
        "a": read_run(write_run("a", [frame(0)], metrics(recall=0.5))),
        "b": read_run(write_run("b", [frame(0)], metrics(recall=0.75))),
        "c": read_run(write_run("c", [frame(0)], without_pose)),
    }
    header, rows = summary_table(runs)
    column = header.index("pose: ADD(-S) below 0.1 d")
    assert [row[0] for row in rows] == ["a", "b", "c", "mean"]
    assert [row[column] for row in rows] == ["50.0%", "75.0%", "–", "62.5%"]
    assert "actions: delay of the fall alarm" not in header
    page = summary_page("out", runs | {"d": None})
    assert '<a href="a/report.html">a</a>' in page
    assert "the replay of d did not end: see d/replay.log" in page


def test_no_replay_ended() -> None:
    assert "the replay of a did not end" in summary_page("out", {"a": None})
