# SPDX-License-Identifier: Apache-2.0
"""Train an action model: ``python -m actionrec_node.train --data DIR --val DIR --out FILE --run-dir
DIR``, or ``--config FILE``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from actionrec_node.data.annotations import (
    DataError,
    check_disjoint,
    class_names_of,
    read_folders,
    split,
)
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import LabeledVideo, load_videos
from actionrec_node.data.person_boxes import read_boxes
from actionrec_node.data.training_clips import ClipSettings, TrainingClips
from actionrec_node.data.video import VideoFormat
from actionrec_node.evaluation.clips import evaluate, format_scores
from actionrec_node.networks.action_model import (
    ActionModel,
    ActionModelSpec,
    new_spec,
    save_action_model,
)
from actionrec_node.networks.architectures import ARCHITECTURES
from actionrec_node.networks.checkpoints import are_of_classes, load_pretrained
from actionrec_node.options import parse_with_yaml, save_options
from actionrec_node.trainer import LEARNING_RATES, Trainer
from perception_kit.arguments import bounded_float, bounded_int, positive_float
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.training import run as training

CACHED_SIDE = 12 / 7  # longer side of the frames that are kept / side of the input, for sharp crops


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options of the training command, from the command line and the YAML file that it may
    name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m actionrec_node.train",
        description="Train an action model on labelled videos.",
    )
    _add_data_arguments(parser)
    parser.add_argument("--architecture", choices=list(ARCHITECTURES), default="resnext3d_compact")
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        help="fine-tune: a model file or a published checkpoint; I3D: one per stream",
    )
    parser.add_argument(
        "--freeze-through",
        metavar="STAGE",
        help="with --weights, do not train the network up to and with this stage",
    )
    parser.add_argument(
        "--augmentation",
        choices=["none", "one", "some", "all"],
        default="some",
        help="filters applied to a clip",
    )
    parser.add_argument(
        "--balance",
        choices=["sampling", "weights", "none"],
        default="sampling",
        help=(
            "draw all classes equally often, or weighted cross entropy by inverse class frequency,"
            " or neither"
        ),
    )
    parser.add_argument(
        "--label-smoothing",
        type=bounded_float(0.0, below=1.0),
        default=0.05,
        help="of the cross entropy (default %(default)s)",
    )
    parser.add_argument(
        "--optimizer",
        choices=list(LEARNING_RATES),
        default="adamw",
        help="adamw: warm-up and cosine; sgd: --lr-steps",
    )
    parser.add_argument(
        "--learning-rate", type=positive_float, help=f"at the peak (default: {LEARNING_RATES})"
    )
    parser.add_argument(
        "--lr-steps",
        type=bounded_int(1),
        nargs="*",
        default=[],
        metavar="EPOCH",
        help="sgd: epochs after which the rate is a tenth",
    )
    parser.add_argument(
        "--epochs",
        type=bounded_int(1),
        help="instead of --steps and --max-minutes: epochs of one clip per labelled stretch",
    )
    parser.add_argument(
        "--evaluate-every",
        type=bounded_int(0),
        default=0,
        metavar="STEPS",
        help="held-out scores for TensorBoard; 0: at the end",
    )
    parser.add_argument(
        "--workers",
        type=bounded_int(0),
        default=1,
        help="processes that prepare clips (default %(default)s)",
    )
    parser.add_argument(
        "--devices",
        type=bounded_int(1),
        default=1,
        help="GPUs, or processes on a CPU, each with its own batch (default %(default)s)",
    )
    training.add_training_arguments(parser, max_minutes=25, batch_size=16)
    args = parse_with_yaml(parser, arguments)
    _check_together(parser, args)
    return args


def _check_together(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program with a message for options of which one needs, or rules out, another."""
    if args.freeze_through and not args.weights:
        parser.error(
            "--freeze-through needs --weights: stages that were never trained would be frozen"
        )
    if (args.val is None) == (args.val_share is None):
        parser.error(
            "give either --val or --val-share: the model is scored on videos that it was not"
            " trained on"
        )
    if args.precision == "bf16-mixed" and not training.uses_gpu(args):
        parser.error(
            "--precision bf16-mixed needs a GPU here: on CPUs, bfloat16 gradients of grouped 3D"
            " convolutions are at times infinite"
        )
    if args.group_pattern is not None and args.val_share is None:
        parser.error("--group-pattern needs --val-share: it says what of --data stays on one side")
    if args.lr_steps and args.optimizer != "sgd":
        parser.error("--lr-steps needs --optimizer sgd: the rate of adamw falls by itself")


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="training data folder; may be given several times",
    )
    parser.add_argument("--val", type=Path, help="held-out data folder, never trained on")
    parser.add_argument(
        "--val-share",
        type=positive_float,
        help="hold out this share of --data instead, whole videos or subjects",
    )
    parser.add_argument(
        "--group-pattern",
        help="with --val-share: regular expression for the part of a path that names the subject",
    )
    parser.add_argument("--clip-length", type=bounded_int(2), help="frames of a clip (default: 16)")
    parser.add_argument(
        "--clip-fps",
        type=positive_float,
        help="frames per second of a clip (default: the architecture's)",
    )
    parser.add_argument(
        "--input-size",
        type=bounded_int(1),
        help="side of a clip's frames in pixels (default: the architecture's)",
    )
    parser.add_argument(
        "--folder-fps",
        type=positive_float,
        default=30.0,
        help="rate of the pictures in folders of frames (default %(default)s)",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave videos out that cannot be used, instead of stopping",
    )


