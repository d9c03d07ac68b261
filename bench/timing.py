# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of the networks share: calls timed in turns, and a table of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from tqdm import tqdm


def network_parser(module: str, description: str, repetitions: int) -> argparse.ArgumentParser:
    """Command line of ``python -m bench.MODULE`` with the options that all benchmarks of networks
    have.
    """
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=description)
    parser.add_argument(
        "--repetitions",
        type=int,
        default=repetitions,
        help="timed calls of each (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser


def milliseconds(calls: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median time of each call.

    They take turns, so that what else runs on the machine slows all of them down alike.

    With one thread it is CPU time, which is the time on an idle machine and does not count what
    other programs take; else wall time.
    """
    clock = process_time if torch.get_num_threads() == 1 else perf_counter
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name in tqdm([*calls] * (repetitions + 1), desc="bench", disable=None):
        start = clock()
        calls[name]()
        times[name].append(1e3 * (clock() - start))
    return {
        name: float(np.median(values[1:])) for name, values in times.items()
    }  # the first call also pays for what is set up once


def print_times(times: Mapping[str, float], unit: str) -> None:
    """A line for each call: its time, and how many times faster it is than the first."""
    first = next(iter(times.values()))
    width = max(map(len, times))
    print(f"{f'median ms per {unit}':{width}}{'ms':>10}{'faster':>10}")
    for name, value in times.items():
        print(f"{name:{width}}{value:>10.1f}{first / value:>9.2f}x")


def relative_difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference over the norm of ``expected``."""
    return float((actual - expected).norm() / expected.norm())


def write_figures(path: Path | None, figures: dict[str, Any]) -> None:
    """Write ``figures`` with the machine and the versions they were measured with; nothing without
    a ``path``.
    """
    if path is None:
        return
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    machine = {
        "processor": platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **versions,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
