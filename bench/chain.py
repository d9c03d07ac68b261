# SPDX-License-Identifier: Apache-2.0
"""The live chain from camera to results: ``python -m bench.chain --bag BAG``.

A recording is played as a camera to the three nodes, which run as on a robot; once for each runtime
of the networks, at one rate after the other. Latencies are those from the stamp of an image to the
arrival of its result; a frame that a result does not come for was dropped. ``--threads`` compares
numbers of threads of each node's networks in the same way. ``--resnet50`` adds torchvision's
network in the place of the segmentation, with random weights: it does all of its work and finds
nothing, so that what follows has little to do.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from time import monotonic, time
from typing import Any

import numpy as np
import plotly.graph_objects as go
import yaml

from bench.live_run import LiveRun, domain, node_processes, read_frames, running_nodes
from bench.soak import sample, wait_for_results
from bench.timing import add_json_option, write_figures
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.stamps import stamp_to_ns
from perception_kit.temporary import temporary_folder
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.segmentation_model import save_segmentation

RESULTS = {
    "detections": "pose6d_node/detections",
    "tracks": "tracker_node/tracks",
    "poses": "pose6d_node/poses",
    "actions": "actionrec_node/actions",
}
PERCENTILES = (50, 95, 99)
SETTLE_S = 5.0  # after a change of the rate
LAST_RESULTS_S = 2.0  # for those of the last frames
RUNTIMES = ("pytorch", "auto")
_NODES_WITH_NETWORKS = ("pose6d_node", "actionrec_node")
_TICKS = os.sysconf("SC_CLK_TCK")


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description=__doc__)
    parser.add_argument("--bag", type=Path, required=True, help="recording with color and depth")
    parser.add_argument("--frames", type=int, default=200, help="that are played back and forth")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[15.0, 30.0], help="frames a second"
    )
    parser.add_argument("--runtimes", nargs="+", default=RUNTIMES, help="of the networks")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[Pose6dConfig.threads],
        help="of the networks of a node, 0: one for each core (default: that of the nodes)",
    )
    parser.add_argument(
        "--resnet50", action="store_true", help="also with torchvision's ResNet-50 as segmentation"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="at each rate")
    parser.add_argument("--out", type=Path, required=True, help="folder of the logs and the chart")
    add_json_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chain, print a table, write JSON and the chart."""
    options = parse_arguments(arguments)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    frames = read_frames(options.bag, options.frames)

    figures: dict[str, dict[str, Any]] = {}
    with temporary_folder("models") as folder:
        for name, settings in _cases(options, folder).items():
            figures |= _measure_case(name, settings, frames, options)

    _print_table(figures)
    options.out.mkdir(parents=True, exist_ok=True)
    _chart(figures).write_html(options.out / "chain.html")
    write_figures(options.json, {"results": figures})
    return 0


