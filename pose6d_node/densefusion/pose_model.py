# SPDX-License-Identifier: Apache-2.0
"""A pose model: both networks with the table of its objects, as one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from perception_kit.datasets.mesh_folder import read_all
from perception_kit.datasets.scaling import SizeVariation, axis_groups
from perception_kit.networks.model_file import load_weights, read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.densefusion.compact_color_net import CompactColorNet
from pose6d_node.densefusion.coordinate_net import CoordinateNet
from pose6d_node.densefusion.crops import INPUT_FRAMES, OBJECT_FRAME
from pose6d_node.densefusion.pose_net import PUBLISHED_WIDTHS, PoseNet, Widths
from pose6d_node.densefusion.psp_net import PSPNet
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.size_net import SizeNet
from pose6d_node.registration.placement import Surfaces

if TYPE_CHECKING:
    from perception_kit.datasets.object_model import ObjectModel

KIND = "pose"
KNOWN_SIZE = "known"
SIZE_VARIATIONS = (KNOWN_SIZE, "uniform", "axes")
MODEL_POINTS = 1000  # points on the surface of each object that a model file holds

# About half of the published widths: what two CPU cores can train.
COMPACT_WIDTHS = Widths(
    local=(32, 64), pooled=(256, 512), head=(192, 128, 64), refiner_head=(256, 64)
)
Estimator = PoseNet | CoordinateNet
ARCHITECTURES: dict[str, tuple[Callable[[int], Estimator], Widths]] = {
    "densefusion": (
        lambda num_classes: PoseNet(PSPNet(), num_classes),
        PUBLISHED_WIDTHS,
    ),
    "densefusion_compact": (
        lambda num_classes: CoordinateNet(CompactColorNet(), num_classes, COMPACT_WIDTHS),
        COMPACT_WIDTHS,
    ),
}


@dataclass
class PoseModelSpec:
    """Metadata of a pose model file; lists run over the classes, lengths are in metres.

    ``symmetries`` holds each class's (4, 4) transforms of the model onto itself, row by row, the
    identity first. ``crop_size`` (a multiple of 8) and ``crop_margin`` say how instances are cut
    out, ``num_points`` how many points of each the networks see, ``input_frame`` in which frame
    (see ``make_inputs``). The networks know all classes but the last ``num_untrained``.
    ``bfloat16``: it was measured that poses are as good in bfloat16.

    ``size_variation`` says by how many factors instances differ from the model of their class: by
    none, or by a "uniform" one or one for each of the "axes" within ``size_range``, which a size
    network estimates. Raises ValueError for values that no model has.
    """

    class_names: list[str]
    diameters: list[float]
    sizes: list[list[float]]
    symmetries: list[list[list[list[float]]]] = field(repr=False)
    architecture: str = "densefusion_compact"
    crop_size: int = 64
    crop_margin: float = 1.25
    num_points: int = 256
    input_frame: str = OBJECT_FRAME
    num_untrained: int = 0
    bfloat16: bool = False
    size_variation: str = KNOWN_SIZE
    size_range: list[float] = field(default_factory=lambda: [1.0, 1.0])

    def __post_init__(self) -> None:
        count = len(self.class_names)
        is_complete = count == len(self.diameters) == len(self.sizes) == len(self.symmetries) > 0
        if not (is_complete and min(self.diameters) > 0):
            raise ValueError(
                f"{count} classes need as many diameters above 0 (got {self.diameters}), sizes and"
                " symmetries"
            )
        if not 0 <= self.num_untrained <= count:
            raise ValueError(f"{self.num_untrained} of {count} classes are said to be untrained")

        if self.crop_size < 8 or self.crop_size % 8 or self.num_points < 1:
            raise ValueError(
                f"crops of {self.crop_size} pixels, expected a multiple of 8, and {self.num_points}"
                " points, expected 1 or more"
            )
        if self.input_frame not in INPUT_FRAMES:
            raise ValueError(
                f"unknown input frame '{self.input_frame}': expected one of {INPUT_FRAMES}"
            )
        self._check_sizes()
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"unknown pose architecture '{self.architecture}': expected one of"
                f" {sorted(ARCHITECTURES)}"
            )

    def _check_sizes(self) -> None:
        if self.size_variation not in SIZE_VARIATIONS:
            raise ValueError(
                f"unknown size variation '{self.size_variation}': expected one of {SIZE_VARIATIONS}"
            )
        low, high = self.size_range
        if not 0 < low <= high:
            raise ValueError(f"sizes between {low} and {high}: expected the smallest factor first")
        if self.estimates_sizes and self.input_frame != OBJECT_FRAME:
            raise ValueError(
                f"sizes are estimated in the input frame '{OBJECT_FRAME}' only, not in"
                f" '{self.input_frame}'"
            )

    @property
    def estimates_sizes(self) -> bool:
        """Whether instances of a trained class differ in size."""
        return self.size_variation != KNOWN_SIZE

    @property
    def axis_groups(self) -> list[list[int]]:
        """Of each trained class the ``axis_groups`` of its axes."""
        variation: SizeVariation = "uniform" if self.size_variation == "uniform" else "axes"
        return [
            axis_groups(np.array(transforms)[:, :3, :3], variation).tolist()
            for transforms in self.symmetries[: self.num_trained]
        ]

    @property
    def num_trained(self) -> int:
        """How many classes the networks know: the first ones."""
        return len(self.class_names) - self.num_untrained

    @property
    def symmetric(self) -> list[bool]:
        """Classes that at least one transform besides the identity maps onto themselves."""
        return [len(transforms) > 1 for transforms in self.symmetries]

    @classmethod
    def for_objects(cls, objects: Sequence[ObjectModel], architecture: str) -> PoseModelSpec:
        """Specification of a new model of ``objects``."""
        return cls(
            class_names=[model.name for model in objects],
            diameters=[model.diameter for model in objects],
            sizes=[model.size.tolist() for model in objects],
            symmetries=[
                [transform.tolist() for transform in model.symmetries] for model in objects
            ],
            architecture=architecture,
        )


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
        make_estimator, widths = ARCHITECTURES[spec.architecture]
        self.estimator = make_estimator(spec.num_trained)
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


def check_table(tensors: Mapping[str, Tensor], classes: int) -> None:
    """Raises ValueError unless each class has as many points in space, and surfaces to match."""
    shape = tuple(tensors["model_points"].shape)
    if len(shape) != 3 or shape[0] != classes or shape[1] < 1 or shape[2] != 3:
        raise ValueError(f"model_points have the shape {shape}, expected ({classes}, points, 3)")
    for name in ("model_normals", "model_colors"):
        if name in tensors and (found := tuple(tensors[name].shape)) != shape:
            raise ValueError(f"{name} have the shape {found}, expected {shape}")


def object_table(
    objects: Sequence[ObjectModel],
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """(C, 1000, 3) points of the objects' surfaces in metres; with them their normals and uint8
    colors, unless one of the objects has no triangles. Raises DatasetError listing the objects
    whose meshes cannot be used.
    """
    sampled = read_all(lambda model: model.points(MODEL_POINTS), objects)
    points = torch.stack([torch.from_numpy(sample) for sample in sampled])
    if any(len(model.mesh()[1]) == 0 for model in objects):
        return points, None
    points, normals, colors = surface_table(objects)
    return points, (normals, colors)


def surface_table(objects: Sequence[ObjectModel]) -> tuple[Tensor, Tensor, Tensor]:
    """(C, 1000, 3) points of the objects' surfaces in metres, their normals and uint8 colors.

    An object without colors is gray: as the light is fitted, all poses agree with the colors alike,
    and the depth alone tells them apart. Raises DatasetError for objects without triangles.
    """
    samples = read_all(lambda model: model.surface(MODEL_POINTS), objects)
    gray = np.full((MODEL_POINTS, 3), 0.5, np.float32)
    colors = [gray if sample.colors is None else sample.colors for sample in samples]
    return (
        torch.from_numpy(np.stack([sample.points for sample in samples])),
        torch.from_numpy(np.stack([sample.normals for sample in samples])),
        torch.from_numpy((np.stack(colors) * 255).round().astype(np.uint8)),
    )
