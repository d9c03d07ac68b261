# SPDX-License-Identifier: Apache-2.0
"""Replays one bag many times on a busy machine: ``python -m bench.same_answers --bag BAG``.

Processes that compute endlessly take the processors meanwhile. All replays must give the results of
the first: which detections, poses, tracks and actions there are, and their numbers to 0.001.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing import add_json_option
from perception_kit.evaluation.results import read_results
from perception_kit.evaluation.run_folder import RESULTS
from perception_kit.json_output import write_json
from perception_kit.processes import ends_with_parent
from perception_kit.types import FrameResults

PARTS = ("instances", "poses", "tracks", "actions")
TOLERANCE = 1e-3
_BURN = "while True: sum(range(10000))"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.same_answers", description=__doc__)
    parser.add_argument("--bag", type=Path, required=True)
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--burners", type=int, default=8, help="processes that compute meanwhile")
    parser.add_argument("--out", type=Path, default=Path("out/same_answers"))
    add_json_option(parser)
    return parser.parse_args(arguments)


@contextmanager
def busy_machine(burners: int) -> Iterator[None]:
    """``burners`` processes compute until the end of the block."""
    with ExitStack() as stack:
        for _ in range(burners):
            command = ends_with_parent([sys.executable, "-c", _BURN])
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        yield


def difference(first: FrameResults, other: FrameResults) -> str:
    """Where two frames differ first; empty where they do not."""
    for part in PARTS:
        expected, found = getattr(first, part), getattr(other, part)
        if len(expected) != len(found):
            return f"{len(found)} {part} instead of {len(expected)}"
        for a, b in zip(expected, found, strict=True):
            for entry in fields(a):
                if not _is_same(getattr(a, entry.name), getattr(b, entry.name)):
                    return f"{entry.name} of {part}"
    return ""


def _is_same(first: Any, other: Any) -> bool:
    if isinstance(first, np.ndarray) and first.dtype != bool and isinstance(other, np.ndarray):
        return first.shape == other.shape and np.allclose(first, other, atol=TOLERANCE)
    if isinstance(first, float):
        return abs(first - other) <= TOLERANCE
    return bool(np.array_equal(first, other))


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay and compare; returns 1 where a replay failed or gave something else."""
    options = parse_arguments(arguments)
    first: dict[int, FrameResults] = {}
    differences: list[str] = []
    with busy_machine(options.burners):
        for number in range(options.replays):
            out = options.out / f"{number:02d}"
            command = ["-m", "perception_kit.replay", str(options.bag), "--out", str(out)]
            code = subprocess.run([sys.executable, *command], check=False).returncode
            frames, _ = read_results(out / RESULTS)
            first = first or frames
            differences.append(_compare(first, frames) or (f"exit code {code}" if code else ""))
            print(f"replay {number}: {differences[-1] or 'the same'}", flush=True)

    figures = {"replays": options.replays, "frames": len(first), "differences": differences}
    if options.json is not None:
        write_json(options.json, figures)
    return 1 if any(differences) else 0


def _compare(first: dict[int, FrameResults], frames: dict[int, FrameResults]) -> str:
    """The first difference between two replays, with its stamp."""
    if list(first) != list(frames):
        return f"{len(frames)} frames instead of {len(first)}"
    found = ((stamp, difference(first[stamp], frames[stamp])) for stamp in first)
    return next((f"{text} at {stamp}" for stamp, text in found if text), "")


if __name__ == "__main__":
    sys.exit(main())
