# SPDX-License-Identifier: Apache-2.0
"""Loads and times the model that ``classify`` and ``evaluate`` are asked to use."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from actionrec_node.networks.action_model import ActionModel, prepare_clip
from actionrec_node.networks.openvino import load_runtime_model
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import choose_runtime

_TIMED_CLIPS = 5


def load_chosen_model(args: argparse.Namespace) -> ActionModel:
    """The model of the arguments, in which ``device`` is chosen where it was not given.

    Raises ModelFileError for an unusable file or one of another architecture,
    RuntimeUnavailableError.
    """
    if not args.model.is_dir() and args.model.suffix != ".safetensors":
        raise ModelFileError(
            f"'{args.model}' is no model file (.safetensors):"
            f" convert a checkpoint with 'python -m actionrec_node.convert {args.model} …'"
        )

    if args.device is None:
        args.device = choose_runtime(args.runtime, "auto").device

    model = load_runtime_model(args.model, args.device, args.runtime).model
    if args.architecture not in (None, model.spec.architecture):
        raise ModelFileError(
            f"'{args.model}' holds the network '{model.spec.architecture}',"
            f" not '{args.architecture}'"
        )
    return model


@dataclass(frozen=True)
class ClipTime:
    """Seconds that one clip takes: ``network`` alone, and ``with_preprocessing``.

    Preprocessing makes the optical flow where it is needed.
    """

    network: float
    with_preprocessing: float

    def __str__(self) -> str:
        return f"{self.network:.3f} s per clip, {self.with_preprocessing:.3f} s with preprocessing"


def time_per_clip(model: ActionModel) -> ClipTime:
    """Median over a few clips of noise, one after the other, in the threads that PyTorch has."""
    shape = (model.spec.clip_length, model.spec.size, model.spec.size, 3)
    clip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    model.probabilities([clip])  # the first one also pays for what is set up once

    network, whole = [], []
    for _ in range(_TIMED_CLIPS):
        start = perf_counter()
        prepared = prepare_clip(clip, model.spec)
        ready = perf_counter()
        model.classify([prepared])
        end = perf_counter()

        network.append(end - ready)
        whole.append(end - start)
    return ClipTime(float(np.median(network)), float(np.median(whole)))
