# SPDX-License-Identifier: Apache-2.0
"""The network of an action model that is written as an ONNX file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from actionrec_node.networks.action_model import load_action_model
from actionrec_node.networks.openvino import Positional, network_inputs
from perception_kit.networks.onnx_export import Part


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
