# SPDX-License-Identifier: Apache-2.0
"""Options by which ``classify`` and ``evaluate`` are given a model."""

from __future__ import annotations

import argparse

from actionrec_node.networks.architectures import ARCHITECTURES
from perception_kit.arguments import bounded_int, device, model_path
from perception_kit.resources import AUTO_RUNTIME, INT8_RUNTIME, RUNTIMES

_MODEL = "package://assistant_perception/models/people/action_permissive.safetensors"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--architecture``, ``--stride``, ``--device`` and ``--runtime``."""
    parser.add_argument(
        "--model",
        type=model_path,
        default=_MODEL,
        help="model file (default: that of real people, as the node's)",
    )
    parser.add_argument(
        "--architecture",
        choices=list(ARCHITECTURES),
        help="refuse a model file that holds another network",
    )
    parser.add_argument(
        "--stride",
        type=bounded_int(1),
        default=4,
        help="frames at the clip rate between windows (default %(default)s)",
    )

    # What runs it.
    parser.add_argument(
        "--device",
        type=device,
        help="cpu, cuda, cuda:N or auto (default auto; with OpenVINO, cpu)",
    )
    parser.add_argument(
        "--runtime",
        choices=(*RUNTIMES, INT8_RUNTIME),
        default=AUTO_RUNTIME,
        help="what runs the network (default %(default)s: the fastest that gives the same)",
    )
