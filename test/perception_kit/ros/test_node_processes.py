# SPDX-License-Identifier: Apache-2.0
"""Starting and ending node processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_graph import DOMAIN_ID, RosGraph, value_of

from perception_kit import bringup as command_line
from perception_kit.ros import node_processes
from perception_kit.ros.keep_alive import GaveUp, KeepAlive
from perception_kit.ros.node_processes import (
    BringupError,
    NodeGroup,
    camera_remappings,
    process_environment,
    read_parameters,
    start_nodes,
    state_folder,
)
from perception_kit.ros.restarts import RestartPolicy
from perception_kit.ros.supervision import HANG_S, Supervision
from perception_kit.ros.supervisor import Supervisor

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
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready')
signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready')
while True:
    signal.pause()
"""


def test_stop_is_polite_first_and_then_forces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        node_processes, "_STOP_SIGNALS", ((signal.SIGTERM, 2.0), (signal.SIGKILL, LIMIT_S))
    )
    group = group_of(tmp_path, polite=POLITE, stubborn=STUBBORN)
    assert group.poll() == {"polite": None, "stubborn": None}
    assert group.stop() == {"polite": 0, "stubborn": -signal.SIGKILL}


@pytest.mark.ros
def test_a_node_that_still_imports_ends_without_a_traceback(tmp_path: Path) -> None:
    group = start_nodes(domain_id=DOMAIN_ID, log_dir=tmp_path, nodes=["tracker_node"])
    sleep(0.5)
    group.processes["tracker_node"].send_signal(signal.SIGINT)  # as Ctrl-C in the terminal does
    sleep(0.1)
    assert group.stop()["tracker_node"] in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "tracker_node.log").read_text()


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


def test_where_one_cannot_be_started_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen] = []

    def start(*arguments: object) -> subprocess.Popen:
        if started:
            raise OSError("no room for another process")
        started.append(subprocess.Popen([sys.executable, "-c", POLITE]))
        return started[0]

    monkeypatch.setattr(node_processes, "_start", start)
    with pytest.raises(OSError, match="no room"):
        start_nodes(nodes=["tracker_node", "actionrec_node"])
    assert started[0].poll() is not None


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


def test_a_parameter_file_reaches_every_node(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "/**: {ros__parameters: {use_sim_time: true}}\n"
        "/robot/pose6d_node: {ros__parameters: {icp: true, device: cuda}}\n"
    )
    options = command_line.parse_arguments(["--params-file", str(path), "--device", "cpu"])
    parameters = command_line.node_parameters(options)
    assert parameters["pose6d_node"] == {"use_sim_time": True, "icp": True, "device": "cpu"}
    for name in ("tracker_node", "video_search_node"):
        assert parameters[name] == {"use_sim_time": True}


def test_a_block_of_which_all_is_commented_out_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("tracker_node:\n  ros__parameters:\n    # max_age: 2.0\n")
    assert read_parameters(path)["tracker_node"] == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("icp: true\n", "is no parameter file of ROS 2"),
        ("- a\n", "is no parameter file of ROS 2"),
        ("{", "is no parameter file of ROS 2"),
        ("/**/pose_node: {ros__parameters: {}}\n", r"parameters of \['pose_node'\], expected"),
        ("/**: {ros__parameters: [1]}\n", "is no parameter file of ROS 2"),
        ("tracker_node: {ros__parameters: 5}\n", "is no parameter file of ROS 2"),
        ("tracker_node: {ros__parameters: {a: 2024-01-01}}\n", "a of tracker_node is a date"),
        ("tracker_node: {ros__parameters: {a: {b: 1}}}\n", "a of tracker_node is a dict"),
        ("tracker_node: {ros__parameters: {a: [[1]]}}\n", "a of tracker_node is a list, expected"),
        ("tracker_node: {ros__parameters: {a: }}\n", "a of tracker_node is a NoneType"),
    ],
)
def test_a_file_without_parameters_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(BringupError, match=fault):
        read_parameters(path)


def test_a_folder_of_logs_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert command_line.main(["--log-dir", str(tmp_path / "file" / "logs")]) == 1
    assert "bringup: " in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[1", "", "a", "color/image_raw: 3", "\xff"])
def test_a_camera_file_without_topics_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BringupError, match=r"own\.yaml' (cannot be read|has other things)"):
        camera_remappings(str(path))


def test_without_room_for_the_states_the_nodes_start_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk that is gone"))
    said: list[str] = []
    with ExitStack() as opened:
        assert state_folder(opened, said.append) is None
    assert said[0].startswith("states of nodes are not kept, a restart begins without tracks")


def test_command_line_names_an_unknown_camera(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--camera", "webcam"]) == 1
    assert "camera 'webcam' is neither a preset" in capsys.readouterr().err


@pytest.mark.ros
def test_unusable_parameters_end_the_bringup_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"tracker_node": {"max_iou_distance": 7.0}}
    with start_nodes(
        parameters, domain_id=DOMAIN_ID, log_dir=tmp_path, nodes=["tracker_node"]
    ) as group:
        assert command_line.keep_alive(group, Event(), domain_id=DOMAIN_ID) == command_line.GAVE_UP
    error = capsys.readouterr().err
    assert "tracker_node ended with return code 78: its parameters cannot be used" in error
    assert "restart 1" not in error
    log = group.log_path("tracker_node").read_text()
    assert "cannot start: " in log
    assert "max_iou_distance" in log
    assert "Traceback" not in log


