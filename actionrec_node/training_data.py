# SPDX-License-Identifier: Apache-2.0
"""What an action model is trained on and what it is scored on, read from the data folders."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from actionrec_node.data.annotations import (
    Annotations,
    DataError,
    class_names_of,
    read_folders,
)
from actionrec_node.data.labeled_videos import LabeledVideo, load_videos
from actionrec_node.data.person_boxes import read_boxes
from actionrec_node.data.splits import (
    check_disjoint,
    hold_out_fold,
    parse_fold,
    shared_subjects,
    split,
)
from actionrec_node.data.training_clips import MAX_SPEED_CHANGE
from actionrec_node.networks.action_model_spec import ActionModelSpec, new_spec, read_spec
from actionrec_node.networks.published_weights import are_of_classes
from actionrec_node.training_options import ActionTrainingOptions
from perception_kit.alarm_classes import check_alarm_classes, check_lying_classes
from perception_kit.short_text import listed
from perception_kit.videos.video import VideoFormat

CACHED_SIDE = 12 / 7  # longer side of the frames that are kept / side of the input, for sharp crops


@dataclass(frozen=True)
class TrainingData:
    """What a model of ``spec`` is trained on, and what it is scored on.

    ``shared_subjects`` are the names of people that both sides have.
    """

    spec: ActionModelSpec
    train: list[LabeledVideo]
    held_out: list[LabeledVideo]
    shared_subjects: list[str]


def _classes_of_falls(
    options: ActionTrainingOptions, class_names: Sequence[str]
) -> dict[str, tuple[str, ...] | None]:
    """The classes that raise and confirm the fall alarm; None: the default ones.

    Raises DataError.
    """
    same_classes = options.weights and are_of_classes(options.weights, class_names)
    before = read_spec(options.weights[0]) if options.weights and same_classes else None

    def choose(given: list[str] | None, earlier: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return earlier if given is None else tuple(given)

    alarms = choose(options.alarm_class, before.alarms if before else None)
    lying = choose(options.lying_class, before.confirmations if before else None)
    try:
        if alarms is not None:
            check_alarm_classes(class_names, alarms)
        if lying is not None:
            check_lying_classes(class_names, lying, alarms or ())
    except ValueError as error:
        raise DataError(f"--alarm-class, --lying-class: {error}") from error
    return {"alarm_classes": alarms, "lying_classes": lying}


def split_data(
    options: ActionTrainingOptions, annotations: Annotations
) -> tuple[Annotations, Annotations]:
    """What of --data is trained on, and what is held out. Raises DataError."""
    if options.fold is not None:
        return hold_out_fold(annotations, *parse_fold(options.fold), options.group_pattern)
    if options.val_fraction is not None:
        return split(annotations, options.val_fraction, options.seed, options.group_pattern)
    assert options.val is not None  # one of the three, see _check_together
    held_out = read_folders([options.val])
    check_disjoint(annotations, held_out)
    return annotations, held_out


def _spec(options: ActionTrainingOptions, class_names: Sequence[str]) -> ActionModelSpec:
    """The model's specification. Raises DataError for labels that no model file can name."""
    side = options.input_size
    falls = _classes_of_falls(options, class_names)
    try:
        return new_spec(
            options.architecture,
            class_names,
            clip_length=options.clip_length,
            clip_fps=options.clip_fps,
            input_size=(side, side) if side else None,
            surroundings=options.surroundings,
            **falls,
        )
    except ValueError as error:
        raise DataError(f"these labels cannot be classes of a model: {error}") from error


def _check_people_are_known(options: ActionTrainingOptions, known: Collection[Path]) -> None:
    """Raises DataError for options that need people's boxes where the ``known`` videos are none.

    They would change nothing, but the live node would dim what the model never saw dimmed.
    """
    needing = [
        name
        for name, value in (
            ("--surroundings", options.surroundings),
            ("--backgrounds", options.backgrounds),
        )
        if value is not None
    ]
    if needing and not known:
        raise DataError(
            f"{' and '.join(needing)} must know where people are, but no boxes.csv of"
            f" {listed(map(str, options.data), separator=', ')} names a video to train on:"
            f" perception find-people --data {options.data[0]} --model MODEL makes it"
        )


def load_data(options: ActionTrainingOptions) -> TrainingData:
    """Read the data folders. Raises DataError."""
    annotations, held_out = split_data(options, read_folders(options.data))
    if options.also_train:
        also = read_folders(options.also_train)
        check_disjoint(also, {**annotations, **held_out})
        annotations |= also
    folders = [*options.data, *options.also_train, *([options.val] if options.val else [])]

    spec = _spec(options, class_names_of(annotations))
    tracks = read_boxes(folders)
    _check_people_are_known(options, annotations.keys() & tracks.keys())
    load = partial(
        load_videos,
        class_names=spec.class_names,
        form=VideoFormat(
            spec.clip_fps, round(CACHED_SIDE * spec.size), options.folder_fps, options.pictures
        ),
        min_frames=spec.clip_length,
        skip_bad=options.skip_bad,
        tracks=tracks,
        folder=options.run_dir,
    )
    # Clips that are drawn end in a label; held-out videos are seen as a robot sees them.
    lead_frames = math.ceil(spec.clip_length * (1 + MAX_SPEED_CHANGE))
    return TrainingData(
        spec,
        load(annotations, lead_frames=lead_frames),
        load(held_out),
        shared_subjects(annotations, held_out),
    )
