# SPDX-License-Identifier: Apache-2.0
"""Memory and CPU time of the nodes' start, step by step: ``python -m bench.node_start``.

Each node's steps run in a new process, without DDS: its module, PyTorch where the node needs it,
its models (the demo's), and the first results. The first run of a model keeps its graph; see the
second.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from typing import Any

from perception_kit.json_output import write_json
from perception_kit.resources import RUNTIMES, package_folder

MODELS = package_folder() / "models" / "demo"
IMAGE_SHAPE = (480, 640, 3)
FRAMES = 3  # of noise
CLIP_FRAMES = 40  # enough for the first clip
_MIB = 1024.0  # in the KiB of /proc

Step = tuple[str, Callable[[], object]]


def pose6d_steps(runtime: str) -> Iterator[Step]:
    """Of ``pose6d_node``."""
    yield "module of the node", lambda: importlib.import_module("pose6d_node.node")

    from perception_kit.networks.torchvision_import import import_torchvision

    yield "PyTorch", import_torchvision

    from perception_kit.types import Intrinsics
    from pose6d_node.densefusion.predictor import PoseEstimator
    from pose6d_node.segmentation.predictor import Segmenter

    models: list[Any] = []

    def load() -> None:
        segmentation, pose = MODELS / "segmentation.safetensors", MODELS / "pose.safetensors"
        models.append(Segmenter(segmentation, "cpu", 0.0, 6, runtime))
        models.append(PoseEstimator(pose, "cpu", min_confidence=0.0, runtime=runtime))

    yield "models", load

    def see() -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        height, width, _ = IMAGE_SHAPE
        camera = Intrinsics(525.0, 525.0, (width - 1) / 2, (height - 1) / 2, width, height)
        segmenter, estimator = models
        for _ in range(FRAMES):
            rgb = rng.integers(0, 256, IMAGE_SHAPE, np.uint8)
            depth = rng.uniform(0.5, 1.0, (height, width)).astype(np.float32)
            estimator(rgb, depth, camera, segmenter(rgb, depth, camera))

    yield "first results", see


def tracker_steps(runtime: str) -> Iterator[Step]:
    """Of ``tracker_node``, which has no network."""
    yield "module of the node", lambda: importlib.import_module("tracker_node.node")


def actionrec_steps(runtime: str) -> Iterator[Step]:
    """Of ``actionrec_node``."""
    yield "module of the node", lambda: importlib.import_module("actionrec_node.node")

    from actionrec_node.recognition.recognizer import ActionRecognizer

    models: list[Any] = []
    model = MODELS / "action.safetensors"
    yield "models", lambda: models.append(ActionRecognizer(model, "cpu", runtime=runtime))

    def see() -> None:
        import numpy as np

        rng = np.random.default_rng(0)
        for number in range(1, CLIP_FRAMES + 1):
            rgb = rng.integers(0, 256, IMAGE_SHAPE, np.uint8)
            models[0].push(rgb, round(number / 15 * 1e9))

    yield "first results", see


NODES = {
    "pose6d_node": pose6d_steps,
    "tracker_node": tracker_steps,
    "actionrec_node": actionrec_steps,
}


def measure(node: str, runtime: str, results: Connection) -> None:
    """Run the steps of a node in this process, and send what it holds after each."""
    results.send({"step": "Python", **usage()})
    for name, run in NODES[node](runtime):
        run()
        results.send({"step": name, **usage()})
    results.close()


def usage() -> dict[str, float]:
    """Resident memory of this process, MiB, its CPU time, s, and the modules that it has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kib = {name: float(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return {
        "resident_mib": kib["Rss"] / _MIB,
        "anonymous_mib": kib["Anonymous"] / _MIB,
        "cpu_s": process_time(),
        "modules": len(sys.modules),
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.node_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nodes", nargs="+", choices=NODES, default=list(NODES))
    parser.add_argument("--runtime", choices=RUNTIMES, default="auto", help="of the networks")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the nodes one after the other, print a table and write JSON."""
    options = parse_arguments(arguments)
    context = multiprocessing.get_context("spawn")
    figures: dict[str, list[dict[str, Any]]] = {}
    print(f"{'':36}{'resident':>10}{'of it anonymous':>17}{'CPU s':>8}{'modules':>9}")
    for node in options.nodes:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=measure, args=(node, options.runtime, sender))
        process.start()
        sender.close()
        figures[node] = []
        while True:
            try:
                row = receiver.recv()
            except EOFError:
                break
            figures[node].append(row)
            print(
                f"{node:16}{row['step']:20}{row['resident_mib']:>6.0f} MiB"
                f"{row['anonymous_mib']:>13.0f} MiB{row['cpu_s']:>8.1f}{row['modules']:>9.0f}",
                flush=True,
            )
        process.join()
        if process.exitcode:
            return 1
    if options.json:
        write_json(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
