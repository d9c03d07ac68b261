# SPDX-License-Identifier: Apache-2.0
"""Memory and descriptors of the nodes in a long run: ``python -m bench.soak --bag BAG``.

The nodes run as on a robot, with a camera at 15 Hz. After the first tenth of the time, or ten
minutes, resident memory without shared segments must stay within 2 %, and descriptors and the size
of the segments must not grow.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import numpy as np
import plotly.graph_objects as go

from bench.live_run import NODES, LiveRun, domain, node_processes, read_frames, running_nodes
from perception_kit.json_output import write_json

JUDGED = ("private_mib", "shared_mib", "descriptors")
TOLERANCE = 0.02
WARM_UP_S = 600.0
START_LIMIT_S = 300.0
_MIB = 2**20


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--bag", type=Path, required=True, help="recording with color and depth")
    parser.add_argument("--frames", type=int, default=200, help="that are played back and forth")
    parser.add_argument("--rate", type=float, default=15.0, help="frames a second")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--out", type=Path, required=True, help="folder of log, figures and chart")
    return parser.parse_args(arguments)


def sample(process: int) -> dict[str, float]:
    """Resident, private and mapped shared memory (MiB), and open descriptors of a process.

    Shared memory counts whole, and is no part of the private one: how much of a segment of fixed
    size was ever touched, which is resident, depends on how many messages were once under way.
    """
    folder = Path("/proc", str(process))
    status = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    resident, touched = (float(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssShmem"))
    shared = 0
    for line in (folder / "maps").read_text().splitlines():
        if "/dev/shm/" in line:
            begin, end = line.split(maxsplit=1)[0].split("-")
            shared += int(end, 16) - int(begin, 16)
    return {
        "resident_mib": resident,
        "private_mib": resident - touched,
        "shared_mib": shared / _MIB,
        "descriptors": float(len(list((folder / "fd").iterdir()))),
    }


def growth(times_s: np.ndarray, values: np.ndarray, warm_up_s: float) -> float:
    """Change of a value after the warm-up, by a line through the samples, relative to its mean."""
    settled = times_s >= warm_up_s
    if settled.sum() < 3:
        return 0.0
    slope, _ = np.polyfit(times_s[settled], values[settled], 1)
    span_s = times_s[-1] - times_s[settled][0]
    return float(slope * span_s / max(values[settled].mean(), 1e-9))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write log, figures and chart; returns 1 where something grew or a node ended."""
    options = parse_arguments(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    number = domain()
    run = LiveRun(read_frames(options.bag, options.frames), options.rate, number)
    with running_nodes(number, options.out / "logs", {}) as bringup:
        wait_for_results(run)
        processes = node_processes(bringup)
        samples = _sample_all(run, processes, options)
        alive = node_processes(bringup) == processes
    run.client.close()

    times_s = np.array([time_s for time_s, _ in samples])
    warm_up_s = min(WARM_UP_S, options.minutes * 60 / 10)
    figures: dict[str, dict[str, float]] = {}
    for node in processes:
        of_node = [values[node] for _, values in samples]
        figures[node] = {
            name: growth(times_s, np.array([values[name] for values in of_node]), warm_up_s)
            for name in JUDGED
        }
    flat = all(change <= TOLERANCE for values in figures.values() for change in values.values())
    minutes = round(float(times_s[-1]) / 60, 1)
    summary = {"minutes": minutes, "same_processes": alive, "flat": flat, "growth": figures}
    write_json(options.out / "soak.json", {"summary": summary, "samples": samples})
    _draw(samples, options.out / "soak.html")
    print(summary)
    return 0 if alive and flat else 1


def wait_for_results(run: LiveRun) -> None:
    """Return when every node has given a result."""
    end_s = monotonic() + START_LIMIT_S
    topics = ("pose6d_node/poses", "tracker_node/tracks", "actionrec_node/actions")
    while not all(run.heard[topic] for topic in topics):
        if monotonic() > end_s:
            raise RuntimeError(f"no results in {START_LIMIT_S:.0f} s")
        run.spin(0.5)


def _sample_all(
    run: LiveRun, processes: dict[str, int], options: argparse.Namespace
) -> list[tuple[float, dict[str, dict[str, float]]]]:
    """Samples of all nodes with their times in seconds, also as lines of ``soak.log``.

    They are fewer where a node has ended.
    """
    samples, start_s = [], monotonic()
    with (options.out / "soak.log").open("w") as log:
        while (time_s := monotonic() - start_s) < options.minutes * 60:
            try:
                values = {node: sample(process) for node, process in processes.items()}
            except (OSError, KeyError):  # a process that ends loses its memory first
                print(f"{time_s:.0f} s: a node has ended", file=log, flush=True)
                break
            samples.append((time_s, values))
            words = [
                f"{v['resident_mib']:.1f} MiB, {v['private_mib']:.1f} private,"
                f" {v['shared_mib']:.1f} shared, {v['descriptors']:.0f}"
                for v in values.values()
            ]
            print(f"{time_s:.0f} s: {'; '.join(words)}", file=log, flush=True)
            run.spin(options.every)
    return samples


def _draw(samples: list[tuple[float, dict[str, dict[str, float]]]], path: Path) -> None:
    """Chart of the resident memory, and of that without shared segments."""
    figure = go.Figure(layout={"title": "Memory", "yaxis": {"title": "MiB"}})
    minutes = [time_s / 60 for time_s, _ in samples]
    for node in NODES:
        for name in ("resident_mib", "private_mib"):
            memory = [values[node][name] for _, values in samples]
            figure.add_scatter(x=minutes, y=memory, name=f"{node}, {name.removesuffix('_mib')}")
    figure.update_xaxes(title="minutes")
    figure.write_html(path)


if __name__ == "__main__":
    sys.exit(main())
