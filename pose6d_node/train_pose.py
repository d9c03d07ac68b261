# SPDX-License-Identifier: Apache-2.0
"""Train DenseFusion on a dataset: ``python -m pose6d_node.train_pose --data DIR --val DIR --out
FILE --run-dir DIR``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from perception_kit.arguments import bounded_int, positive_float
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import DATA_HELP, open_datasets
from perception_kit.datasets.opener import open_dataset
from perception_kit.networks.model_file import check_architecture, load_model
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
    random_state,
    restore_random_state,
    save_checkpoint,
    write_record,
)
from pose6d_node.densefusion.augmentation import augment_crops, augment_view
from pose6d_node.densefusion.crops import NetworkInputs, make_inputs
from pose6d_node.densefusion.dataset import PoseDataset, load_instances
from pose6d_node.densefusion.evaluation import evaluate, format_scores
from pose6d_node.densefusion.inference import refine_once
from pose6d_node.densefusion.losses import Target, pose_distance, voting_loss
from pose6d_node.densefusion.pose_model import ARCHITECTURES, PoseModel

# points per instance in a training step: features are pooled by a mean, so more can be given in use
TRAINING_POINTS = 128
LOSS_POINTS = 100  # model points per instance in a training step
WARMUP_STEPS = 100
EMA_DECAY = 0.995


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, action="append", required=True, help=DATA_HELP)
    parser.add_argument(
        "--val", type=Path, required=True, help="dataset to measure on: other scenes than --data"
    )
    parser.add_argument("--val-split", default="train", help="split of --val")
    add_training_arguments(parser, max_minutes=30, batch_size=32)
    parser.add_argument(
        "--architecture", choices=sorted(ARCHITECTURES), default="densefusion_compact"
    )
    parser.add_argument(
        "--weights", type=Path, help="pose model file to start from; its objects may be others"
    )
    parser.add_argument("--learning-rate", type=positive_float, default=1e-3)
    parser.add_argument(
        "--min-visible",
        type=float,
        default=0.15,
        help="share of an instance that must be seen to train on it",
    )
    parser.add_argument(
        "--confidence-weight", type=float, default=0.02, help="w of the loss, in object diameters"
    )
    parser.add_argument(
        "--refine-margin",
        type=float,
        default=0.05,
        help="mean error in diameters below which the refiner joins in",
    )
    parser.add_argument(
        "--refine-after",
        type=float,
        default=0.4,
        help="share of the run after which the refiner joins in at the latest",
    )
    parser.add_argument("--refine-iterations", type=bounded_int(1), default=2)
    parser.add_argument(
        "--max-roll",
        type=float,
        default=0.35,
        help="random rotation about the viewing ray, radians",
    )
    return parser.parse_args()


@dataclass
class Progress:
    """What the loop remembers beside weights and clock: a running mean of the estimator's error in
    diameters, and the refiner's turn.
    """

    mean_error: float = 1.0
    refining: bool = False

    def update(self, error: float, run_progress: float, args: argparse.Namespace) -> None:
        """Follow the error; the refiner joins in once the estimator passes the margin (section 3.6)
        or its share of the run is over.
        """
        self.mean_error += 0.02 * (error - self.mean_error)
        self.refining = (
            self.refining
            or self.mean_error < args.refine_margin
            or run_progress > args.refine_after
        )


def sample_batch(
    dataset: PoseDataset, model: PoseModel, args: argparse.Namespace, device: torch.device
) -> tuple[NetworkInputs, Target]:
    """Augmented inputs and their targets; classes are equally frequent."""
    index = torch.multinomial(
        dataset.sampling_weights(), args.batch_size, replacement=len(dataset) < args.batch_size
    )
    crops = augment_crops(dataset.crops.select(index).to(device))
    order = torch.rand(len(crops), crops.mask[0].numel(), device=device)
    inputs = augment_view(
        make_inputs(crops, model.diameters, TRAINING_POINTS, order), args.max_roll
    )
    classes, unit = inputs.class_index, inputs.scale.view(-1, 1, 1)
    chosen = torch.randperm(model.model_points.shape[1], device=device)[:LOSS_POINTS]
    symmetries = model.symmetries[classes].clone()
    symmetries[:, :, :3, 3] /= unit
    pose = inputs.to_network_frame(
        dataset.rotation[index].to(device), dataset.translation[index].to(device)
    )
    return inputs, Target(
        *pose, model.model_points[classes][:, chosen] / unit, model.symmetric[classes], symmetries
    )


def training_loss(
    fabric: lightning.Fabric,
    model: PoseModel,
    inputs: NetworkInputs,
    target: Target,
    args: argparse.Namespace,
    refining: bool,
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch, and its mean errors in diameters: of the votes and, while ``refining``, of
    the refined poses.
    """
    with fabric.autocast():
        votes = model.estimator(inputs.image, inputs.cloud, inputs.pixels, inputs.class_index)
    # Geometry and the refiner's small corrections need float32.
    votes = replace(
        votes, **{field.name: getattr(votes, field.name).float() for field in fields(votes)}
    )
    distance = votes.distance(inputs.cloud, target)
    loss = voting_loss(distance, votes.confidence, args.confidence_weight)
    errors = {"error": distance.mean().item()}
    if refining:
        rotation, translation, _ = votes.pose(inputs.cloud)
        distances = []
        for _ in range(args.refine_iterations):
            # No gradient flows from one refinement to the one before, nor to the estimator.
            start = rotation.detach(), translation.detach()
            rotation, translation = refine_once(
                model.refiner, inputs.cloud, votes.features.detach(), inputs.class_index, *start
            )
            distances.append(
                pose_distance(rotation.unsqueeze(1), translation.unsqueeze(1), target).mean()
            )
        loss = loss + torch.stack(distances).mean()
        errors["refined_error"] = distances[-1].item()
    return loss, errors


