# SPDX-License-Identifier: Apache-2.0
"""What the nodes have published becomes tags that are found by what, where, when and color."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from result_bags import START_NS, STEP_NS, write_result_bag

from video_search import Library, Query
from video_search.index import main as index
from video_search.models import ModelRunError, Models, run_models

FAST = ("--models", "none", "--no-descriptors")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    bag = write_result_bag(tmp_path / "bag")
    assert index([str(tmp_path / "library"), str(bag), *FAST]) == 0
    return Library.open(tmp_path / "library")


def test_a_track_has_its_place_and_color(library: Library) -> None:
    (moment,) = library.find("red mug")
    (tag,) = moment.tags
    assert (tag.kind, tag.track_id, tag.frame_id) == ("track", 4, "camera")
    np.testing.assert_allclose(tag.position, [0.1, 0.0, 0.8], atol=1e-6)
    assert (tag.start_ns, tag.end_ns) == (START_NS, START_NS + 9 * STEP_NS)
    assert tag.thumbnail[:2] == b"\xff\xd8"
    assert not library.find("blue mug").moments


def test_the_fall_is_found_with_its_person(library: Library) -> None:
    (moment,) = library.find(Query("when did she last fall", kinds=("action",)))
    assert (moment.tags[0].track_id, moment.start_ns) == (9, START_NS + 5 * STEP_NS)
    assert len(library.find("mug near fall")) == 1


def test_without_images_there_are_tags_without_pictures(tmp_path: Path) -> None:
    bag = write_result_bag(tmp_path / "bag", with_images=False)
    assert index([str(tmp_path / "library"), str(bag), *FAST]) == 0
    (moment,) = Library.open(tmp_path / "library").find("mug")
    assert moment.thumbnail == b""


@pytest.mark.slow
def test_several_workers_read_as_one(tmp_path: Path) -> None:
    bags = [write_result_bag(tmp_path / f"bag{number}") for number in range(3)]
    arguments = [str(tmp_path / "library"), *map(str, bags), *FAST, "--workers", "2"]
    assert index(arguments) == 0
    library = Library.open(tmp_path / "library")
    assert {Path(source.uri).name for source in library.sources()} == {"bag0", "bag1", "bag2"}
    assert len(library.find("mug")) == 3


def test_a_replay_without_a_node_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result_bag(tmp_path / "replay" / "results")
    gone = {"nodes_gone": {"tracker_node": "has ended"}}
    (tmp_path / "replay" / "metrics.json").write_text(json.dumps(gone))
    assert index([str(tmp_path / "library"), str(tmp_path / "replay" / "results"), *FAST]) == 0
    assert "lacks what a node would have seen: tracker_node has ended" in capsys.readouterr().err


def test_models_that_did_not_all_run_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their results would count as all there is to see, and never be made again."""
    out = tmp_path / "out"

    def replay(*arguments: object, **options: object) -> CompletedProcess[str]:
        (out / "results").mkdir()
        (out / "metrics.json").write_text('{"nodes_gone": {"pose6d_node": "is starting"}}')
        return CompletedProcess([], 3)

    monkeypatch.setattr(subprocess, "run", replay)
    with pytest.raises(ModelRunError, match=r"not looked at by all nodes \(pose6d_node is"):
        run_models(tmp_path / "bag", Models.demo(), out)


def test_without_ros_it_is_said_that_no_model_can_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(ModelRunError, match=r"need ROS 2 .*, or leave it out by --models none"):
        run_models(tmp_path / "bag", Models.demo(), tmp_path / "out")