class FakeGroup(NodeGroup):
    """One node that ends with ``code`` as soon as it was started."""

    def __init__(self, code: int) -> None:
        super().__init__({"node": subprocess.Popen(["true"])}, None)
        self.code, self.starts = code, 0
        self.processes["node"].wait()

    def poll(self) -> dict[str, int | None]:
        return {"node": self.code}

    def restart(self, name: str) -> None:
        self.starts += 1


def test_a_node_that_always_dies_is_given_up_after_the_limit() -> None:
    now, group, said = [0.0], FakeGroup(-signal.SIGSEGV), []
    supervision = Supervision(["node"], lambda: now[0])
    policy = RestartPolicy(first_delay_s=1.0, limit=3)
    keeper = KeepAlive(group, supervision, said.append, policy, lambda: now[0])

    def run() -> None:
        for _ in range(1000):
            keeper.check()
            now[0] += 0.1

    with pytest.raises(GaveUp, match="node ended with return code -11; given up after 3 restarts"):
        run()
    assert group.starts == 3
    plans = [line.split("; ")[1] for line in said]
    assert plans == ["restart 1 of 3 in 1 s", "restart 2 of 3 in 2 s", "restart 3 of 3 in 4 s"]
    level, text = supervision.judge("node")
    assert (level, "node is " in text) == (DiagnosticStatus.WARN, True)


def test_a_node_that_cannot_be_started_is_tried_again_up_to_the_limit(tmp_path: Path) -> None:
    now, said = [0.0], []
    ended = subprocess.Popen(["true"])
    ended.wait()
    group = NodeGroup({"node": ended}, tmp_path / "disk that is gone", {"node": {}})
    supervision = Supervision(["node"], lambda: now[0])
    policy = RestartPolicy(first_delay_s=1.0, limit=2)
    keeper = KeepAlive(group, supervision, said.append, policy, lambda: now[0])

    def run() -> None:
        for _ in range(100):
            keeper.check()
            now[0] += 0.1

    with pytest.raises(GaveUp, match="given up after 2 restarts"):
        run()
    failures = [line for line in said if line.startswith("node cannot be started: ")]
    assert len(failures) == 2
    assert "No such file" in failures[0]
    assert supervision.judge("node")[0] == DiagnosticStatus.ERROR
    assert supervision.restarts("node") == 0


def test_a_node_that_hangs_is_ended_to_be_restarted(tmp_path: Path) -> None:
    now, said = [0.0], []
    group = group_of(tmp_path, node=STUBBORN)
    supervision = Supervision(["node"], lambda: now[0])
    keeper = KeepAlive(group, supervision, said.append, clock=lambda: now[0])
    supervision.heard("node", DiagnosticStatus.OK, "active")
    keeper.check()
    assert group.poll() == {"node": None}
    for _ in range(round(HANG_S) + 1):
        now[0] += 1.0
        keeper.check()
    assert group.poll() == {"node": -signal.SIGKILL}
    assert "gave no sign of life for too long" in said[0]


def test_a_supervisor_that_was_frozen_blames_no_node(tmp_path: Path) -> None:
    now, said = [0.0], []
    with group_of(tmp_path, node=POLITE) as group:
        supervision = Supervision(["node"], lambda: now[0])
        keeper = KeepAlive(group, supervision, said.append, clock=lambda: now[0])
        supervision.heard("node", DiagnosticStatus.OK, "active")
        keeper.check()
        now[0] += 10 * HANG_S  # as in a container that was paused
        keeper.check()
        assert (group.poll(), said) == ({"node": None}, [])

        # From then on, the node has its time.
        for _ in range(round(HANG_S) + 2):
            now[0] += 1.0
            keeper.check()
        assert group.poll() == {"node": -signal.SIGKILL}


@pytest.mark.ros
def test_a_node_that_is_killed_comes_back_and_the_supervisor_says_so(
    graph: RosGraph, tmp_path: Path
) -> None:
    name = "tracker_node"
    with (
        start_nodes({}, domain_id=DOMAIN_ID, log_dir=tmp_path, nodes=[name]) as group,
        Supervisor([name], domain_id=DOMAIN_ID) as supervisor,
    ):
        keeper = KeepAlive(group, supervisor.supervision, print)
        # The nodes end with the thread that starts them: this one also restarts.
        graph.background = lambda: (keeper.check(), supervisor.spin(0.01))
        ending = f": {name}"
        graph.status(lambda status: "is alive" in status.message, "a live node", ending)

        killed = group.processes[name]
        killed.kill()
        status = graph.status(
            lambda status: status.level == DiagnosticStatus.ERROR, "an error", ending
        )
        assert status.message.startswith(f"{name} is gone: ended with return code -9")
        status = graph.status(
            lambda status: "is alive" in status.message, "the node back again", ending
        )
        assert value_of(status, "restarts") == "1"
        assert group.processes[name].pid != killed.pid
        assert graph.state(name) == "active"
        graph.background = None
