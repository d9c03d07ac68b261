# SPDX-License-Identifier: Apache-2.0
"""The training of DenseFusion: its step, its validation, and a run from data to model file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.joined import open_datasets
from perception_kit.datasets.mesh_folder import read_all
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.scale_check import scale_note
from perception_kit.datasets.scaling import SizeVariation
from perception_kit.networks.model_file import check_architecture, read_model
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.training.held_out import open_held_out
from perception_kit.training.loop import StepResult, Trainer, TrainingLoop
from perception_kit.training.run import create_fabric, load_matching, write_record
from pose6d_node.densefusion.augmentation import augment_crops, augment_view
from pose6d_node.densefusion.crops import NetworkInputs, make_inputs
from pose6d_node.densefusion.dataset import PoseDataset, load_instances
from pose6d_node.densefusion.evaluation import evaluate_poses, format_scores
from pose6d_node.densefusion.inference import refine_once
from pose6d_node.densefusion.losses import Target, pose_distance, voting_loss
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE
from pose6d_node.densefusion.size_net import LogScale
from pose6d_node.densefusion.sizes import noisy, normalized, reach, vary_sizes
from pose6d_node.densefusion.training_options import PoseTrainingOptions

Batch: TypeAlias = tuple[NetworkInputs, Target, Tensor]
"""What the pose networks see, what they are to find, and the factors (B, 3) of the instances."""

# points per instance in a training step: features are pooled by a mean, so more can be given in use
TRAINING_POINTS = 128
LOSS_POINTS = 100  # model points per instance in a training step
ERROR_SMOOTHING = 0.02  # of the running mean of the estimator's error, per step


@dataclass
class RefinerStart:
    """Decides when the refiner joins in; ``mean_error`` is the estimator's, in diameters."""

    mean_error: float = 1.0
    refining: bool = False

    def update(self, progress: float, margin: float, latest: float) -> bool:
        """Whether the refiner is trained from now on.

        It is once the estimator's error is below ``margin`` (section 3.6), or the fraction
        ``latest`` of the run is over, and then until the end.
        """
        self.refining = self.refining or self.mean_error < margin or progress > latest
        return self.refining

    def follow(self, error: float) -> None:
        """Average the estimator's errors over the steps."""
        self.mean_error += ERROR_SMOOTHING * (error - self.mean_error)


