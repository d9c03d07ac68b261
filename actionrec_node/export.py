# SPDX-License-Identifier: Apache-2.0
"""Writes the network of an action model as an ONNX file, checked against PyTorch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from actionrec_node.networks.action_model import load_action_model
from actionrec_node.networks.openvino import Positional, network_inputs
from perception_kit.networks.export_command import parse_export_arguments, run_export
from perception_kit.networks.onnx_export import Part
from perception_kit.processes import run_command


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    return parse_export_arguments("actionrec_node.export", __doc__, arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return run_export(parse_arguments(arguments), {"action": action_parts})


def action_parts(path: Path) -> tuple[list[Part], dict[str, Any]]:
    """The network of an action model, and its specification. Raises ModelFileError."""
    model = load_action_model(path)
    shape = (model.spec.clip_length, model.spec.size, model.spec.size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    examples = network_inputs(model, noise)
    part = Part(
        "network",
        Positional(model.network, model.inputs),
        tuple(value.contiguous() for value in examples.values()),
        tuple(model.inputs),
        ("logits",),
        {name: {0: "clips"} for name in model.inputs},
    )
    return [part], {"kind": "action", **asdict(model.spec)}


if __name__ == "__main__":
    sys.exit(run_command(main))
