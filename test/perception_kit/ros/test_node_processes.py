# SPDX-License-Identifier: Apache-2.0
"""Starting and ending node processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest
from ros_graph import DOMAIN_ID

from perception_kit import bringup as command_line
from perception_kit.ros import node_processes
from perception_kit.ros.node_processes import (
    BringupError,
    NodeGroup,
    process_environment,
    start_nodes,
)

LIMIT_S = 60.0


def group_of(tmp_path: Path, **programs: str) -> NodeGroup:
    """Processes that run Python programs, each of which prints ``ready`` when it runs."""
    processes = {}
    for name, program in programs.items():
        with (tmp_path / f"{name}.log").open("w") as log:
            processes[name] = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=log)

    group = NodeGroup(processes, tmp_path)
    end_s = monotonic() + LIMIT_S
    while not all("ready" in group.log_path(name).read_text() for name in programs):
        assert monotonic() < end_s
        sleep(0.02)
    return group


POLITE = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print('ready')
signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print('ready')
while True:
    signal.pause()
"""


def test_stop_is_polite_first_and_then_forces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        node_processes, "_STOP_SIGNALS", ((signal.SIGINT, 2.0), (signal.SIGKILL, LIMIT_S))
    )
    group = group_of(tmp_path, polite=POLITE, stubborn=STUBBORN)
    assert group.poll() == {"polite": None, "stubborn": None}
    assert group.stop() == {"polite": 0, "stubborn": -signal.SIGKILL}


def test_poll_tells_which_process_is_gone_while_the_others_go_on(tmp_path: Path) -> None:
    with group_of(tmp_path, first=POLITE, second=POLITE) as group:
        group.processes["first"].send_signal(signal.SIGKILL)
        end_s = monotonic() + LIMIT_S
        while group.poll()["first"] is None:
            assert monotonic() < end_s
            sleep(0.02)
        assert group.poll() == {"first": -signal.SIGKILL, "second": None}
    assert group.poll() == {"first": -signal.SIGKILL, "second": 0}


def test_unknown_nodes_are_refused() -> None:
    expected = r"unknown nodes \['camera_node'\], expected some of \['actionrec_node'"
    with pytest.raises(BringupError, match=expected):
        start_nodes({"camera_node": {}})


def test_settings_that_are_there_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/own.xml")
    added = process_environment()
    assert added["MALLOC_TOP_PAD_"] == str(64 * 1024 * 1024)
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" not in added


def test_command_line_overrides_only_what_is_given() -> None:
    args = command_line.parse_arguments(
        ["--device", "cpu", "--pose-model", "p.safetensors", "--use-sim-time"]
    )
    assert command_line.node_parameters(args) == {
        "pose6d_node": {"pose_model": "p.safetensors", "device": "cpu", "use_sim_time": True},
        "tracker_node": {"pose_model": "p.safetensors", "use_sim_time": True},
        "actionrec_node": {"device": "cpu", "use_sim_time": True},
        "video_search_node": {"use_sim_time": True},
    }


def test_command_line_names_an_unknown_camera(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--camera", "webcam"]) == 1
    assert "camera 'webcam' is neither a preset" in capsys.readouterr().err


@pytest.mark.ros
def test_a_node_that_dies_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = {"tracker_node": {"max_iou_distance": 7.0}}
    with start_nodes(
        parameters, domain_id=DOMAIN_ID, log_dir=tmp_path, nodes=["tracker_node"]
    ) as group:
        assert command_line.wait(group) == 1
    assert "tracker_node ended with return code 1" in capsys.readouterr().err
    log = group.log_path("tracker_node").read_text()
    assert "cannot start: " in log
    assert "max_iou_distance" in log
    assert "Traceback" not in log