def train(
    args: argparse.Namespace, fabric: lightning.Fabric, model: PoseModel, dataset: PoseDataset
) -> tuple[PoseModel, TrainingClock]:
    """Train until the clock ends; returns the moving average of the weights, which is what is saved
    and used.
    """
    clock, progress = TrainingClock(args.max_minutes, args.steps), Progress()
    generator = np.random.default_rng(args.seed)
    model = fabric.to_device(model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=False)
    optimizer = fabric.setup_optimizers(
        torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=1e-4)
    )
    parts = {"model": model, "average": average, "optimizer": optimizer, "clock": clock}
    config = model.config
    identity = {
        "class names": config.class_names,
        "architecture": config.architecture,
        "diameters": config.diameters,
        "instances": len(dataset),
    }
    checkpoint = args.run_dir / "last.ckpt"
    if args.resume:
        loaded = load_checkpoint(checkpoint, identity)
        for name, part in parts.items():
            part.load_state_dict(loaded[name])
        progress = Progress(**loaded["progress"])
        restore_random_state(loaded["random"], generator)
    log = RunLog(args.run_dir, clock.step)
    bar = tqdm(
        total=100.0, desc="training", unit="%", bar_format="{l_bar}{bar}| {elapsed}{postfix}"
    )
    model.train()
    while not clock.finished:
        factor = warmup_cosine(clock.progress, clock.step, WARMUP_STEPS)
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * factor
        inputs, target = sample_batch(dataset, model, args, fabric.device)
        loss, errors = training_loss(fabric, model, inputs, target, args, progress.refining)
        check_finite(loss, clock.step)
        optimizer.zero_grad()
        fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        clock.tick()
        progress.update(errors["error"], clock.progress, args)
        bar.update(100 * clock.progress - bar.n)
        if clock.step % 20 == 0:
            bar.set_postfix(
                step=clock.step,
                loss=f"{loss.item():.4f}",
                **{name: f"{value:.4f}" for name, value in errors.items()},
            )
            log.add(clock.step, {"loss": loss.item(), "lr_factor": factor, **errors})
        if clock.checkpoint_due() or clock.finished:
            states = {name: part.state_dict() for name, part in parts.items()}
            save_checkpoint(
                checkpoint,
                {
                    **states,
                    "identity": identity,
                    "progress": vars(progress),
                    "random": random_state(generator),
                },
            )
    bar.close()
    log.close()
    return average.module, clock


def main() -> None:
    """The command; ends the program with a message for data and files that cannot be used."""
    args = parse_arguments()
    with exit_on(DatasetError, ModelFileError, TrainingError, OSError):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Train, measure on held-out data, write the model and its record.

    Raises what ``main`` reports.
    """
    fabric = create_fabric(args)
    source = open_datasets(args.data, "train")
    objects = [model for model in source.models.values() if not model.articulated]
    for note in source.notes:
        print(note)
    if not objects:
        raise DatasetError(
            f"'{source.folder}' has no rigid object among its models: {source.class_names}"
        )
    model = PoseModel.for_objects(objects, args.architecture)
    if args.weights:
        tensors, metadata = load_model(args.weights, "pose")
        check_architecture(args.weights, metadata, args.architecture)
        fresh = load_matching(
            model, {name: tensor for name, tensor in tensors.items() if name != "model_points"}
        )
        print(
            f"{args.weights}: {len(fresh)} of the model's {len(model.state_dict())} tensors are not"
            " in it and start anew"
        )
    dataset = load_instances(source, model.config, args.min_visible)
    held_out = load_instances(open_dataset(args.val, args.val_split), model.config, min_visible=0.1)
    trained, clock = train(args, fabric, model, dataset)
    scores = evaluate(trained, held_out, args.refine_iterations)
    print(format_scores(scores))
    data = {
        "train": [str(folder) for folder in args.data],
        "val": str(args.val),
        "instances": len(dataset),
        "val_instances": len(held_out),
    }
    trained.save(args.out, {"data": data, "steps": clock.step, "held_out": scores})
    record = write_record(args.out, args, clock, data, scores)
    print(f"wrote {args.out} and {record}")


if __name__ == "__main__":
    main()
