# SPDX-License-Identifier: Apache-2.0
"""Trains the instance segmentation on a dataset: ``python -m pose6d_node.train_segmentation``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection import MaskRCNN, MaskRCNN_ResNet50_FPN_Weights

from perception_kit.arguments import bounded_int, positive_float, program_name
from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.joined import (
    CLASSES_HELP,
    DATA_HELP,
    SPLIT_HELP,
    open_datasets,
    with_background,
)
from perception_kit.datasets.mesh_units import MESH_UNIT_HELP, MESH_UNITS, MeshUnit
from perception_kit.datasets.scale_check import scale_note
from perception_kit.networks.model_file import check_architecture, read_model, read_state_dict
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command
from perception_kit.resources import resolve_path
from perception_kit.training.held_out import VAL_HELP, VAL_SPLIT_HELP, open_held_out
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop
from perception_kit.training.options import TrainingOptions, add_options, option
from perception_kit.training.run import create_fabric, exit_on, load_matching, write_record
from pose6d_node.published_weights import imagenet_weights
from pose6d_node.segmentation.dataset import (
    AnnotatedFrames,
    TrainingSamples,
    detection_target,
    load_frames,
    network_image,
)
from pose6d_node.segmentation.descriptor_fitting import fit_descriptor
from pose6d_node.segmentation.evaluation import evaluate_segmentation
from pose6d_node.segmentation.input_size import unused_input
from pose6d_node.segmentation.network import (
    ARCHITECTURES,
    FIRST_LAYER,
    LAYERS,
    build_network,
    freeze_first_layers,
    with_depth,
    without_depth,
)
from pose6d_node.segmentation.segmentation_model import save_segmentation

Augmentation = Literal["objects", "categories"]
MIN_INPUT_SIDE = 64  # pixels, of the coarsest level's single cell
PUBLISHED_WEIGHTS = {"imagenet": "efficientnet_lite0", "coco": "resnet50"}  # of architectures


@dataclass(kw_only=True)
class SegmentationTrainingOptions(TrainingOptions):
    """Options of the command."""

    default_minutes: ClassVar[float] = 40

    data: list[Path] = option(help=DATA_HELP, type=Path, action="append")
    split: list[str] = option([], SPLIT_HELP, nargs="+")
    classes: list[str] = option([], CLASSES_HELP, nargs="+")
    background: list[Path] = option(
        [],
        "a dataset without the classes, whose frames show what they are not (may be repeated)",
        Path,
        action="append",
    )
    mesh_unit: MeshUnit = option("auto", MESH_UNIT_HELP, choices=MESH_UNITS)
    val: Path | None = option(None, VAL_HELP, Path)
    val_split: str = option("val", VAL_SPLIT_HELP)
    architecture: str = option("efficientnet_lite0", "of the network", choices=ARCHITECTURES)
    depth: bool = option(
        False,
        "depth as a fourth input channel: tells small things from large ones of similar looks",
    )
    weights: str = option(
        "",
        "start from a .safetensors or .pth file, 'imagenet' (default of efficientnet_lite0), 'coco'"
        " (resnet50: torchvision's download) or 'none'",
    )
    freeze_through: str = option(
        FIRST_LAYER,
        "given weights stay up to and with this layer of the backbone; the more, the fewer your"
        " images are",
        choices=LAYERS,
    )
    input_size: list[int] = option(
        [320, 240],
        "pixels that images are fitted into",
        bounded_int(1),
        nargs=2,
        metavar=("W", "H"),
    )

    augmentation: Augmentation = option(
        "objects",
        "objects: classes are single things, never mirrored; categories (people, chairs): mirrored,"
        " and instances of other images pasted in; without --depth only",
        choices=get_args(Augmentation),
    )

    learning_rate: float = option(1e-3, "of AdamW, at the peak", positive_float)
    workers: int | None = option(
        None, "processes that augment images (default: 0 on a CPU, 8 with a GPU)", bounded_int(0)
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> SegmentationTrainingOptions:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        prog=program_name("pose6d_node.train_segmentation"),
        description="Train Mask R-CNN on a dataset.",
    )
    add_options(parser, SegmentationTrainingOptions)
    options = SegmentationTrainingOptions(**vars(parser.parse_args(arguments)))
    if not options.weights:
        options.weights = "imagenet" if options.architecture == "efficientnet_lite0" else "none"

    needed = PUBLISHED_WEIGHTS.get(options.weights, options.architecture)
    if needed != options.architecture:
        parser.error(
            f"--weights {options.weights} are there for --architecture {needed}, not for"
            f" {options.architecture}"
        )
    if options.depth and options.augmentation == "categories":
        parser.error("--augmentation categories pastes colors alone: leave --depth out")
    width, height = options.input_size
    if min(width, height) < MIN_INPUT_SIDE:
        parser.error(
            f"--input-size {width} {height}: both must be at least {MIN_INPUT_SIDE} pixels"
        )
    return options


def read_weights(source: str, architecture: str) -> dict[str, Tensor]:
    """State dict of a model file, of a ``.pth`` file, or of "imagenet" or "coco" (torchvision's).

    Raises ModelFileError for a file that holds none, and for a model of another architecture.
    """
    if source == "imagenet":
        return imagenet_weights()
    if source == "coco":
        return MaskRCNN_ResNet50_FPN_Weights.COCO_V1.get_state_dict(progress=True, check_hash=True)
    if not source.endswith(".safetensors"):
        return read_state_dict(source)
    tensors, metadata = read_model(resolve_path(source), "segmentation")
    check_architecture(source, metadata, architecture)
    return tensors


class Losses(nn.Module):
    """Mask R-CNN's losses of a batch as it is loaded.

    Whole numbers go in: Fabric would round the boxes to the precision it computes in.
    """

    def __init__(self, network: MaskRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: Tensor, labels: Tensor, classes: Tensor, depth: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses by name.

        ``images`` (N, 3, H, W) uint8, instance ``labels`` (N, H, W), ``classes`` (N, 256) of each
        label, and ``depth`` (N, H, W) where the network uses it.
        """
        targets = [detection_target(*pair) for pair in zip(labels, classes, strict=True)]
        return self.network(list(network_image(images, depth)), targets)


class SegmentationTrainer(Trainer[MaskRCNN, list[Tensor]]):
    """Trains ``network`` on augmented ``frames``; the first layers of given weights stay."""

    def __init__(
        self,
        fabric: Fabric,
        options: SegmentationTrainingOptions,
        network: MaskRCNN,
        frames: AnnotatedFrames,
        held_out: FrameDataset | None,
    ) -> None:
        self.fabric, self.options = fabric, options
        self.frames, self.held_out = frames, held_out
        self.network = network.to(memory_format=torch.channels_last).train()
        if options.weights != "none":
            freeze_first_layers(network, options.freeze_through)

        # Biases and the scales of normalization layers do not decay.
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [parameter for parameter in trained if parameter.ndim > 1]},
            {"params": [parameter for parameter in trained if parameter.ndim <= 1]},
        ]
        groups[1]["weight_decay"] = 0.0

        self.learning_rate = options.learning_rate
        self.model, self.optimizer = fabric.setup(
            Losses(network), torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=0.05)
        )

        self.identity = {
            "class names": frames.class_names,
            "--architecture": options.architecture,
            "--depth": options.depth,
            "--weights": options.weights,
            "--input-size": [*options.input_size],
            "--augmentation": options.augmentation,
            "--freeze-through": options.freeze_through,
            "frames": len(frames.classes),
        }

    def batches(self, first_step: int) -> Iterable[list[Tensor]]:
        """Augmented samples that depend on seed and step.

        With a GPU, processes prepare them ahead; a CPU has no core to spare for that.
        """
        options, gpu = self.options, self.fabric.device.type == "cuda"
        samples = TrainingSamples(
            self.frames,
            options.seed,
            start=first_step * options.batch_size,
            count=1 << 40,
            categories=options.augmentation == "categories",
        )
        workers = options.workers if options.workers is not None else (8 if gpu else 0)
        # A loader draws a number when it starts, which would shift those of a resumed run.
        own_generator = torch.Generator()
        return DataLoader(
            samples,
            options.batch_size,
            sampler=range(len(samples)),
            num_workers=workers,
            pin_memory=gpu,
            generator=own_generator,
        )

    def step(self, batch: list[Tensor], progress: float) -> StepResult:
        """Mask R-CNN's five losses."""
        moved = (tensor.to(self.fabric.device, non_blocking=True) for tensor in batch)
        return self.model(*moved), {}

    def validate(self, network: MaskRCNN) -> dict[str, Any]:
        """Write the model file, as the node loads it, and score that; {} without held-out data."""
        options = self.options
        fit_descriptor(network, self.frames)
        save_segmentation(
            options.out, network, options.architecture, self.frames.class_names, options.input_size
        )
        if self.held_out is None:
            return {}
        return evaluate_segmentation(options.out, self.held_out, str(self.fabric.device))


