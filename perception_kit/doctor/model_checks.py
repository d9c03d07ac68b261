# SPDX-License-Identifier: Apache-2.0
"""Checks whether the model files exist, are of the right kind and know the same classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from perception_kit.alarm_classes import alarm_warning, default_alarm_classes
from perception_kit.doctor.observation import Finding, Observation
from perception_kit.doctor.timing_checks import LOWEST_RATE_HZ
from perception_kit.networks.model_metadata import ModelFileError, read_metadata

_SLOWEST_CLIP = 0.5  # of the frame rate that the action model was trained at


def check_models(seen: Observation) -> Iterator[Finding]:
    """``model-file``, ``model-kind``, ``class-list``, and ``rate-low`` for the action model."""
    metadata: dict[str, Mapping[str, Any]] = {}
    for kind, path in seen.models.items():
        try:
            content = read_metadata(path)
        except ModelFileError as error:
            advice = (
                f"set the {kind} model to a .safetensors file that this package's training wrote"
            )
            yield Finding("model-file", str(error), advice)
            continue

        if content.get("kind") != kind:
            what = f"'{path}' holds a '{content.get('kind')}' model, expected a '{kind}' model"
            advice = f"give the {kind} model here; the parameters of two models are mixed up"
            yield Finding("model-kind", what, advice)
            continue
        metadata[kind] = content

    yield from _check_classes(metadata, seen.ground_truth_classes)
    if "clip_fps" in metadata.get("action", {}):
        yield from _check_clip_rate(seen, metadata["action"]["clip_fps"])


def _check_clip_rate(seen: Observation, clip_fps: float) -> Iterator[Finding]:
    color = seen.topics.get("color")
    if color is None or color.period_s is None:
        return

    rate_hz = 1 / color.period_s
    if LOWEST_RATE_HZ <= rate_hz < _SLOWEST_CLIP * clip_fps:  # below, check_rate finds it
        what = (
            f"colour has {rate_hz:.1f} images a second, the action model was trained at"
            f" {clip_fps:g}"
        )
        advice = "raise the frame rate: movements look faster to the model than they are"
        yield Finding("rate-low", what, advice)


def _check_classes(
    metadata: Mapping[str, Mapping[str, Any]], ground_truth: frozenset[str]
) -> Iterator[Finding]:
    names = {kind: set(content.get("class_names", ())) for kind, content in metadata.items()}
    detected = names.get("segmentation")

    # Poses are estimated of detected objects only.
    if detected is not None and (never_posed := names.get("pose", set()) - detected):
        what = (
            f"the segmentation model never finds {_listed(never_posed)} of the pose model; it knows"
            f" {_listed(detected)}"
        )
        advice = "use segmentation and pose models that were trained on the same objects"
        yield Finding("class-list", what, advice)

    if detected is not None and ground_truth and (unknown := ground_truth - detected):
        what = (
            f"the ground truth of the bag has {_listed(unknown)}, which the segmentation model does"
            f" not know (it knows {_listed(detected)})"
        )
        advice = (
            "give models that were trained on these objects: what they do not know counts as missed"
        )
        yield Finding("class-list", what, advice)

    if "action" in metadata:
        actions = list(metadata["action"].get("class_names", ()))
        alarms = metadata["action"].get("alarm_classes", default_alarm_classes(actions))
        if warning := alarm_warning(actions, alarms):
            what, _, advice = warning.partition("; ")
            yield Finding("class-list", f"the action model: {what}", advice)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
