# SPDX-License-Identifier: Apache-2.0
"""Speed of the action networks in PyTorch and in OpenVINO: ``python -m bench.actions``.

One clip at a time; weights and clips are random. That 8-bit integers are faster does not say what
they cost in accuracy, which ``actionrec_node.evaluate --runtime openvino_int8`` measures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from actionrec_node.networks.action_model import ActionModel, prepare_clip, save_action_model
from actionrec_node.networks.action_model_spec import new_spec
from actionrec_node.networks.openvino import load_runtime_model, write_int8
from bench.timing import milliseconds, network_parser, print_times, write_figures

CLASS_NAMES = ("falling", "running", "walking")
MATRIX = 2048
CALIBRATION_CLIPS = 4
CAMERA_FPS, STRIDE = 30.0, 8
Calls = dict[str, Callable[[], Any]]


def random_clip(length: int, size: int) -> np.ndarray:
    """(T, S, S, 3) uint8 of noise that moves, so that optical flow has work to do."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return np.stack([np.roll(noise, step, axis=1) for step in range(length)])


def model_calls(
    architecture: str, runtimes: Sequence[str], clip_length: int | None = None
) -> Calls:
    """Calls that run a new model on one clip, by runtime.

    They go from pixels to probabilities, but optical flow is computed beforehand.
    """
    spec = new_spec(architecture, CLASS_NAMES, clip_length=clip_length)
    prepared = [prepare_clip(random_clip(spec.clip_length, spec.size), spec)]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_action_model(path, ActionModel(spec))
        if "openvino_int8" in runtimes:
            shape = (CALIBRATION_CLIPS, spec.clip_length, spec.size, spec.size, 3)
            clips = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
            write_int8(load_runtime_model(path, runtime="pytorch").model, path, list(clips))

        models = {runtime: load_runtime_model(path, runtime=runtime).model for runtime in runtimes}
    return {runtime: partial(model.classify, prepared) for runtime, model in models.items()}


def multiplications(architecture: str) -> float:
    """Billions of multiply-adds for one clip."""
    model = ActionModel(new_spec(architecture, CLASS_NAMES)).eval()
    with FlopCounterMode(display=False) as counter:
        model.probabilities([random_clip(model.spec.clip_length, model.spec.size)])
    return counter.get_total_flops() / 2e9


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    description = "Time the action networks in PyTorch and in OpenVINO."
    parser = network_parser("actions", description, repetitions=5)
    parser.add_argument(
        "--no-int8",
        action="store_true",
        help="leave the 8-bit network out, which takes a minute to make",
    )

    parser.add_argument(
        "--i3d-frames",
        type=int,
        nargs="*",
        default=[16, 64],
        help="lengths of I3D's clips (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time everything in turns, print tables and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    runtimes = ["pytorch", "openvino"] + ([] if options.no_int8 else ["openvino_int8"])

    # Networks.
    large = model_calls("resnext3d_101", runtimes)
    compact = model_calls("resnext3d_compact", runtimes)
    calls = {f"resnext3d_101 {runtime}": call for runtime, call in large.items()}
    calls |= {f"resnext3d_compact {runtime}": call for runtime, call in compact.items()}
    for length in options.i3d_frames:
        name = f"i3d {length} frames"
        i3d = model_calls("i3d", runtimes[:2], length)
        calls |= {f"{name} {runtime}": call for runtime, call in i3d.items()}

        clip, spec = random_clip(length, 224), new_spec("i3d", ("falling", "walking"))
        calls[f"{name}, flow alone"] = partial(prepare_clip, clip, spec)

    # What the machine can do at best.
    matrix = torch.rand(MATRIX, MATRIX)
    calls["matrix product"] = partial(torch.matmul, matrix, matrix)

    times = milliseconds(calls, options.repetitions)
    difference = float(np.abs(large["openvino"]() - large["pytorch"]()).max())
    figures = {"median_ms": times, "openvino_probability_difference": difference, **derived(times)}
    report(figures)
    write_figures(options.json, figures)
    return 0


def report(figures: dict[str, Any]) -> None:
    """Print a table for each network, and the ratios between the figures."""
    times = figures["median_ms"]
    networks = [name.rsplit(" ", 1)[0] for name in times if name.endswith("pytorch")]
    for network in dict.fromkeys(networks):
        own_times = {name: value for name, value in times.items() if name.startswith(network)}
        print_times(own_times, "clip")

    difference = figures["openvino_probability_difference"]
    print(f"OpenVINO's probabilities differ by at most {difference:.1e}")
    for name, fraction in figures["share_of_matrix_product"].items():
        print(f"{name}: {100 * fraction:.0f} % of the rate of a {MATRIX} x {MATRIX} matrix product")
    for name, ratio in figures["time_over_resnext3d_101"].items():
        print(f"{name}: {ratio:.1f} times the time of resnext3d_101")

    percentage = 100 * figures["compact_share_of_stride"]
    print(
        f"resnext3d_compact pytorch: {percentage:.0f} % of the time between two clips"
        f" at {CAMERA_FPS:g} fps and stride {STRIDE}"
    )


def derived(times: dict[str, float]) -> dict[str, Any]:
    """Ratios between the times.

    They are the fraction of the matrix product's rate that 3D-ResNeXt-101 reaches, the time of I3D
    (network and flow) over that of 3D-ResNeXt-101 by the same runtime, and the fraction of the time
    between two clips that the compact network needs.
    """
    # Billions of multiply-adds per millisecond.
    best_rate = MATRIX**3 / 1e9 / times["matrix product"]
    work = multiplications("resnext3d_101")
    large = [name for name in times if name.startswith("resnext3d_101")]
    rates = {name: work / times[name] for name in large}

    i3d_ratios = {}
    for name in times:
        if name.startswith("i3d") and "flow" not in name:
            network, runtime = name.rsplit(" ", 1)
            total = times[name] + times[f"{network}, flow alone"]
            i3d_ratios[name] = total / times[f"resnext3d_101 {runtime}"]

    stride_ms = 1e3 * STRIDE / CAMERA_FPS
    return {
        "share_of_matrix_product": {name: rate / best_rate for name, rate in rates.items()},
        "time_over_resnext3d_101": i3d_ratios,
        "compact_share_of_stride": times["resnext3d_compact pytorch"] / stride_ms,
    }


if __name__ == "__main__":
    sys.exit(main())
