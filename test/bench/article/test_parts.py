# SPDX-License-Identifier: Apache-2.0
"""The page of the articles' experiments: commands that exist, and tables of what they wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.article import __main__ as command
from bench.article.page import fill_section
from perception_kit.resources import package_folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are run, which do nothing."""
    ran: list[list[str]] = []

    def run(words: list[str], check: bool) -> None:
        assert check
        ran.append(words)

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _run(tmp_path: Path, part: str) -> int:
    folders = [f"--{name}={tmp_path / name}" for name in ("lmo", "ycbv", "people", "photos")]
    page = f"--page={tmp_path / 'article.md'}"
    return command.main([part, *folders, page, f"--out={tmp_path / 'out'}"])


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "article.md"
    path.write_text((package_folder() / "docs/article.md").read_text())
    return path


def test_masks_are_run_once_and_fill_their_section(
    tmp_path: Path, page: Path, commands: list[list[str]]
) -> None:
    of_class = {"segmentation": {"map": 0.5, "map50": 0.75, "box_map": 0.6}}
    metrics = {
        **of_class,
        "instances": {"total": 7},
        "per_class": {"obj_000005": {**of_class, "instances": {"total": 7}}},
    }
    _write(tmp_path / "out/masks/metrics.json", metrics)
    assert _run(tmp_path, "masks") == 0

    assert "| can | 7 | 50.0 | 75.0 | 60.0 |" in page.read_text()
    assert "--data LMO --split test" in page.read_text()
    assert f"{tmp_path}/lmo/models" in commands[0]
    assert len(commands) == len(command.PARTS["masks"].steps)
    assert _run(tmp_path, "masks") == 0
    assert len(commands) == len(command.PARTS["masks"].steps)


def test_a_training_goes_on_where_it_stopped(
    tmp_path: Path, page: Path, commands: list[list[str]]
) -> None:
    (tmp_path / "out/pose.run").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        _run(tmp_path, "poses")  # nothing was measured
    resumed = [words for words in commands if "--resume" in words]
    assert [words[1:4] for words in resumed] == [["perception", "train", "pose"]]


def test_counts_of_all_sequences_are_added_up(
    tmp_path: Path, page: Path, commands: list[list[str]]
) -> None:
    values = {
        "id_switches": 1,
        "fragments": 2,
        "truth_ids": 1,
        "truth_boxes": 40,
        "misses": 0,
    }
    sequence = {"λ = 0.5": {"obj_000012": values}, "node": {"obj_000012": values}}
    for name, sequences in {"lmo": 1, "ycbv": 1, "circle": 3}.items():
        content = {str(number): sequence for number in range(sequences)}
        _write(tmp_path / f"out/identities_{name}.json", {"sequences": content})
    assert _run(tmp_path, "identities") == 0
    assert "| holepuncher | 40 | 1 | 2 | 1 | 2 |" in page.read_text()
    assert "| holepuncher | 120 | 3 | 6 | 3 | 6 |" in page.read_text()


def test_folders_that_are_missing_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["masks", "--lmo", str(tmp_path), "--out", str(tmp_path)])
    assert "masks: give --photos" in capsys.readouterr().err


def test_a_page_without_the_section_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("# Other\n")
    with pytest.raises(ValueError, match=r"no section for 'masks'.*<!-- masks -->"):
        fill_section(page, "masks", [], "")


def test_runs_of_actions_and_the_best_three_on_other_videos(
    tmp_path: Path, page: Path, commands: list[list[str]]
) -> None:
    runs = [f"T{number}" for number in range(1, 9)]
    path = tmp_path / "out/runs/comparison.csv"
    path.parent.mkdir(parents=True)
    path.write_text(
        "run,balance,falling precision,falling recall,falling f1\n"
        + "".join(f"{run},none,1.000,0.500,0.{600 + k}\n" for k, run in enumerate(runs))
    )
    for run in runs:
        score = {"precision": 1.0, "recall": None, "f1": 0.25, "support": 3}
        _write(tmp_path / f"out/elsewhere_{run}/metrics.json", {"per_class": {"falling": score}})
    path.with_suffix(".png").write_bytes(b"chart")
    assert _run(tmp_path, "actions") == 0
    assert (tmp_path / "pictures/article_actions.png").read_bytes() == b"chart"
    text = page.read_text()
    assert "| T8 | none | 1.000 | 0.500 | 0.607 |" in text
    assert "| T8 | falling | 3 | 1.000 | – | 0.250 |" in text
    assert "| T5 | falling |" not in text
