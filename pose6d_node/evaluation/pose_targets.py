# SPDX-License-Identifier: Apache-2.0
"""Measures estimated poses of ground-truth instances: ADD, ADD-S, VSD, MSSD and MSPD."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field

import numpy as np

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import GroundTruthInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.scaling import scaled_symmetries
from perception_kit.datasets.symmetries import symmetry_transforms
from perception_kit.evaluation.object_points import PointModel
from perception_kit.geometry import back_project
from perception_kit.metrics.bop import FRACTIONS, BopError, mspd, mssd, vsd
from perception_kit.metrics.pose import Pose, PoseError, nearest_equivalent
from perception_kit.metrics.size import SizeError, box_iou, relative_size_error
from perception_kit.types import Intrinsics

# Of a continuous symmetry, as many as BOP's toolkit takes: points move by at most 1 % of the
# diameter from one to the next.
SYMMETRY_STEPS = 315


@dataclass(frozen=True)
class PoseMatch:
    """A ground-truth pose in frame ``frame`` and the estimate of it, None for a miss.

    ``visible_fraction`` is that of the instance. ``reason`` says why there is no estimate.
    ``confidence`` is the estimate's own, 0 for a miss. ``scale`` (3,) factors of the instance and
    ``estimated_scale`` of the estimate, along the axes of the model; ``size`` is scored where
    either is not 1.
    """

    frame: int
    ground_truth: Pose
    visible_fraction: float
    estimate: Pose | None
    reason: str
    pose: PoseError
    bop: BopError
    confidence: float = 0.0
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    estimated_scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    size: SizeError | None = None


class TargetModel:
    """A class whose poses are measured.

    Raises DatasetError for a model without a mesh.
    """

    def __init__(self, model: ObjectModel) -> None:
        self.name = model.name
        self.points = PointModel.of_object(model)
        self.symmetries = symmetry_transforms(model.symmetry, SYMMETRY_STEPS)
        # The largest distance between two poses of a body occurs at a corner of its hull; MSPD, of
        # projections, at a point nearby.
        self.extremes = np.concatenate([model.hull, self.points.points])
        self._mesh = model.mesh()
        self.size = np.ptp(self._mesh[0], axis=0)
        self.box_center = self._mesh[0].min(axis=0) + self.size / 2
        try:
            self.renderer = DepthRenderer(*self._mesh)
        except ValueError as error:
            raise DatasetError(f"class '{model.name}': {error}") from error

    def scaled(self, scale: np.ndarray) -> TargetModel:
        """The model of an instance that is larger by (3,) factors along the axes."""
        if np.allclose(scale, 1.0):
            return self
        model = copy(self)
        model.points = self.points.scaled(scale)
        model.symmetries = [*scaled_symmetries(np.stack(self.symmetries), scale)]
        model.extremes = self.extremes * scale
        model.size, model.box_center = self.size * scale, self.box_center * scale
        vertices, faces = self._mesh
        model.renderer = DepthRenderer(vertices * scale, faces)
        return model

    def box_pose(self, pose: Pose) -> Pose:
        """The pose of the center of the model's box."""
        rotation, translation = pose
        return rotation, rotation @ self.box_center + translation


class PoseTarget:
    """A ground-truth instance whose pose is to be estimated ("target" as in BOP).

    ``measured`` (H, W) distances from the camera center in metres, 0 unknown (``distances`` of the
    depth image). ``silhouette_pixels`` is what would be seen of the instance if nothing stood
    before it.
    """

    def __init__(
        self,
        model: TargetModel,
        ground_truth: GroundTruthInstance,
        measured: np.ndarray,
        intrinsics: Intrinsics,
    ) -> None:
        self.model, self.scale = model.scaled(ground_truth.scale), ground_truth.scale
        self._of_class = model
        self.ground_truth: Pose = ground_truth.rotation, ground_truth.translation
        self.visible_fraction = ground_truth.visible_fraction
        self._measured = measured
        self._intrinsics = intrinsics
        depth, self.silhouette_pixels = self.model.renderer.render(*self.ground_truth, intrinsics)
        self._rendered = distances(depth, intrinsics)

    def match(
        self,
        frame: int,
        estimate: Pose | None,
        reason: str = "",
        confidence: float = 0.0,
        estimated_size: np.ndarray | None = None,
    ) -> PoseMatch:
        """Errors of an ``estimate``, which has a ``confidence``, or of a miss without one.

        ``estimated_size`` (3,) metres where the size is not taken as that of the class. Poses are
        measured by the model of the true size.
        """
        estimated_scale = np.ones(3)
        if estimated_size is not None:
            estimated_scale = estimated_size / np.maximum(self._of_class.size, 1e-9)
        pose_error = self.model.points.pose_error(self.model.name, self.ground_truth, estimate)
        return PoseMatch(
            frame,
            self.ground_truth,
            self.visible_fraction,
            estimate,
            reason if estimate is None else "",
            pose_error,
            self._bop_error(estimate),
            confidence if estimate is not None else 0.0,
            self.scale,
            estimated_scale,
            self._size_error(estimate, estimated_scale, pose_error, confidence),
        )

    def _size_error(
        self, estimate: Pose | None, scale: np.ndarray, pose: PoseError, confidence: float
    ) -> SizeError | None:
        """None where nobody says that the instance is not as large as its class."""
        if np.allclose(self.scale, 1.0) and np.allclose(scale, 1.0):
            return None
        if estimate is None:
            return SizeError(self.model.name)
        truth = nearest_equivalent(estimate, self.ground_truth, self.model.points.symmetries)
        # Boxes stand about their own centers, which are scaled with the models.
        rotation, translation = estimate
        center = rotation @ (self._of_class.box_center * scale) + translation
        size = self._of_class.size * scale
        return SizeError(
            self.model.name,
            relative_size_error(size, self.model.size),
            box_iou((rotation, center), size, self.model.box_pose(truth), self.model.size),
            pose.rotation,
            pose.translation,
            confidence,
        )

    def _bop_error(self, estimate: Pose | None) -> BopError:
        name, width = self.model.name, self._intrinsics.width
        if estimate is None:
            return BopError(name, width)

        poses = self.model.extremes, estimate, self.ground_truth, self.model.symmetries
        return BopError(
            name,
            width,
            self._vsd(estimate),
            mssd(*poses) / self.model.points.diameter,
            mspd(*poses, self._intrinsics),
        )

    def _vsd(self, estimate: Pose) -> np.ndarray:
        depth, _ = self.model.renderer.render(*estimate, self._intrinsics)
        return vsd(
            self._measured,
            distances(depth, self._intrinsics),
            self._rendered,
            FRACTIONS * self.model.points.diameter,
        )


def distances(depth: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W) distances from the camera center of a (H, W) depth image; metres, 0 unknown."""
    return np.linalg.norm(back_project(depth, intrinsics), axis=2)