class PoseTrainer(Trainer[PoseModel, Batch]):
    """Trains estimator and refiner of ``model`` on augmented crops of ``dataset``."""

    ema_decay = 0.995
    max_gradient_norm = 1.0

    def __init__(
        self,
        fabric: Fabric,
        options: PoseTrainingOptions,
        model: PoseModel,
        dataset: PoseDataset,
        held_out: PoseDataset,
    ) -> None:
        self.fabric, self.options = fabric, options
        self.dataset, self.held_out = dataset, held_out
        self.refiner_start = RefinerStart()

        self.network, self.learning_rate = model.train(), options.learning_rate
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=options.learning_rate, weight_decay=1e-4
        )
        _, self.optimizer = fabric.setup(model, optimizer)

        self.identity = {
            "class names": model.spec.class_names,
            "--architecture": model.spec.architecture,
            "diameters": model.spec.diameters,
            "--weights": str(options.weights),
            "--estimate-size": str(options.estimate_size),
            "instances": len(dataset),
        }

    def batches(self, first_step: int) -> Iterator[Batch]:
        """Batches drawn with PyTorch's random state."""
        while True:
            yield sample_batch(self.dataset, self.network, self.options, self.fabric.device)

    def step(self, batch: Batch, progress: float) -> StepResult:
        """Losses of estimator and refiner, and their mean errors in diameters."""
        inputs, target, scale = batch
        refining = self.refiner_start.update(
            progress, self.options.refine_margin, self.options.refine_after
        )

        # Votes of all points, weighed by their confidence (equation 3). Geometry and the refiner's
        # small corrections need float32.
        with self.fabric.autocast():
            votes = self.network.estimator(
                inputs.image, inputs.cloud, inputs.pixels, inputs.class_index
            )
        votes = replace(
            votes, **{field.name: getattr(votes, field.name).float() for field in fields(votes)}
        )
        distance = votes.distance(inputs.cloud, target)
        loss = voting_loss(distance, votes.confidence, self.options.confidence_weight)
        losses, errors = {"estimator_loss": loss}, {"error": distance.mean().item()}
        self.refiner_start.follow(errors["error"])
        if self.network.spec.estimates_sizes:
            sizes = self._sizes(inputs, votes.features)
            losses["size_loss"] = self.options.size_weight * sizes.loss(scale)
            errors["size_error"] = (sizes.scale / scale - 1).abs().mean().item()
        if not refining:
            return losses, errors

        # Iterative refinement. No gradient flows from one iteration to the one before, nor to the
        # estimator.
        rotation, translation, _ = votes.pose(inputs.cloud)
        features, distances = votes.features.detach(), []
        for _ in range(self.options.refine_iterations):
            start = rotation.detach(), translation.detach()
            rotation, translation = refine_once(
                self.network.refiner, inputs.cloud, features, inputs.class_index, *start
            )
            distance = pose_distance(rotation.unsqueeze(1), translation.unsqueeze(1), target)
            distances.append(distance.mean())
        losses["refiner_loss"] = torch.stack(distances).mean()
        errors["refined_error"] = distances[-1].item()
        return losses, errors

    def _sizes(self, inputs: NetworkInputs, features: Tensor) -> LogScale:
        """Estimated sizes; no gradient flows into the estimator, whose ``features`` start with the
        color embedding.
        """
        unit = reach(self.network)[inputs.class_index]
        embedding = features[:, : self.network.estimator.cnn.embedding_size].detach()
        cloud = inputs.with_unit(unit).cloud
        return LogScale(*self.network.size_network(embedding, cloud, inputs.class_index))

    def validate(self, network: PoseModel) -> dict[str, Any]:
        """Pose errors on the held-out instances."""
        return evaluate_poses(network, self.held_out, self.options.refine_iterations)

    def state_dict(self) -> dict[str, Any]:
        """When the refiner joins in."""
        return asdict(self.refiner_start)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo ``state_dict``."""
        self.refiner_start = RefinerStart(**state)


def sample_batch(
    dataset: PoseDataset, model: PoseModel, options: PoseTrainingOptions, device: torch.device
) -> Batch:
    """Augmented inputs and their targets; classes are equally frequent."""
    count = options.batch_size
    index = torch.multinomial(dataset.sampling_weights(), count, replacement=len(dataset) < count)
    crops = augment_crops(dataset.crops.select(index).to(device))
    rotation, translation, scale = (
        table[index].to(device) for table in (dataset.rotation, dataset.translation, dataset.scale)
    )
    if model.spec.estimates_sizes:
        smallest, largest = model.spec.size_range
        crops, translation, scale = vary_sizes(crops, translation, scale, (smallest, largest))
    order = torch.rand(len(crops), crops.mask[0].numel(), device=device)
    inputs = make_inputs(crops, reach(model), TRAINING_POINTS, order)
    inputs = augment_view(inputs, options.max_roll)
    if model.spec.estimates_sizes:
        inputs = normalized(model, inputs, noisy(scale))

    # Targets in the networks' frame and unit.
    classes, unit = inputs.class_index, inputs.scale.view(-1, 1, 1)
    chosen = torch.randperm(model.model_points.shape[1], device=device)[:LOSS_POINTS]
    scaled = scale.unsqueeze(1) / unit
    points = model.model_points[classes][:, chosen] * scaled
    symmetries = model.symmetries[classes].clone()
    symmetries[:, :, :3, 3] *= scaled
    pose = inputs.to_network_frame(rotation, translation)
    return inputs, Target(*pose, points, model.symmetric[classes], symmetries), scale


def size_range(frames: FrameDataset, variation: SizeVariation) -> tuple[float, float]:
    """The smallest and the largest factor of any instance; prints where ``variation`` misfits.

    Raises DatasetError where all are 1.
    """
    instances = [instance for index in range(len(frames)) for instance in frames.instances(index)]
    scales = np.array([instance.scale for instance in instances]).reshape(-1, 3)
    if np.allclose(scales, 1.0):
        raise DatasetError(
            f"'{frames.folder}' states no scale of its instances, or all are as large as their"
            " models, so sizes cannot be learned: render with --scales, or leave out"
            " --estimate-size"
        )
    uneven = int((np.ptp(scales, axis=1) > 1e-3).sum())
    if uneven and variation == "uniform":
        print(
            f"{uneven} of {len(scales)} instances have another factor for each axis, which one"
            " factor does not fit: --estimate-size axes does"
        )
    return float(np.min(scales)), float(np.max(scales))


def unlearned_sizes(scale: Tensor) -> str | None:
    """What is not learned of (N, 3) factors of instances without ``--estimate-size``."""
    others = scale[((scale - 1).abs() > 1e-3).any(dim=1)]
    if not len(others):
        return None
    low, high = float(others.min()), float(others.max())
    return (
        f"{len(others)} of {len(scale)} instances are {low:.2g} to {high:.2g} times as large as"
        " their models: --estimate-size learns that"
    )


def create_model(
    options: PoseTrainingOptions,
    objects: Sequence[ObjectModel],
    sizes: tuple[float, float] = (1.0, 1.0),
) -> PoseModel:
    """A model of ``objects`` that starts from ``options.weights`` where they fit.

    ``sizes`` are the smallest and largest factor of an instance whose size is to be estimated.
    """
    model = PoseModel.for_objects(
        objects, options.architecture, options.estimate_size or KNOWN_SIZE, sizes
    )
    if options.weights:
        tensors, metadata = read_model(options.weights, "pose")
        if metadata.get("num_untrained") == len(metadata["class_names"]):
            raise ModelFileError(
                f"'{options.weights}' holds added objects only, no network to start from: give a"
                " model that was trained, or leave out --weights"
            )
        check_architecture(options.weights, metadata, options.architecture)
        for table in ("model_points", "model_normals", "model_colors"):  # of other objects
            tensors.pop(table, None)
        fresh = load_matching(model, tensors)
        print(
            f"{options.weights}: {len(fresh)} of the model's {len(model.state_dict())} tensors are"
            " not in it and start anew"
        )
    return model


def run(options: PoseTrainingOptions) -> None:
    """Train, score on held-out data, write the model and its record.

    Raises DatasetError, ModelFileError, TrainingError, and OSError for what cannot be written.
    """
    fabric = create_fabric(options)
    source = open_datasets(options.data, options.split, options.classes, options.mesh_unit)
    if not source.has_depth:
        raise DatasetError(f"'{source.folder}' has no depth images, which poses are learned from")
    objects = [model for model in source.models.values() if not model.articulated]
    read_all(ObjectModel.mesh, objects)
    for note in [*source.notes, *(note for model in objects for note in model.notes)]:
        print(note)
    if not objects:
        raise DatasetError(
            f"'{source.folder}' has no rigid object among its models: {source.class_names}"
        )
    if warning := scale_note(source):
        print(warning)

    sizes = (1.0, 1.0)
    if options.estimate_size is not None:
        sizes = size_range(source, options.estimate_size)
    model = create_model(options, objects, sizes)
    dataset = load_instances(source, model.spec, options.min_visible)
    if options.estimate_size is None and (line := unlearned_sizes(dataset.scale)):
        print(line)
    scored = open_held_out(options.val, options.val_split, options.mesh_unit)
    held_out = load_instances(scored, model.spec, min_visible=0.1)

    clock = options.create_clock()
    trainer = PoseTrainer(fabric, options, model, dataset, held_out)
    network = TrainingLoop(trainer, options, clock).run()
    scores = trainer.validate(network)
    print(format_scores(scores))

    data = {
        "train": [str(folder) for folder in options.data],
        "val": str(options.val),
        "instances": len(dataset),
        "val_instances": len(held_out),
    }
    network.save(options.out, {"data": data, "steps": clock.step, "held_out": scores})
    record = write_record(options, clock, data, scores)
    print(f"wrote {options.out} and {record}")
