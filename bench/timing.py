# SPDX-License-Identifier: Apache-2.0
"""Times calls in turns and prints or writes the figures; shared by the benchmarks."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from perception_kit.json_output import write_json


def network_parser(module: str, description: str, repetitions: int) -> argparse.ArgumentParser:
    """Command line of ``python -m bench.MODULE`` with the options of all network benchmarks."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{module}", description=description)
    parser.add_argument(
        "--repetitions",
        type=int,
        default=repetitions,
        help="timed calls of each (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    add_json_option(parser)
    return parser


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--json PATH``."""
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="where the figures go, - for standard output"
    )


def milliseconds(calls: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median time of each call.

    Calls take turns, so that other load on the machine slows all of them down alike. With one
    thread it is CPU time, which is the time on an idle machine; else wall time.
    """
    clock = process_time if torch.get_num_threads() == 1 else perf_counter
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name in tqdm([*calls] * (repetitions + 1), desc="bench", disable=None):
        start = clock()
        calls[name]()
        times[name].append(1e3 * (clock() - start))

    # The first call also pays for what is set up once.
    return {name: float(np.median(values[1:])) for name, values in times.items()}


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
    """Write ``figures`` with the machine and the versions they were measured with.

    ``path`` is a value of ``--json``; None writes nothing.
    """
    if path is None:
        return

    machine = {
        "processor": platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    write_json(path, {"machine": machine, **figures})