def _cases(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Parameters of the nodes that have networks, by what the case is called."""
    cases: dict[str, dict[str, Any]] = {}
    for runtime, threads in product(options.runtimes, options.threads):
        settings = {"runtime": runtime, "threads": threads}
        case = runtime if len(options.threads) == 1 else f"{runtime}, {threads} threads"
        cases[case] = settings
        if options.resnet50:
            path = folder / "resnet50.safetensors"
            if not path.exists():
                network = build_network("resnet50", 1)
                save_segmentation(path, network, "resnet50", ["nothing"], [640, 480])
            cases[f"{case}, resnet50"] = settings | {"segmentation_model": str(path)}
    return cases


def _measure_case(
    name: str,
    settings: Mapping[str, Any],
    frames: Sequence[CameraFrame],
    options: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    """Start the nodes with these parameters; returns what ``measure`` says of each rate."""
    figures: dict[str, dict[str, Any]] = {}
    number = domain()
    run = LiveRun(frames, options.rates[0], number)
    with temporary_folder("parameters") as folder:
        parameters = {"--params-file": _write_parameters(folder, settings)}
        logs = options.out / ("logs_" + re.sub(r"\W+", "_", name))
        started_s = monotonic()
        with running_nodes(number, logs, parameters) as bringup:
            wait_for_results(run)
            start_s = monotonic() - started_s
            processes = node_processes(bringup)
            for rate in options.rates:
                measured = measure(run, processes, rate, options.seconds)
                figures[f"{name} at {rate:g} Hz"] = {"start_s": start_s, **measured}
    run.client.close()
    return figures


def measure(
    run: LiveRun, processes: Mapping[str, int], rate_hz: float, seconds: float
) -> dict[str, Any]:
    """Play for so long and describe what came for the frames of that time."""
    run.rate_hz = rate_hz
    run.spin(SETTLE_S)

    resident_before = _resident_mib(processes)
    cpu_s = {node: cpu_seconds(process) for node, process in processes.items()}
    begin, published = time(), run.published
    run.spin(seconds)
    end, published = time(), run.published - published
    used_s = {node: cpu_seconds(process) - cpu_s[node] for node, process in processes.items()}
    resident = _resident_mib(processes)
    run.spin(LAST_RESULTS_S)

    return {
        "published": published,
        "cpu_s_per_frame": {node: value / published for node, value in used_s.items()},
        "resident_mib": resident,
        "grown_mib": {node: value - resident_before[node] for node, value in resident.items()},
        "results": {
            name: _result(run, topic, begin, end, published) for name, topic in RESULTS.items()
        },
    }


def _resident_mib(processes: Mapping[str, int]) -> dict[str, float]:
    return {node: sample(process)["resident_mib"] for node, process in processes.items()}


def cpu_seconds(process: int) -> float:
    """CPU time that a process has used, of user and system."""
    fields = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _result(run: LiveRun, topic: str, begin: float, end: float, published: int) -> dict[str, Any]:
    """Rate, drops and latency of one result of the frames stamped from ``begin`` to ``end``.

    The medians of both halves of the time tell whether the latency grows.
    """
    clock = time() - monotonic()
    latencies_ms: list[float] = []
    for entry in run.heard[topic]:
        stamp = stamp_to_ns(entry.message.header.stamp) * 1e-9
        if begin <= stamp < end:
            latencies_ms.append(1e3 * (entry.time_s + clock - stamp))
    percentiles: Sequence[float] = []
    if latencies_ms:
        percentiles = np.percentile(latencies_ms, PERCENTILES).tolist()
    return {
        "rate_hz": len(latencies_ms) / (end - begin),
        "dropped": published - len(latencies_ms),
        "latency_ms": {f"p{p}": v for p, v in zip(PERCENTILES, percentiles, strict=False)},
        "halves_ms": [
            float(np.median(half)) for half in np.array_split(latencies_ms, 2) if half.size
        ],
    }


def _write_parameters(folder: Path, settings: Mapping[str, Any]) -> Path:
    """A file of these parameters of the nodes that have networks; models are of ``pose6d_node``."""
    path = folder / "parameters.yaml"
    shared = {name: settings[name] for name in ("runtime", "threads")}
    of_nodes = dict.fromkeys(_NODES_WITH_NETWORKS, shared) | {"pose6d_node": dict(settings)}
    entries = {f"/**/{node}": {"ros__parameters": dict(own)} for node, own in of_nodes.items()}
    path.write_text(yaml.safe_dump(entries))
    return path


def _print_table(figures: Mapping[str, dict[str, Any]]) -> None:
    print(f"{'':28}{'result':12}{'Hz':>7}{'dropped':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    for name, measured in figures.items():
        for result, values in measured["results"].items():
            latency = "".join(f"{value:>9.0f}" for value in values["latency_ms"].values())
            print(f"{name:28}{result:12}{values['rate_hz']:>7.1f}{values['dropped']:>9}{latency}")
        cpu_ms = 1e3 * sum(measured["cpu_s_per_frame"].values())
        resident, grown = (sum(measured[k].values()) for k in ("resident_mib", "grown_mib"))
        halves = " and ".join(f"{value:.0f}" for value in measured["results"]["poses"]["halves_ms"])
        print(
            f"{name:28}{cpu_ms:.0f} ms CPU time per published frame, {resident:.0f} MiB resident"
            f" ({grown:+.1f} meanwhile), {measured['start_s']:.1f} s from start to the first"
            f" results; p50 of poses in both halves: {halves} ms"
        )


def _chart(figures: Mapping[str, dict[str, Any]]) -> go.Figure:
    """Bars of the median latency of each result, with whiskers up to the 95th percentile."""
    figure = go.Figure(
        layout={
            "title": "From the stamp of an image to its result",
            "yaxis": {"title": "ms, median and 95th percentile"},
            "barmode": "group",
        }
    )
    for name, measured in figures.items():
        latency = {
            result: values["latency_ms"]
            for result, values in measured["results"].items()
            if values["latency_ms"]
        }
        median = [values["p50"] for values in latency.values()]
        above = [values["p95"] - values["p50"] for values in latency.values()]
        error = {"type": "data", "array": above, "arrayminus": [0] * len(above)}
        figure.add_bar(x=list(latency), y=median, error_y=error, name=name)
    return figure


if __name__ == "__main__":
    sys.exit(main())
