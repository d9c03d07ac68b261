# SPDX-License-Identifier: Apache-2.0
"""Train the instance segmentation on a dataset: ``python -m pose6d_node.train_segmentation
--help``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from torchvision.models.detection import MaskRCNN, MaskRCNN_ResNet50_FPN_Weights
from tqdm import tqdm

from perception_kit.arguments import bounded_int, positive_float
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import DATA_HELP, open_datasets
from perception_kit.datasets.opener import open_dataset
from perception_kit.networks.model_file import check_architecture, load_model, read_state_dict
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.training.clock import TrainingClock, warmup_cosine
from perception_kit.training.run import (
    RunLog,
    TrainingError,
    add_training_arguments,
    check_finite,
    create_fabric,
    exit_on,
    load_checkpoint,
    load_matching,
    save_checkpoint,
    write_record,
)
from pose6d_node.segmentation.dataset import (
    Frames,
    TrainingSamples,
    detection_target,
    load_frames,
    network_image,
)
from pose6d_node.segmentation.descriptor import fit_descriptor
from pose6d_node.segmentation.evaluation import evaluate_segmentation
from pose6d_node.segmentation.input_size import unused_input
from pose6d_node.segmentation.network import (
    ARCHITECTURES,
    build_network,
    freeze_first_layers,
    imagenet_weights,
    save_segmentation,
    with_depth,
)

WARMUP_STEPS = 100
MAX_GRADIENT_NORM = 5.0
EMA_DECAY = 0.998
LOG_EVERY = 20
MIN_INPUT_SIDE = 64  # pixels, of the coarsest level's single cell


def main(arguments: list[str] | None = None) -> None:
    """The command; ends the program with a message for data and files that cannot be used."""
    args = parse_arguments(arguments)
    with exit_on(DatasetError, ModelFileError, TrainingError, OSError):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Train, save the averaged weights as a model file, and score it on held-out data.

    Raises what ``main`` reports.
    """
    fabric = create_fabric(args)
    dataset = open_datasets(args.data, "train")
    held_out = open_dataset(args.val, args.val_split) if args.val else None
    if held_out and not {*dataset.class_names.values()} & {*held_out.class_names.values()}:
        raise DatasetError(
            f"--val {args.val} has the classes {held_out.class_names}, none of which is trained:"
            f" {dataset.class_names}"
        )
    for note in dataset.notes:
        print(note)
    frames = load_frames(dataset, tuple(args.input_size), with_depth=args.depth)
    height, width = dataset.color_and_labels(0)[0].shape[:2]
    if note := unused_input(width, height, tuple(args.input_size)):
        print(note)
    network = build_network(args.architecture, len(frames.class_names), depth=args.depth)
    if args.weights != "none":
        tensors = read_weights(args.weights, args.architecture, args.depth)
        fresh = load_matching(network, with_depth(tensors, network) if args.depth else tensors)
        print(
            f"{args.weights}: {len(fresh)} of the network's {len(network.state_dict())} tensors are"
            " not in it and start untrained"
        )
    clock = TrainingClock(args.max_minutes, args.steps)
    averaged = train(fabric, args, network, frames, clock)
    fit_descriptor(averaged, frames)
    save_segmentation(args.out, averaged, args.architecture, frames.class_names, args.input_size)
    score = evaluate_segmentation(args.out, held_out, str(fabric.device)) if held_out else {}
    record = write_record(
        args.out, args, clock, {"frames": len(frames.classes), "classes": frames.class_names}, score
    )
    print(
        f"mask mAP {score['map']:.3f}, mAP@0.5 {score['map50']:.3f}"
        if score
        else "no --val folder: not scored"
    )
    print(f"wrote {args.out} and {record}")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(
        prog="python -m pose6d_node.train_segmentation",
        description="Train Mask R-CNN on a dataset.",
    )
    parser.add_argument("--data", type=Path, action="append", required=True, help=DATA_HELP)
    parser.add_argument(
        "--val", type=Path, help="dataset to score the model on; other scenes than --data"
    )
    parser.add_argument("--val-split", default="train", help="split of --val (default %(default)s)")
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        default="efficientnet_lite0",
        help="(default %(default)s)",
    )
    parser.add_argument(
        "--depth",
        action="store_true",
        help="depth as a fourth input channel: tells small things from large ones of similar looks",
    )
    start = (
        "a .safetensors or .pth file, 'imagenet' (default of efficientnet_lite0), 'coco' (resnet50:"
        " torchvision's download) or 'none'"
    )
    parser.add_argument(
        "--weights", help=f"start from {start}; stem and first layer then keep these weights"
    )
    parser.add_argument(
        "--input-size",
        type=bounded_int(1),
        nargs=2,
        default=[320, 240],
        metavar=("W", "H"),
        help="pixels that images are fitted into (default 320 240)",
    )
    parser.add_argument(
        "--learning-rate",
        type=positive_float,
        default=1e-3,
        help="of AdamW, at the peak (default %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=bounded_int(0),
        help="processes that augment images (default: 0 on a CPU, 8 with a GPU)",
    )
    add_training_arguments(parser, max_minutes=40, batch_size=8)
    args = parser.parse_args(arguments)
    args.weights = args.weights or (
        "imagenet" if args.architecture == "efficientnet_lite0" else "none"
    )
    if (
        needed := {"imagenet": "efficientnet_lite0", "coco": "resnet50"}.get(
            args.weights, args.architecture
        )
    ) != args.architecture:
        parser.error(
            f"--weights {args.weights} are there for --architecture {needed}, not for"
            f" {args.architecture}"
        )
    if min(args.input_size) < MIN_INPUT_SIDE:
        parser.error(
            f"--input-size {args.input_size[0]} {args.input_size[1]}: both must be at least"
            f" {MIN_INPUT_SIDE} pixels"
        )
    return args


