# SPDX-License-Identifier: Apache-2.0
"""A pose model: both networks with the table of its objects, as one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from perception_kit.networks.model_file import load_weights, read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.densefusion.architectures import ARCHITECTURES, Estimator
from pose6d_node.densefusion.crops import OBJECT_FRAME
from pose6d_node.densefusion.object_table import check_table, object_table, surface_table
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE, PoseModelSpec
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.size_net import SizeNet
from pose6d_node.registration.placement import Surfaces

if TYPE_CHECKING:
    from perception_kit.datasets.object_model import ObjectModel

KIND = "pose"


class PoseModel(nn.Module):
    """Estimator, refiner and object table.

    ``model_points`` (C, 1000, 3) metres, ``diameters`` (C,) metres, ``symmetric`` (C,) bool,
    ``symmetries`` (C, K, 4, 4) metres, K being the largest number of any class; others repeat the
    identity. ``surfaces`` are the points with their normals and colors, None in files that do not
    hold them: of earlier versions, and of objects without triangles. A model without
    trained classes has neither ``estimator`` nor ``refiner``; one that does not estimate sizes
    has no ``size_network``.
    """

    estimator: Estimator
    refiner: PoseRefineNet
    size_network: SizeNet
    model_points: Tensor
    diameters: Tensor
    symmetric: Tensor
    symmetries: Tensor
    model_normals: Tensor | None
    model_colors: Tensor | None

    def __init__(
        self,
        spec: PoseModelSpec,
        model_points: Tensor,
        normals_and_colors: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        if spec.num_trained:
            self._build_networks(spec)

        # The object table. Only the points are tensors of the file; its metadata has the rest.
        self.register_buffer("model_points", model_points)
        normals, colors = normals_and_colors or (None, None)
        self.register_buffer("model_normals", normals)
        self.register_buffer("model_colors", colors)
        self.register_buffer("diameters", torch.tensor(spec.diameters), persistent=False)
        self.register_buffer("symmetric", torch.tensor(spec.symmetric), persistent=False)
        most = max(len(transforms) for transforms in spec.symmetries)
        padded = [
            transforms + transforms[:1] * (most - len(transforms)) for transforms in spec.symmetries
        ]
        self.register_buffer("symmetries", torch.tensor(padded), persistent=False)

    def _build_networks(self, spec: PoseModelSpec) -> None:
        self.estimator, widths = ARCHITECTURES[spec.architecture](spec.num_trained)
        self.refiner = PoseRefineNet(spec.num_trained, self.estimator.refiner_inputs, widths)

        # A third faster on a CPU with the channels last.
        color_network = self.estimator.cnn
        color_network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's hints lack this form
        if spec.estimates_sizes:
            groups = torch.tensor(spec.axis_groups)
            self.size_network = SizeNet(color_network.embedding_size, groups)

    @classmethod
    def for_objects(
        cls,
        objects: Sequence[ObjectModel],
        architecture: str,
        size_variation: str = KNOWN_SIZE,
        size_range: Sequence[float] = (1.0, 1.0),
    ) -> PoseModel:
        """A new model of ``objects``, which must have meshes, to be trained."""
        spec = replace(
            PoseModelSpec.for_objects(objects, architecture),
            size_variation=size_variation,
            size_range=[*size_range],
        )
        fresh = cls(spec, *object_table(objects))
        fresh.initialize()
        return fresh

    @classmethod
    def untrained(cls, objects: Sequence[ObjectModel]) -> PoseModel:
        """A model of the surfaces of ``objects`` without networks.

        Raises DatasetError for objects without triangles.
        """
        spec = PoseModelSpec.for_objects(objects, next(iter(ARCHITECTURES)))
        points, *surfaces = surface_table(objects)
        return cls(replace(spec, num_untrained=len(objects)), points, surfaces).eval()

    @property
    def surfaces(self) -> Surfaces | None:
        """Points, normals and colors of all classes, where the file holds them."""
        if self.model_normals is None or self.model_colors is None:
            return None
        colors = self.model_colors.float() / 255
        return Surfaces(self.model_points, self.model_normals, colors, self.diameters)

    def with_objects(self, objects: Sequence[ObjectModel]) -> PoseModel:
        """The same networks with the points, normals and colors of ``objects``, class by class."""
        return self._with_table(self.spec, *object_table(objects))

    def with_untrained(self, objects: Sequence[ObjectModel]) -> PoseModel:
        """The same networks and classes, and ``objects`` as untrained classes after these.

        Raises ValueError for a model without surfaces, DatasetError for an object without
        triangles.
        """
        if self.model_normals is None or self.model_colors is None:
            raise ValueError("the model holds no surfaces of its present classes")
        added = PoseModelSpec.for_objects(objects, self.spec.architecture)
        spec = replace(
            self.spec,
            class_names=self.spec.class_names + added.class_names,
            diameters=self.spec.diameters + added.diameters,
            sizes=self.spec.sizes + added.sizes,
            symmetries=self.spec.symmetries + added.symmetries,
            num_untrained=self.spec.num_untrained + len(objects),
        )
        present = self.model_points, self.model_normals, self.model_colors
        tables = zip(present, surface_table(objects), strict=True)
        points, *surfaces = (torch.cat(pair) for pair in tables)
        return self._with_table(spec, points, surfaces)

    def _with_table(
        self, spec: PoseModelSpec, points: Tensor, surfaces: Sequence[Tensor] | None
    ) -> PoseModel:
        """The same networks with another object table."""
        model = PoseModel(spec, points, surfaces)
        if spec.num_trained:
            model.estimator, model.refiner = self.estimator, self.refiner
        if spec.num_trained and spec.estimates_sizes:
            model.size_network = self.size_network
        return model.eval()

    @torch.no_grad()
    def initialize(self) -> None:
        """Weights to start training from (He et al. 2015); the refiner starts by correcting little.

        PyTorch's default would shrink the signal by half in each of these layers, most of which
        have no normalisation.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

        # Small residuals, about the identity quaternion.
        for last in (self.refiner.conv3_r, self.refiner.conv3_t):
            last.weight.mul_(0.1)
        self.refiner.conv3_r.bias.view(-1, 4)[:, 0] = 1.0
        if self.spec.estimates_sizes:
            self.size_network.initialize()

    def save(self, path: str | Path, training: dict[str, Any]) -> None:
        """Write the model file; ``training`` says how it was trained."""
        save_model(path, KIND, self.state_dict(), {**asdict(self.spec), "training": training})

    @classmethod
    def load(cls, path: str | Path) -> PoseModel:
        """The model of a file, ready for inference on the CPU.

        Raises ModelFileError where the file does not fit.
        """
        tensors, metadata = read_model(path, KIND)
        # What the files of earlier versions do not say, because there was nothing else.
        metadata.setdefault("input_frame", OBJECT_FRAME)
        metadata.setdefault("num_untrained", 0)
        metadata.setdefault("bfloat16", False)
        metadata.setdefault("size_variation", KNOWN_SIZE)
        metadata.setdefault("size_range", [1.0, 1.0])

        try:
            names = [entry.name for entry in fields(PoseModelSpec)]
            spec = PoseModelSpec(**{name: metadata[name] for name in names})
            check_table(tensors, len(spec.class_names))
            has_surfaces = "model_normals" in tensors and "model_colors" in tensors
            surfaces = (tensors["model_normals"], tensors["model_colors"]) if has_surfaces else None
            model = cls(spec, tensors["model_points"], surfaces)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"'{path}' is a pose model that this version cannot read ({error}): train or"
                " convert it again"
            ) from error
        load_weights(model, tensors, path)
        return model.eval()
