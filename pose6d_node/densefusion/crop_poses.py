# SPDX-License-Identifier: Apache-2.0
"""From crops of instances to their poses, step by step, and how sure these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from perception_kit.types import PoseEstimate
from pose6d_node.config import HYPOTHESES
from pose6d_node.densefusion.crops import Crops, NetworkInputs, make_inputs, point_order
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.instance_models import InstanceModels, InstanceTurns
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE
from pose6d_node.densefusion.size_net import LogScale
from pose6d_node.densefusion.sizes import estimate_sizes, normalized, reach
from pose6d_node.densefusion.verification import pose_verification_score
from pose6d_node.registration.hypotheses import previous_poses
from pose6d_node.registration.near_symmetries import NearSymmetries
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses
from pose6d_node.registration.search import NETWORK, REGISTERED, VIEWS, look_twice

if TYPE_CHECKING:
    from pose6d_node.densefusion.icp import IcpModel

# How far objects are looked at whose size is estimated: a turned model of another size fits the
# depth as well as the right pose does, and one with other proportions is pulled off its place by
# registration (measured on renders, docs/own_objects.md).
_MOST_EFFORT = {KNOWN_SIZE: VIEWS, "uniform": REGISTERED, "axes": NETWORK}


@dataclass
class CropPoses:
    """Poses of B instances, model to camera: ``rotations`` (B, 3, 3), ``translations`` (B, 3)
    metres, ``confidences`` (B,), and (B,) whether the networks' pose ``is_finite``, without which
    the pose means nothing. ``models`` are as large as the instances.
    """

    rotations: Tensor
    translations: Tensor
    confidences: Tensor
    is_finite: Tensor
    models: InstanceModels


class CropPoseEstimator:
    """The steps of ``PoseEstimator``, whose parameters these are, for instances that are cut out.

    ``model`` is on the ``device``; its networks may be replaced by compiled ones.
    """

    def __init__(self, model: PoseModel, device: torch.device, seed: int) -> None:
        self.model, self._device = model, device
        self._icp_models: dict[int, IcpModel] = {}
        surfaces = model.surfaces
        self._near_symmetries = NearSymmetries(surfaces) if surfaces else None
        self._order = point_order(model.spec.crop_size, seed, device)

    def is_finite(self, crop: Crops, refine_iterations: int) -> bool:
        """Whether the networks give a pose and a size to the one instance of a trained class."""
        inputs, sizes = self._inputs(crop)
        instance = torch.zeros(1, dtype=torch.long)
        _, is_finite = self._network_poses(inputs, instance, refine_iterations)
        return bool(is_finite.all() and sizes.mean.isfinite().all())

    def __call__(
        self,
        batch: Crops,
        previous: Sequence[PoseEstimate],
        refine_iterations: int,
        icp: bool,
        hypotheses: str,
    ) -> CropPoses:
        """Poses of the instances of a batch; ``previous`` are those of the last frame."""
        # The networks' poses. All classes are trained where there is no look at the others.
        trained = (batch.class_index < self.model.spec.num_trained).nonzero().squeeze(1)
        known = batch.select(trained)
        inputs, sizes = self._inputs(known)
        estimates, trained_finite = self._network_poses(inputs, trained, refine_iterations)
        models = InstanceModels.of(self.model, batch.class_index, trained, sizes)
        is_finite = torch.ones_like(batch.class_index, dtype=torch.bool)
        is_finite[trained] = trained_finite

        # Better ones, and how sure they are.
        if self._near_symmetries is not None and hypotheses != "none":
            effort = torch.full_like(batch.class_index, HYPOTHESES.index(hypotheses))
            effort[trained] = effort[trained].clamp(
                max=_MOST_EFFORT[self.model.spec.size_variation]
            )
            rotations, translations, confidences = self._look_twice(
                batch, self._near_symmetries, models, estimates, previous, effort
            )
        else:
            rotations, translations = estimates.rotation, estimates.translation
            confidences = self._verify(batch, models, rotations, translations)
            if icp:
                rotations, translations, confidences = self._register_where_better(
                    batch, models, inputs, rotations, translations, confidences
                )
        return CropPoses(rotations, translations, confidences, is_finite, models)

    def _inputs(self, crops: Crops) -> tuple[NetworkInputs, LogScale]:
        """Inputs of the pose networks, and the sizes by which they are normalized."""
        spec = self.model.spec
        inputs = make_inputs(
            crops, reach(self.model), spec.num_points, self._order, spec.input_frame
        )
        sizes = estimate_sizes(self.model, inputs)
        return normalized(self.model, inputs, sizes.scale), sizes

    def _network_poses(
        self, inputs: NetworkInputs, instance: Tensor, refine_iterations: int
    ) -> tuple[Hypotheses, Tensor]:
        """The networks' pose of each ``instance`` (K,), and (K,) whether it is finite.

        One that is not is replaced: it is left out in the end, but until then the steps take the
        batch as a whole.
        """
        if not len(instance):
            return Hypotheses.none(self._device), instance.bool()
        rotations, translations, _ = estimate(self.model, inputs, refine_iterations)
        finite = rotations.isfinite().all(dim=(1, 2)) & translations.isfinite().all(dim=1)
        rotations = torch.where(finite.view(-1, 1, 1), rotations, torch.eye(3, device=self._device))
        translations = torch.where(finite.view(-1, 1), translations, 0.0)
        return Hypotheses(instance, rotations, translations), finite

    @torch.inference_mode()
    def _look_twice(
        self,
        batch: Crops,
        near_symmetries: NearSymmetries,
        models: InstanceModels,
        estimates: Hypotheses,
        previous: Sequence[PoseEstimate],
        effort: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of every instance the pose that agrees best with depth and colors, and how sure it is.

        The ``estimates`` may lack instances.
        """
        observation, class_names, symmetric = (
            Observation.of(batch),
            self.model.spec.class_names,
            self.model.symmetric,
        )
        if self.model.spec.estimates_sizes:
            # Every instance has a model of its own, as every class has else.
            near_symmetries = InstanceTurns(near_symmetries, models)
            class_names = [class_names[index] for index in models.class_index.tolist()]
            symmetric = symmetric[models.class_index]
            own = torch.arange(len(batch), device=self._device)
            observation = replace(observation, class_index=own)
        surfaces = near_symmetries.surfaces
        best, confidences = look_twice(
            observation,
            surfaces,
            near_symmetries,
            estimates,
            symmetric,
            previous_poses(observation, surfaces, class_names, previous),
            effort,
        )
        return best.rotation, best.translation, confidences

    def _verify(
        self, batch: Crops, models: InstanceModels, rotations: Tensor, translations: Tensor
    ) -> Tensor:
        """(B,) confidences of the poses: how well mask and depth agree with them."""
        return pose_verification_score(
            batch, models.points, models.diameters, rotations, translations
        )

    def _register_where_better(
        self,
        batch: Crops,
        models: InstanceModels,
        inputs: NetworkInputs,
        rotations: Tensor,
        translations: Tensor,
        confidences: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The poses, registered to the depth by Open3D where they agree better then."""
        registered = self._register(models, inputs, rotations, translations)
        registered_confidences = self._verify(batch, models, *registered)
        better = registered_confidences > confidences
        return (
            torch.where(better.view(-1, 1, 1), registered[0], rotations),
            torch.where(better.view(-1, 1), registered[1], translations),
            torch.where(better, registered_confidences, confidences),
        )

    def _register(
        self, models: InstanceModels, inputs: NetworkInputs, rotations: Tensor, translations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each pose after ICP of the points that the networks saw."""
        poses = zip(
            range(len(rotations)),
            inputs.points().double().cpu().numpy(),
            rotations.double().cpu().numpy(),
            translations.double().cpu().numpy(),
            strict=True,
        )
        turned, moved = [], []
        for instance, measured, rotation, translation in poses:
            pose = self._icp_model(models, instance).refine(measured, rotation, translation)
            turned.append(pose[0])
            moved.append(pose[1])

        return (
            torch.from_numpy(np.stack(turned)).to(rotations),
            torch.from_numpy(np.stack(moved)).to(rotations),
        )

    def _icp_model(self, models: InstanceModels, instance: int) -> IcpModel:
        # Open3D takes seconds to import and is not needed without ICP.
        from pose6d_node.densefusion.icp import IcpModel

        class_index = int(models.class_index[instance])
        if class_index in self._icp_models:
            return self._icp_models[class_index]
        points = models.points[instance].double().cpu().numpy()
        icp_model = IcpModel(points, float(models.diameters[instance]))
        if not self.model.spec.estimates_sizes:  # else every instance has its own
            self._icp_models[class_index] = icp_model
        return icp_model
