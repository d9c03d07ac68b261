# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from full_disk import full_disk
from torch import nn

from perception_kit.networks import openvino_runtime as runtime
from perception_kit.networks.openvino_module import OpenVINOModule, compile_module, to_graph
from perception_kit.networks.openvino_runtime import (
    DYNAMIC,
    Runtime,
    RuntimeUnavailableError,
    choose_runtime,
    read_graph,
    save_graph,
)
from perception_kit.resources import BFLOAT16_RUNTIME


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1)
    ).eval()


@torch.inference_mode()
def test_a_compiled_module_gives_what_the_module_gives_at_every_size(network: nn.Module) -> None:
    compiled = compile_module(network, [torch.zeros(1, 3, 8, 8)], [(DYNAMIC, 3, DYNAMIC, DYNAMIC)])
    for shape in ((1, 3, 8, 8), (4, 3, 17, 5)):
        image = torch.rand(shape).to(memory_format=torch.channels_last)
        torch.testing.assert_close(compiled(image), network(image))


@torch.inference_mode()
def test_an_earlier_output_stays_when_the_next_comes(network: nn.Module) -> None:
    compiled = compile_module(network, [torch.zeros(1, 3, 8, 8)], [(1, 3, 8, 8)])
    image = torch.rand(1, 3, 8, 8)
    first = compiled(image)
    compiled(torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(first, network(image))


def test_nothing_in_gives_nothing_out(network: nn.Module) -> None:
    compiled = compile_module(network, [torch.zeros(2, 3, 8, 8)], [(DYNAMIC, 3, 8, 8)])
    assert compiled(torch.zeros(0, 3, 8, 8)).shape == (0, 2, 8, 8)


@torch.inference_mode()
def test_several_arguments_and_outputs() -> None:
    class Both(nn.Module):
        def forward(
            self, first: torch.Tensor, second: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return first + second, first - second

    values = torch.rand(2, 5, 3)
    total, difference = compile_module(Both().eval(), [*values], [(DYNAMIC, 3)] * 2)(*values)
    torch.testing.assert_close(total, values[0] + values[1])
    torch.testing.assert_close(difference, values[0] - values[1])


@torch.inference_mode()
def test_a_graph_written_and_read_is_the_same(network: nn.Module, tmp_path: Path) -> None:
    image = torch.rand(1, 3, 8, 8)
    save_graph(to_graph(network, [image], [(1, 3, 8, 8)]), tmp_path / "new" / "graph.xml")
    torch.testing.assert_close(
        OpenVINOModule(read_graph(tmp_path / "new" / "graph.xml"))(image), network(image)
    )


@torch.inference_mode()
def test_a_graph_on_a_full_disk_leaves_nothing(network: nn.Module, tmp_path: Path) -> None:
    graph = to_graph(network, [torch.rand(1, 3, 8, 8)], [(1, 3, 8, 8)])
    with full_disk(room=16), pytest.raises(OSError, match=r"graph\.xml' cannot be written"):
        save_graph(graph, tmp_path / "graph.xml")
    assert [*tmp_path.iterdir()] == []


def test_a_damaged_graph_is_named(tmp_path: Path) -> None:
    path = tmp_path / "graph.xml"
    path.write_text("<net>")
    with pytest.raises(RuntimeUnavailableError, match=r"graph\.xml' is not an OpenVINO graph"):
        read_graph(path)


def test_a_missing_package_is_named(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(runtime.importlib, "import_module", missing)
    monkeypatch.setattr(runtime, "_core", runtime._core.__wrapped__)  # the process has had it
    with pytest.raises(
        RuntimeUnavailableError, match=r"needs the package 'openvino'.*set the runtime to 'pytorch'"
    ):
        compile_module(network, [torch.zeros(1, 3, 8, 8)], [(1, 3, 8, 8)])


@pytest.mark.parametrize(
    ("runtime", "device", "chosen"),
    [
        ("pytorch", "auto", "cuda"),
        ("openvino", "auto", "cpu"),
        ("openvino", "cpu", "cpu"),
        ("auto", "auto", "cuda"),
        ("auto", "cpu", "cpu"),
    ],
)
def test_auto_is_the_best_device_that_a_runtime_runs_on(
    runtime: str, device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_runtime(runtime, device).device == chosen


def test_a_runtime_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        RuntimeUnavailableError, match="unknown runtime 'onnx', expected one of auto"
    ):
        choose_runtime("onnx", "cpu")


def test_openvino_is_refused_on_another_device() -> None:
    with pytest.raises(
        RuntimeUnavailableError, match="device is 'cuda:0': set the device to 'cpu'"
    ):
        choose_runtime("openvino", "cuda:0")


@pytest.mark.parametrize(
    ("is_installed", "device", "chosen"),
    [(True, "cpu", "openvino"), (False, "cpu", "pytorch"), (True, "cuda", "pytorch")],
)
def test_auto_is_openvino_on_a_cpu_where_it_is_installed(
    is_installed: bool, device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "find_spec", lambda name: object() if is_installed else None)
    monkeypatch.setattr(runtime, "choose_device", lambda name: name)
    assert choose_runtime("auto", device).name == chosen


@pytest.mark.parametrize(
    ("may_round", "can_round", "chosen"),
    [
        (True, True, BFLOAT16_RUNTIME),
        (True, False, "openvino"),
        (False, True, "openvino"),
    ],
)
def test_auto_rounds_where_the_network_may_and_the_cpu_can(
    may_round: bool, can_round: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: can_round)
    picked = choose_runtime("auto", "cpu", may_round)
    assert picked.name == chosen
    assert picked.rounds == (chosen == BFLOAT16_RUNTIME)


def test_bfloat16_is_refused_on_a_cpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: False)
    with pytest.raises(RuntimeUnavailableError, match="AVX512-BF16 or AMX"):
        choose_runtime(BFLOAT16_RUNTIME, "cpu")


@pytest.mark.skipif(not runtime.has_bfloat16(), reason="this CPU has no bfloat16")
def test_bfloat16_is_near_and_not_the_same() -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(64, 64).eval()
    value = torch.randn(8, 64)
    exact, rounded = (
        compile_module(network, [value], [value.shape], rounds)(value) for rounds in (False, True)
    )
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=0.05, rtol=0.05)


def test_a_runtime_that_fails_gives_way_to_pytorch_only_where_it_was_not_asked_for() -> None:
    def fail() -> None:
        raise RuntimeError("no such instruction")

    chosen = Runtime("openvino", "cpu", is_automatic=True)
    with pytest.warns(RuntimeWarning, match="no such instruction; PyTorch runs the network"):
        chosen.compile(fail)
    assert str(chosen) == "pytorch (openvino failed: no such instruction)"

    with pytest.raises(RuntimeError, match="no such instruction"):
        Runtime("openvino", "cpu").compile(fail)


def test_conversions_are_reported_to_nobody() -> None:
    statement = (
        "import perception_kit.networks\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "print(telemetry_utils.tm.__name__)"
    )
    command = [sys.executable, "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"


def test_a_process_whose_graphs_have_gone_survives_a_signal() -> None:
    """In the order in which they were made, which leaves no stack for signal handlers else."""
    statement = """
import signal, sys
import numpy as np, openvino
from openvino import opset13 as ops
from perception_kit.networks.openvino_runtime import CompiledGraph

x = ops.parameter([1, 4], np.float32)
graph = openvino.Model([ops.relu(x)], [x])
first, second = CompiledGraph(graph), CompiledGraph(graph)
del first
del second
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
signal.raise_signal(signal.SIGUSR1)
"""
    assert subprocess.run([sys.executable, "-c", statement], check=False).returncode == 7
