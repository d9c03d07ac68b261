# SPDX-License-Identifier: Apache-2.0
"""Reader of BOP folders (Hodaň et al., "BOP: Benchmark for 6D Object Pose Estimation", ECCV 2018).

Files are in millimetres by the definition of the format; everything returned here is in metres.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import pose_matrix
from perception_kit.types import Intrinsics

MILLIMETRE = 1e-3


class BopError(ValueError):
    """A BOP folder lacks a file or a key, or two of its files disagree. The message names the file."""


@dataclass
class ObjectModel:
    """One object class: extents in metres and its symmetries.

    ``size`` (3,) extents of the model's axis-aligned box. ``symmetries`` are (4, 4) transforms of the model onto itself (metres), the
    identity first; continuous ones come as equal rotation steps. An articulated object has no rigid mesh: ``mesh_path`` is None and the
    extents are 0 where models_info.json does not state them.
    """

    class_id: int
    name: str
    diameter: float
    size: np.ndarray
    symmetries: list[np.ndarray]
    articulated: bool
    mesh_path: Path | None = None
    _mesh: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    @property
    def symmetric(self) -> bool:
        """True where at least one transform other than the identity maps the model onto itself."""
        return len(self.symmetries) > 1

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (V, 3) float64 in metres and triangles (F, 3) int.

        Raises BopError where the object is articulated or the mesh's unit contradicts ``size``.
        """
        if self.mesh_path is None:
            raise BopError(f"object {self.class_id} ('{self.name}') is articulated: it has no rigid mesh")
        if self._mesh is None:
            self._mesh = _read_ply(self.mesh_path)
            extent = np.ptp(self._mesh[0], axis=0)
            if not np.allclose(extent, self.size, rtol=0.1, atol=0.002):
                raise BopError(
                    f"'{self.mesh_path}' is {_in_mm(extent)} mm in size, but models_info.json says {_in_mm(self.size)} mm: "
                    "BOP models are in millimetres; scale the mesh or correct models_info.json"
                )
        return self._mesh

    def points(self, count: int, seed: int = 0) -> np.ndarray:
        """(count, 3) float32 points in metres, spread evenly over the surface; the same seed gives the same points."""
        vertices, faces = self.mesh()
        rng = np.random.default_rng(seed)
        if len(faces) == 0:
            return vertices[rng.choice(len(vertices), count, replace=len(vertices) < count)].astype(np.float32)
        a, b, c = (vertices[faces[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        chosen = rng.choice(len(faces), count, p=area / area.sum())
        u, v = rng.random((2, count, 1))
        folded = u + v > 1  # a point of the parallelogram's other half, folded back into the triangle
        u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
        return (a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]).astype(np.float32)


@dataclass
class BopInstance:
    """Pose of one object in one frame: model to camera, metres. ``visible_fraction`` 0 to 1 of its silhouette is not occluded."""

    class_id: int
    rotation: np.ndarray
    translation: np.ndarray
    visible_fraction: float


@dataclass
class BopFrame:
    """One annotated RGB-D frame.

    ``rgb`` (H, W, 3) uint8; ``depth`` (H, W) float32 metres, 0 unknown; ``labels`` (H, W) uint8 with 0 for the background and k for
    ``instances[k - 1]`` (visible pixels only).
    """

    rgb: np.ndarray
    depth: np.ndarray
    intrinsics: Intrinsics
    labels: np.ndarray
    instances: list[BopInstance]


def read_models(folder: str | Path, continuous_steps: int = 36) -> dict[int, ObjectModel]:
    """Object classes of a BOP models folder (the one that holds ``models_info.json``), by class id in ascending order.

    A class without a ``name`` key (as in the published datasets) is called ``obj_000001``. Raises BopError for a missing file or key.
    """
    folder = Path(folder)
    path = folder / "models_info.json"
    models = {}
    for class_id, entry in sorted((int(key), value) for key, value in _read_json(path).items()):
        file = folder / f"obj_{class_id:06d}.ply"
        articulated = bool(entry.get("articulated", False))
        if not articulated and not file.is_file():
            raise BopError(f"'{path}' lists object {class_id}, but '{file}' does not exist")
        extents = {"diameter": 0.0, "size_x": 0.0, "size_y": 0.0, "size_z": 0.0, **entry} if articulated else entry
        models[class_id] = ObjectModel(
            class_id=class_id,
            name=entry.get("name", f"obj_{class_id:06d}"),
            diameter=float(_key(extents, "diameter", path)) * MILLIMETRE,
            size=np.array([_key(extents, f"size_{axis}", path) for axis in "xyz"], np.float32) * np.float32(MILLIMETRE),
            symmetries=symmetry_transforms(entry, continuous_steps),
            articulated=articulated,
            mesh_path=None if articulated else file,
        )
    return models


def symmetry_transforms(entry: dict[str, Any], continuous_steps: int = 36) -> list[np.ndarray]:
    """(4, 4) transforms in metres of one ``models_info.json`` entry: each discrete symmetry with each step of each continuous one."""
    discrete = [np.eye(4)]
    for values in entry.get("symmetries_discrete", []):
        matrix = np.array(values, float).reshape(4, 4)
        matrix[:3, 3] *= MILLIMETRE
        discrete.append(matrix)
    turns = [np.eye(4)]
    for symmetry in entry.get("symmetries_continuous", []):
        axis, offset = np.array(symmetry["axis"], float), np.array(symmetry["offset"], float) * MILLIMETRE
        axis /= np.linalg.norm(axis)
        for angle in 2 * np.pi * np.arange(1, continuous_steps) / continuous_steps:
            rotation = Rotation.from_rotvec(angle * axis).as_matrix()
            turns.append(pose_matrix(rotation, offset - rotation @ offset))
    return [turn @ flip for turn in turns for flip in discrete]


class BopDataset:
    """Frames of ``FOLDER/SPLIT/NNNNNN`` in ascending order, read from disk when asked for.

    Raises BopError where the folder is not a BOP split, and on access where a file of a frame is missing or does not fit.
    """

    def __init__(self, folder: str | Path, split: str = "train") -> None:
        self.folder = Path(folder)
        self.split = split
        scenes = sorted((self.folder / split).glob("[0-9]*/scene_gt.json"))
        if not scenes:
            raise BopError(f"'{self.folder}' is not a BOP folder: no '{split}/NNNNNN/scene_gt.json' in it")
        self._truth = {path.parent: _read_json(path) for path in scenes}
        self._info = {path.parent: _read_json(path.parent / "scene_gt_info.json") for path in scenes}
        self._camera = {path.parent: _read_json(path.parent / "scene_camera.json") for path in scenes}
        self._frames = [(scene, key) for scene, frames in self._truth.items() for key in sorted(frames, key=int)]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> BopFrame:
        rgb, depth = self.rgb(index), self.depth(index)
        if rgb.shape[:2] != depth.shape:
            scene, key = self._frames[index]
            raise BopError(f"frame {key} of '{scene}': colour is {rgb.shape[:2]} but depth is {depth.shape}; they must be aligned")
        return BopFrame(rgb, depth, self.intrinsics(index, *depth.shape), self.labels(index), self.instances(index))

    @cached_property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes of ``FOLDER/models``."""
        return read_models(self.folder / "models")

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        scene, key = self._frames[index]
        files = [scene / "rgb" / f"{int(key):06d}.{ending}" for ending in ("png", "jpg")]
        return cv2.cvtColor(_read_image(next((file for file in files if file.is_file()), files[0]), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        scene, key = self._frames[index]
        camera = _key(self._camera[scene], key, scene / "scene_camera.json")
        scale = np.float32(_key(camera, "depth_scale", scene / "scene_camera.json") * MILLIMETRE)
        return _read_image(scene / "depth" / f"{int(key):06d}.png", cv2.IMREAD_UNCHANGED).astype(np.float32) * scale

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        scene, key = self._frames[index]
        camera = _key(self._camera[scene], key, scene / "scene_camera.json")
        k = np.array(_key(camera, "cam_K", scene / "scene_camera.json"), float).reshape(3, 3)
        return Intrinsics(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1."""
        scene, key = self._frames[index]
        labels = None
        for number in range(len(self._truth[scene][key])):
            mask = _read_image(scene / "mask_visib" / f"{int(key):06d}_{number:06d}.png", cv2.IMREAD_GRAYSCALE)
            labels = np.zeros(mask.shape, np.uint8) if labels is None else labels
            labels[mask > 0] = number + 1
        return np.zeros(self.rgb(index).shape[:2], np.uint8) if labels is None else labels

    def instances(self, index: int) -> list[BopInstance]:
        """Poses of the frame's instances, in the order of ``labels``."""
        scene, key = self._frames[index]
        truth, info = self._truth[scene][key], _key(self._info[scene], key, scene / "scene_gt_info.json")
        if len(truth) != len(info):
            raise BopError(f"frame {key} of '{scene}': {len(truth)} instances in scene_gt.json, {len(info)} in scene_gt_info.json")
        path = scene / "scene_gt.json"
        return [
            BopInstance(
                class_id=int(_key(entry, "obj_id", path)),
                rotation=np.array(_key(entry, "cam_R_m2c", path), float).reshape(3, 3),
                translation=np.array(_key(entry, "cam_t_m2c", path), float) * MILLIMETRE,
                visible_fraction=float(_key(seen, "visib_fract", scene / "scene_gt_info.json")),
            )
            for entry, seen in zip(truth, info, strict=True)
        ]


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BopError(f"'{path}' does not exist: a BOP folder needs it")
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise BopError(f"'{path}' is not valid JSON ({error})") from error


def _key(entry: dict[str, Any], key: str, path: Path) -> Any:
    if key not in entry:
        raise BopError(f"'{path}' lacks the key '{key}' (it has {sorted(entry)[:12]})")
    return entry[key]


def _read_image(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags) if path.is_file() else None
    if image is None:
        raise BopError(f"image '{path}' is missing or cannot be decoded")
    return image


def _read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import open3d  # here because importing it takes seconds and the segmentation never needs it

    mesh = open3d.io.read_triangle_mesh(str(path))
    if not mesh.has_vertices():
        raise BopError(f"'{path}' holds no vertices or is not a PLY file")
    return np.asarray(mesh.vertices) * MILLIMETRE, np.asarray(mesh.triangles)


def _in_mm(extent: np.ndarray) -> str:
    return " x ".join(f"{value / MILLIMETRE:.1f}" for value in extent)
