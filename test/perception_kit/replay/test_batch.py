# SPDX-License-Identifier: Apache-2.0
"""Several bags in one run, on a local Dask cluster of two workers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="Dask is not installed: run 'make setup'")
pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from distributed import LocalCluster
from sockets import listening_sockets

from perception_kit.evaluation.results import read_results
from perception_kit.evaluation.run_folder import OutputError
from perception_kit.replay.batch import print_summary, replay_command, run_batch
from perception_kit.replay.settings import ReplaySettings


@pytest.fixture
def no_models(tmp_path: Path) -> ReplaySettings:
    models = {
        f"{name}_model": tmp_path / f"{name}.safetensors"
        for name in ("segmentation", "pose", "action")
    }
    return ReplaySettings(bag=Path("given by the test"), out=tmp_path / "out", **models)


@pytest.mark.slow
@pytest.mark.ros
def test_replays_that_fail_are_named(
    no_models: ReplaySettings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bags = [tmp_path / "first", tmp_path / "second.mcap"]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        codes = run_batch(bags, no_models, scheduler=cluster.scheduler_address)
    assert codes == dict.fromkeys(bags, 2)
    assert (
        f"the replay of '{bags[0]}' ended with exit code 2; see"
        f" '{tmp_path / 'out' / 'first' / 'replay.log'}'" in capfd.readouterr().err
    )
    for name in ("first", "second"):
        assert "does not exist" in (tmp_path / "out" / name / "replay.log").read_text()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["second"] == {"bag": str(bags[1]), "exit_code": 2, "scores": None}
    assert "the replay of first did not end" in (tmp_path / "out" / "summary.html").read_text()
    print_summary(tmp_path / "out", codes)
    assert "summary.html" in capfd.readouterr().out


def test_a_batch_on_this_machine_listens_to_nobody(
    no_models: ReplaySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def replay(command: list[str], log_path: Path, is_cancelled: Callable[[], bool]) -> int:
        seen.append(listening_sockets())
        return 2

    monkeypatch.setattr("perception_kit.replay.batch._replay", replay)
    before = listening_sockets()
    bags = [tmp_path / "first", tmp_path / "second"]
    assert run_batch(bags, no_models, workers=2) == dict.fromkeys(bags, 2)
    assert seen == [before, before]


def test_bags_of_the_same_name_are_refused(no_models: ReplaySettings, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="several bags are called kitchen"):
        run_batch([tmp_path / "a" / "kitchen", tmp_path / "b" / "kitchen.mcap"], no_models)


def test_a_folder_that_cannot_be_made_is_named(no_models: ReplaySettings, tmp_path: Path) -> None:
    no_models.out.touch()
    with pytest.raises(OutputError, match="cannot be written"):
        run_batch([tmp_path / "kitchen"], no_models)


def test_scheduler_that_nobody_runs(
    no_models: ReplaySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception_kit.replay.cluster._CONNECT_S", 1)
    with pytest.raises(OutputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        run_batch([tmp_path / "kitchen"], no_models, scheduler="tcp://127.0.0.1:9")


def test_command_line_of_a_replay_says_what_its_settings_say(
    no_models: ReplaySettings, tmp_path: Path
) -> None:
    plain = replay_command(no_models)
    assert plain[:3] == ["-m", "perception_kit.replay", "given by the test"]
    assert plain[plain.index("--out") + 1] == str(tmp_path / "out")
    assert not {"--rrd", "--truth", "--realtime"} & set(plain)
    command = replay_command(replace(no_models, rrd=True, realtime=0.5, truth=Path("truth")))
    assert command[command.index("--realtime") + 1] == "0.5"
    assert command[command.index("--truth") + 1] == str(Path("truth").absolute())
    assert "--rrd" in command
    assert not {"True", "False", "None"} & set(command)


@pytest.mark.slow
@pytest.mark.ros
def test_two_workers_play_two_bags_at_a_time(
    settings: ReplaySettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Replays of equal bags beside each other do not hear each other: they give the same."""
    bags = [tmp_path / "bags" / name for name in ("first", "second")]
    for bag in bags:
        shutil.copytree(settings.bag, bag)
    out = tmp_path / "out"
    assert run_batch(bags, replace(settings, out=out, timeout=120.0), workers=2) == dict.fromkeys(
        bags, 0
    )
    first, second = (
        json.loads((out / name / "metrics.json").read_text()) for name in ("first", "second")
    )
    assert {key: value for key, value in first.items() if key != "latency_ms"} == {
        key: value for key, value in second.items() if key != "latency_ms"
    }
    assert first["frames"]["processed"] == len(read_results(out / "first" / "results")[0])
    summary = json.loads((out / "summary.json").read_text())
    assert summary["first"]["scores"]["tracking: MOTA"] == first["tracking"]["mota"]
    print_summary(out, dict.fromkeys(bags, 0))
    assert "tracking: MOTA" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["summary.html", "first/replay.log"])
def test_links_are_not_followed(name: str, no_models: ReplaySettings, tmp_path: Path) -> None:
    precious, link = tmp_path / "precious", tmp_path / "out" / name
    precious.write_text("of somebody else")
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with pytest.raises(OutputError, match=f"holds links .{link.name}"):
        run_batch([tmp_path / "first", tmp_path / "second"], no_models)
    assert precious.read_text() == "of somebody else"