def create_network(options: SegmentationTrainingOptions, num_classes: int) -> MaskRCNN:
    """A network that starts from ``options.weights`` where they fit."""
    network = build_network(options.architecture, num_classes, depth=options.depth)
    if options.weights != "none":
        tensors = read_weights(options.weights, options.architecture)
        adapt = with_depth if options.depth else without_depth
        fresh = load_matching(network, adapt(tensors, network))
        print(
            f"{options.weights}: {len(fresh)} of the network's {len(network.state_dict())} tensors"
            " are not in it and start untrained"
        )
    return network


def run(options: SegmentationTrainingOptions) -> None:
    """Train, write the averaged network as a model file, and score it on held-out data.

    Raises what ``main`` reports.
    """
    fabric = create_fabric(options)
    dataset = open_datasets(options.data, options.split, options.classes, options.mesh_unit)
    dataset = with_background(dataset, options.background, options.mesh_unit)
    held_out = None
    if options.val:
        held_out = open_held_out(options.val, options.val_split, options.mesh_unit)
        shared = {*dataset.class_names.values()} & {*held_out.class_names.values()}
        if not shared:
            raise DatasetError(
                f"--val {options.val} has the classes {held_out.class_names}, none of which is"
                f" trained: {dataset.class_names}"
            )
        if options.classes:
            held_out = ChosenClasses(held_out, sorted(shared))
    warning = scale_note(dataset) if options.depth else None
    for note in [*dataset.notes, *([warning] if warning else [])]:
        print(note)

    input_size = options.input_size[0], options.input_size[1]
    frames = load_frames(dataset, input_size, with_depth=options.depth)
    height, width = dataset.color_and_labels(0)[0].shape[:2]
    if hint := unused_input(width, height, input_size):
        print(hint)

    network = create_network(options, len(frames.class_names))
    clock = options.create_clock()
    trainer = SegmentationTrainer(fabric, options, network, frames, held_out)
    scores = trainer.validate(TrainingLoop(trainer, options, clock).run())

    data = {"frames": len(frames.classes), "classes": frames.class_names}
    record = write_record(options, clock, data, scores)
    if scores:
        print(f"mask mAP {scores['map']:.3f}, mAP@0.5 {scores['map50']:.3f}")
    else:
        print("no --val folder: not scored")
    print(f"wrote {options.out} and {record}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; ends the program with a message for data and files that cannot be used."""
    options = parse_arguments(arguments)
    with exit_on(DatasetError, ModelFileError, OSError):
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