def read_weights(source: str, architecture: str, depth: bool) -> dict[str, torch.Tensor]:
    """State dict of a ``.safetensors`` or ``.pth`` file, ImageNet's for "imagenet", or
    torchvision's COCO weights for "coco".

    Raises ModelFileError for a file that holds none, and for a model of another architecture or,
    without ``depth``, of one with it.
    """
    if source == "imagenet":
        return imagenet_weights()
    if source == "coco":
        return MaskRCNN_ResNet50_FPN_Weights.COCO_V1.get_state_dict(progress=True, check_hash=True)
    if not source.endswith(".safetensors"):
        return read_state_dict(source)
    tensors, metadata = load_model(source, "segmentation")
    check_architecture(source, metadata, architecture)
    if metadata.get("depth") and not depth:
        raise ModelFileError(f"'{source}' sees depth: add --depth to go on from it")
    return tensors


class Losses(nn.Module):
    """Mask R-CNN's losses of a batch as it is loaded.

    Whole numbers go in: Fabric would round the boxes to the precision it computes in.
    """

    def __init__(self, network: MaskRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        classes: torch.Tensor,
        depth: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Losses by name, from images (N, 3, H, W) uint8, instance labels (N, H, W), the class of
        each label (N, 256) and ``depth``.
        """
        targets = [detection_target(*pair) for pair in zip(labels, classes, strict=True)]
        return self.network(list(network_image(images, depth)), targets)


def train(
    fabric: Fabric,
    args: argparse.Namespace,
    network: MaskRCNN,
    frames: Frames,
    clock: TrainingClock,
) -> MaskRCNN:
    """Run the optimisation until ``clock`` is finished.

    Returns the network with exponentially averaged weights.
    """
    network = network.to(memory_format=torch.channels_last).train()
    if args.weights != "none":
        freeze_first_layers(network)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    model, optimizer = fabric.setup(
        Losses(network), torch.optim.AdamW(groups, lr=args.learning_rate, weight_decay=0.05)
    )
    averaged = AveragedModel(network, multi_avg_fn=moving_average, use_buffers=True)
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer, "clock": clock}
    identity = {
        "class names": frames.class_names,
        "architecture": args.architecture,
        "depth": args.depth,
        "frames": len(frames.classes),
    }
    checkpoint = args.run_dir / "last.ckpt"
    if args.resume:
        state = load_checkpoint(checkpoint, identity)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])
    log = RunLog(args.run_dir, clock.step)
    progress_bar = tqdm(
        total=100, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}", desc="training"
    )
    for batch in batches(fabric, args, frames, clock):
        if clock.finished:
            break
        losses = training_step(fabric, model, optimizer, batch, args.learning_rate, clock)
        averaged.update_parameters(network)
        clock.tick()
        if clock.step % LOG_EVERY == 0:
            values = {name: round(loss.item(), 4) for name, loss in losses.items()}
            log.add(clock.step, {"minutes": round(clock.elapsed_seconds / 60, 2), **values})
            progress_bar.set_postfix(
                step=clock.step, loss=f"{sum(values.values()):.3f}", refresh=False
            )
        progress_bar.update(100 * clock.progress - progress_bar.n)
        if clock.checkpoint_due() or clock.finished:
            states = {name: part.state_dict() for name, part in parts.items()}
            save_checkpoint(
                checkpoint, {**states, "identity": identity, "random": torch.get_rng_state()}
            )
    progress_bar.close()
    log.close()
    return averaged.module


def moving_average(
    averaged: list[torch.Tensor], current: list[torch.Tensor], updates: torch.Tensor
) -> None:
    """Exponential moving average whose memory grows with the number of updates, so that the first
    steps do not linger in short runs.
    """
    count = int(updates)
    get_ema_multi_avg_fn(min(EMA_DECAY, (1 + count) / (10 + count)))(averaged, current, updates)


def batches(
    fabric: Fabric, args: argparse.Namespace, frames: Frames, clock: TrainingClock
) -> DataLoader:
    """Endless batches from the clock's step on.

    With a GPU, processes prepare them ahead; a CPU has no core to spare for that.
    """
    gpu = fabric.device.type == "cuda"
    samples = TrainingSamples(frames, args.seed, start=clock.step * args.batch_size, count=1 << 40)
    workers = args.workers if args.workers is not None else (8 if gpu else 0)
    # a loader draws a number when it starts, which would shift the random numbers of a resumed run
    own = torch.Generator()
    return DataLoader(
        samples,
        args.batch_size,
        sampler=range(len(samples)),
        num_workers=workers,
        pin_memory=gpu,
        generator=own,
    )


def training_step(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, ...],
    learning_rate: float,
    clock: TrainingClock,
) -> dict[str, torch.Tensor]:
    """One update of the weights.

    Returns Mask R-CNN's losses; raises TrainingError where their sum is not finite.
    """
    losses = model(*(tensor.to(fabric.device, non_blocking=True) for tensor in batch))
    total = torch.stack(list(losses.values())).sum()
    check_finite(total, clock.step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * warmup_cosine(clock.progress, clock.step, WARMUP_STEPS)
    optimizer.zero_grad()
    fabric.backward(total)
    nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    return losses


if __name__ == "__main__":
    main()
