# SPDX-License-Identifier: Apache-2.0
"""Action networks in PyTorch and in OpenVINO, one clip at a time: ``python -m bench.actions``.

Weights and clips are random; that 8-bit integers are faster does not say what they cost in
accuracy, which ``actionrec_node.evaluate
--runtime openvino_int8`` measures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from actionrec_node.networks.action_model import (
    ActionModel,
    new_spec,
    prepare_clip,
    save_action_model,
)
from actionrec_node.networks.openvino import load_runtime_model, write_int8
from bench.timing import milliseconds, network_parser, print_times, write_figures

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
    """What runs a new model of ``architecture`` on one clip from pixels to probabilities, by
    runtime; flow is there already.
    """
    spec = new_spec(architecture, ("falling", "running", "walking"), clip_length=clip_length)
    prepared = [prepare_clip(random_clip(spec.clip_length, spec.size), spec)]
    calls: Calls = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_action_model(path, ActionModel(spec))
        if "openvino_int8" in runtimes:
            clips = np.random.default_rng(1).integers(
                0, 256, (CALIBRATION_CLIPS, spec.clip_length, spec.size, spec.size, 3), np.uint8
            )
            write_int8(load_runtime_model(path), path, list(clips))
        for runtime in runtimes:
            model = load_runtime_model(path, runtime=runtime)
            calls[runtime] = lambda model=model: model.classify(prepared)
    return calls


def multiplications(architecture: str) -> float:
    """Billions of multiply-adds for one clip."""
    model = ActionModel(new_spec(architecture, ("falling", "running", "walking"))).eval()
    with FlopCounterMode(display=False) as counter:
        model.probabilities([random_clip(model.spec.clip_length, model.spec.size)])
    return counter.get_total_flops() / 2e9


def main(arguments: Sequence[str] | None = None) -> None:
    """Time everything in turns, print tables and write JSON."""
    parser = network_parser("actions", __doc__.splitlines()[0], repetitions=5)
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
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    runtimes = ["pytorch", "openvino"] + ([] if options.no_int8 else ["openvino_int8"])
    large, compact = (
        model_calls("resnext3d_101", runtimes),
        model_calls("resnext3d_compact", runtimes),
    )
    calls = {f"resnext3d_101 {name}": call for name, call in large.items()}
    calls |= {f"resnext3d_compact {name}": call for name, call in compact.items()}
    for length in options.i3d_frames:
        calls |= {
            f"i3d {length} frames {name}": call
            for name, call in model_calls("i3d", runtimes[:2], length).items()
        }
        clip, spec = random_clip(length, 224), new_spec("i3d", ("falling", "walking"))
        calls[f"i3d {length} frames, flow alone"] = lambda clip=clip, spec=spec: prepare_clip(
            clip, spec
        )
    matrix = torch.rand(MATRIX, MATRIX)
    calls["matrix product"] = lambda: matrix @ matrix
    times = milliseconds(calls, options.repetitions)
    difference = float(np.abs(large["openvino"]() - large["pytorch"]()).max())
    figures = {"median_ms": times, "openvino_probability_difference": difference, **derived(times)}
    report(figures)
    write_figures(options.json, figures)


def report(figures: dict[str, Any]) -> None:
    """Print a table for each network, and what follows from them."""
    times = figures["median_ms"]
    for network in dict.fromkeys(
        name.rsplit(" ", 1)[0] for name in times if name.endswith("pytorch")
    ):
        print_times(
            {name: value for name, value in times.items() if name.startswith(network)}, "clip"
        )
    print(
        "OpenVINO's probabilities differ by at most"
        f" {figures['openvino_probability_difference']:.1e}"
    )
    for name, fraction in figures["share_of_matrix_product"].items():
        print(f"{name}: {100 * fraction:.0f} % of the rate of a {MATRIX} x {MATRIX} matrix product")
    for name, ratio in figures["time_over_resnext3d_101"].items():
        print(f"{name}: {ratio:.1f} times the time of resnext3d_101")
    fraction = 100 * figures["compact_share_of_stride"]
    print(
        f"resnext3d_compact pytorch: {fraction:.0f} % of the time between two clips at {CAMERA_FPS:g}"
        f" fps and stride {STRIDE}"
    )


def derived(times: dict[str, float]) -> dict[str, Any]:
    """Share of the matrix product's rate that 3D-ResNeXt-101 reaches, time of I3D (network and
    flow) over its time by the same runtime, and share of the time between clips that the compact
    network needs.
    """
    rate = MATRIX**3 / 1e9 / times["matrix product"]
    work = multiplications("resnext3d_101")
    names = [name for name in times if name.startswith("resnext3d_101")]
    flows = {
        name: times[f"{name.rsplit(' ', 1)[0]}, flow alone"]
        for name in times
        if name.startswith("i3d") and "flow" not in name
    }
    return {
        "share_of_matrix_product": {name: work / times[name] / rate for name in names},
        "time_over_resnext3d_101": {
            name: (times[name] + flow) / times[f"resnext3d_101 {name.rsplit(' ', 1)[1]}"]
            for name, flow in flows.items()
        },
        "compact_share_of_stride": times["resnext3d_compact pytorch"] / (1e3 * STRIDE / CAMERA_FPS),
    }


if __name__ == "__main__":
    main()
