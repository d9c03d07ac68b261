# SPDX-License-Identifier: Apache-2.0
"""The training of Mask R-CNN: its step, its validation, and a run from data to model file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection import MaskRCNN, MaskRCNN_ResNet50_FPN_Weights

from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.joined import open_datasets, with_background
from perception_kit.datasets.scale_check import scale_note
from perception_kit.networks.model_file import check_architecture, read_model, read_state_dict
from perception_kit.resources import resolve_path
from perception_kit.training.held_out import open_held_out
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop
from perception_kit.training.run import create_fabric, load_matching, write_record
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
    build_network,
    freeze_first_layers,
    with_depth,
    without_depth,
)
from pose6d_node.segmentation.segmentation_model import save_segmentation
from pose6d_node.segmentation.training_options import SegmentationTrainingOptions


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

    Raises DatasetError, ModelFileError, TrainingError, and OSError for what cannot be written.
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
