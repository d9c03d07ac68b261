# SPDX-License-Identifier: Apache-2.0
"""Runs graphs by OpenVINO, which is faster than PyTorch on most CPUs.

It is optional: PyTorch is the reference, and runs what OpenVINO cannot. It is not imported here:
that takes seconds, and more memory than all else in a node.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from perception_kit.partial_file import replacing
from perception_kit.resources import (
    AUTO_RUNTIME,
    BFLOAT16_RUNTIME,
    INT8_RUNTIME,
    RUNTIMES,
    check_device_name,
    choose_device,
)
from perception_kit.temporary import temporary_folder

if TYPE_CHECKING:
    import numpy as np
    import openvino

# A size of an input that may differ from call to call.
DYNAMIC = -1


class RuntimeUnavailableError(ValueError):
    """A runtime cannot be used; the message says what to do."""


def import_package(name: str) -> ModuleType:
    """The package ``name`` of an optional runtime.

    Raises RuntimeUnavailableError where it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"this runtime needs the package '{name}', which cannot be imported ({error}):"
            " install it, or set the runtime to 'pytorch'"
        ) from error


@dataclass
class Runtime:
    """What runs a network and on which PyTorch device; ``problem`` says why PyTorch had to."""

    name: str
    device: str
    is_automatic: bool = False
    problem: str = ""

    def compile(self, compile_network: Callable[[], None]) -> None:
        """Call ``compile_network``, unless PyTorch runs the network.

        Where the runtime was chosen automatically and fails, PyTorch takes its place with a
        RuntimeWarning; ``compile_network`` must have changed nothing then. Else its errors pass.
        """
        if self.name == "pytorch":
            return
        try:
            compile_network()
        except Exception as error:  # of whatever kind: PyTorch gives the same results
            if not self.is_automatic:
                raise
            self.problem = f"{self.name} failed: {error}"
            warnings.warn(f"{self.problem}; PyTorch runs the network", RuntimeWarning, 2)
            self.name = "pytorch"

    @property
    def rounds(self) -> bool:
        """Whether it computes in bfloat16, which keeps 8 bits of each value."""
        return self.name == BFLOAT16_RUNTIME

    def __str__(self) -> str:
        return f"{self.name} ({self.problem})" if self.problem else self.name


def choose_runtime(runtime: str, device: str, may_round: bool = False) -> Runtime:
    """What runs a network for a ``runtime`` of ``RUNTIMES`` on ``device``; see ``choose_device``.

    ``auto`` is OpenVINO on a CPU where it is installed, in bfloat16 where the network ``may_round``
    and the CPU has instructions for it; else PyTorch. The device ``auto`` is the
    CPU for a runtime that runs nowhere else. Raises RuntimeUnavailableError where there is no such
    runtime or it does not run on the device, DeviceError where there is no such device.
    """
    if runtime != AUTO_RUNTIME:
        return Runtime(runtime, _runtime_device(runtime, device))
    chosen = choose_device(device)
    is_faster = chosen == "cpu" and find_spec("openvino") is not None
    name = "pytorch"
    if is_faster:
        name = BFLOAT16_RUNTIME if may_round and has_bfloat16() else "openvino"
    return Runtime(name, chosen, is_automatic=True)


@cache
def _core() -> openvino.Core:
    """OpenVINO itself: one for the whole process, and until its end.

    Its CPU plugin gives the thread that loads it a stack for signal handlers, and puts the one
    before back when it is unloaded. Two that end in the order in which they began leave the thread
    with a stack that is no longer there, and the next signal ends the process.
    """
    return import_package("openvino").Core()


@cache
def has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 by itself. Raises RuntimeUnavailableError."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _runtime_device(runtime: str, device: str) -> str:
    runtimes = (*RUNTIMES, BFLOAT16_RUNTIME, INT8_RUNTIME)
    if runtime not in runtimes:
        raise RuntimeUnavailableError(
            f"unknown runtime '{runtime}', expected one of {', '.join(runtimes)}"
        )
    if runtime == "pytorch":
        return choose_device(device)
    if device not in ("auto", "cpu"):
        check_device_name(device)
        raise RuntimeUnavailableError(
            f"runtime '{runtime}' runs on the CPU, but the device is '{device}':"
            " set the device to 'cpu'"
        )
    if runtime == BFLOAT16_RUNTIME and not has_bfloat16():
        raise RuntimeUnavailableError(
            f"runtime '{runtime}' needs a CPU with instructions for bfloat16 (AVX512-BF16 or AMX):"
            " set the runtime to 'auto'"
        )
    return "cpu"


class CompiledGraph:
    """A graph that is ready to run.

    It computes in float32, or in bfloat16 where it ``rounds`` (OpenVINO's own choice on some CPUs),
    in so many ``threads``; 0: OpenVINO's choice. Threads that call it wait for each other: one
    image at a time has all of its threads.
    """

    def __init__(self, graph: openvino.Model, rounds: bool = False, threads: int = 0) -> None:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if rounds else "f32",
            "INFERENCE_NUM_THREADS": threads,
            # Nodes that all pin themselves to the first cores would wait for each other.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = _core().compile_model(graph, "CPU", settings)
        self._request, self._calling = compiled.create_infer_request(), Lock()

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs of the graph."""
        with self._calling:
            return list(self._request.infer(list(inputs), share_inputs=True).values())


def save_graph(graph: openvino.Model, path: Path) -> None:
    """Write a graph as ``path`` (.xml) and a file of the same name with its weights (.bin).

    Raises OSError with what to do where they cannot be written.
    """
    openvino = import_package("openvino")
    weights = path.with_suffix(".bin")
    with (
        replacing(path, RuntimeError) as partial,
        replacing(weights) as partial_weights,
        temporary_folder("graph", path.parent) as folder,
    ):
        # OpenVINO chooses the name of the weights by itself.
        written = folder / path.name
        openvino.save_model(graph, str(written), compress_to_fp16=False)
        written.with_suffix(".bin").replace(partial_weights)
        written.replace(partial)


def read_graph(path: Path) -> openvino.Model:
    """The graph of ``path`` (.xml). Raises RuntimeUnavailableError where it is damaged."""
    try:
        return _core().read_model(str(path))
    except RuntimeError as error:
        raise RuntimeUnavailableError(
            f"'{path}' is not an OpenVINO graph with its .bin file beside it: make it again"
        ) from error