def load_data(
    args: argparse.Namespace,
) -> tuple[ActionModelSpec, list[LabeledVideo], list[LabeledVideo]]:
    """Model specification, training videos and held-out videos. Raises DataError."""
    annotations = read_folders(args.data)
    if args.val_share is not None:
        annotations, held_out = split(annotations, args.val_share, args.seed, args.group_pattern)
    else:
        held_out = read_folders([args.val])
        check_disjoint(annotations, held_out)
    size = (args.input_size, args.input_size) if args.input_size else None
    spec = new_spec(
        args.architecture,
        class_names_of(annotations),
        clip_length=args.clip_length,
        clip_fps=args.clip_fps,
        input_size=size,
    )
    form = VideoFormat(spec.clip_fps, round(CACHED_SIDE * spec.size), args.folder_fps)
    tracks = read_boxes([*args.data, args.val] if args.val else args.data)
    load = partial(
        load_videos,
        class_names=spec.class_names,
        form=form,
        min_frames=spec.clip_length,
        skip_bad=args.skip_bad,
    )
    return spec, *(
        load(part, tracks=tracks, folder=args.run_dir) for part in (annotations, held_out)
    )


def held_out_scores(model: ActionModel, videos: list[LabeledVideo]) -> dict[str, Any]:
    """Scores with clips of the whole image; ``per_person`` those with clips of the people, where
    boxes of any are known.
    """
    scores = evaluate(model, videos)
    if any(video.boxes is not None for video in videos):
        scores["per_person"] = evaluate(model, videos, context=CONTEXT)
    return scores


def main(arguments: list[str] | None = None) -> None:
    """The command; ends the program with a message for data and files that cannot be used."""
    args = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    with training.exit_on(DataError, ModelFileError, OSError):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Train, score on the held-out videos, write the model and its record.

    Raises DataError, ModelFileError, TrainingError, and OSError where a folder cannot be written
    to.
    """
    for folder in (args.out.parent, args.run_dir):  # not only after hours
        folder.mkdir(parents=True, exist_ok=True)
    fabric = training.create_fabric(args, args.devices)
    fabric.launch()
    spec, train_videos, val_videos = load_data(args)
    clips = TrainingClips(
        train_videos, spec, ClipSettings(args.augmentation, args.balance, args.seed)
    )
    data: dict[str, Any] = {
        "train_videos": len(train_videos),
        "held_out_videos": len(val_videos),
        "videos_with_boxes": sum(video.boxes is not None for video in (*train_videos, *val_videos)),
        "train_windows": dict(zip(spec.class_names, clips.counts.tolist(), strict=True)),
    }
    model = ActionModel(spec)
    if args.weights:
        load_pretrained(
            model.network,
            args.weights,
            keep_classifier=are_of_classes(args.weights, spec.class_names),
        )
    trainer = Trainer(
        args, fabric, model, clips, lambda average: held_out_scores(average, val_videos)
    )
    if args.resume:
        trainer.resume()
    if fabric.is_global_zero:
        print(f"training on {data}, {trainer.steps_per_epoch} steps an epoch")
        save_options(args.run_dir / "config.yaml", args)
    trainer.run()
    if fabric.is_global_zero:
        save_action_model(args.out, trainer.average.module)
        scores = trainer.score(trainer.average.module)
        print(format_scores(scores))
        if "per_person" in scores:
            print(f"the same with clips of the people\n{format_scores(scores['per_person'])}")
        record = training.write_record(args.out, args, trainer.clock, data, scores)
        print(f"model {args.out}, record {record}")


if __name__ == "__main__":
    main()
