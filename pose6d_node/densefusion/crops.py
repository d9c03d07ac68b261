# SPDX-License-Identifier: Apache-2.0
"""Square RGB-D crops of instances, and the inputs of the networks made of them.

The points are given to the networks in a frame of their own: its origin is the median of the
instance's points, its z axis the viewing ray through it, its unit the diameter of the object's
class. So the networks need not learn where in the image or how large an object is. Networks
converted from the published checkpoints are given them in the camera frame, as they were trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from perception_kit.types import Intrinsics
from pose6d_node.densefusion.rotations import viewing_rotation

MIN_POINTS = 50  # known depths in a mask; fewer say too little about a pose
MAX_DEPTH = 50.0  # metres; RGB-D cameras see no further, and larger values count as unknown
OBJECT_FRAME, CAMERA_FRAME = INPUT_FRAMES = ("object", "camera")

# Mean and standard deviation of ImageNet's colours in [0, 1], as the published networks use them.
COLOR_MEAN = (0.485, 0.456, 0.406)
COLOR_STD = (0.229, 0.224, 0.225)


@dataclass
class Crops:
    """B instances cut out of their images as S x S pixels.

    ``color`` (B, S, S, 3) uint8; ``depth`` (B, S, S) float32 metres, 0 unknown; ``mask`` (B, S, S)
    bool; ``window`` (B, 3) int64: left, top and side of the cut square in image pixels; ``camera``
    (B, 4) float32: fx, fy, cx, cy; ``class_index`` (B,) int64 from 0. Depth and mask are taken from
    the nearest image pixel, so that points stay exact.
    """

    color: Tensor
    depth: Tensor
    mask: Tensor
    window: Tensor
    camera: Tensor
    class_index: Tensor

    def __len__(self) -> int:
        return len(self.class_index)

    def select(self, index: Tensor) -> Crops:
        """The crops at ``index``."""
        return Crops(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> Crops:
        """The crops on ``device``."""
        return Crops(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @staticmethod
    def concatenate(batches: Sequence[Crops]) -> Crops:
        """One batch of several."""
        names = [field.name for field in fields(Crops)]
        return Crops(
            **{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names}
        )

    def zoomed(self, factor: Tensor) -> Crops:
        """The crops with everything seen (B,) times as large and as far away."""
        return replace(self, depth=self.depth * factor.view(-1, 1, 1))

    def measured(self) -> Tensor:
        """(B, S, S) bool: where the mask has a known depth."""
        return self.mask & (self.depth > 0)

    def points(self) -> Tensor:
        """(B, S, S, 3) camera-frame points in metres; (0, 0, 0) where the depth is unknown."""
        left, top, side = self.window.unsqueeze(2).unbind(1)
        steps = nearest_pixels(self.depth.shape[1], side)

        # The pinhole model: x = (u - cx) / fx * z, y = (v - cy) / fy * z.
        fx, fy, cx, cy = self.camera.unsqueeze(2).unbind(1)
        x = ((left + steps - cx) / fx).unsqueeze(1) * self.depth
        y = ((top + steps - cy) / fy).unsqueeze(2) * self.depth
        return torch.stack([x, y, self.depth], dim=-1)


@dataclass
class NetworkInputs:
    """What the networks see of B instances, and how to return from there to the camera frame.

    ``image`` (B, 3, S, S) normalised colour, 0 outside the mask; ``cloud`` (B, N, 3) points in the
    networks' frame; ``pixels`` (B, N, 2) their places in the crop, -1..1; ``class_index`` (B,). The
    networks' frame: ``view`` (B, 3, 3) its axes in the camera frame, ``center`` (B, 3) its origin
    in metres, ``scale`` (B,) its unit in metres.
    """

    image: Tensor
    cloud: Tensor
    pixels: Tensor
    class_index: Tensor
    view: Tensor
    center: Tensor
    scale: Tensor

    def points(self) -> Tensor:
        """(B, N, 3) ``cloud`` in the camera frame, metres."""
        return self.center.unsqueeze(1) + self.scale.view(-1, 1, 1) * (self.cloud @ self.view.mT)

    def with_unit(self, unit: Tensor) -> NetworkInputs:
        """The same points in another unit (B,), metres."""
        return replace(self, cloud=self.cloud * (self.scale / unit).view(-1, 1, 1), scale=unit)

    def to_network_frame(self, rotation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (B, 3, 3), (B, 3) from the camera frame (metres) to the networks' frame."""
        moved = (translation - self.center) / self.scale.unsqueeze(1)
        return self.view.mT @ rotation, (self.view.mT @ moved.unsqueeze(2)).squeeze(2)

    def to_camera_frame(self, rotation: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (B, 3, 3), (B, 3) from the networks' frame to the camera frame (metres)."""
        turned = (self.view @ translation.unsqueeze(2)).squeeze(2)
        return self.view @ rotation, self.center + self.scale.unsqueeze(1) * turned


def nearest_pixels(size: int, side: Tensor) -> Tensor:
    """(B, size) offsets of the image pixels nearest to a crop's pixels, for (B, 1) sides of it."""
    return ((torch.arange(size, device=side.device) + 0.5) * side / size).long()


def cut_crop(
    rgb: np.ndarray,
    depth: np.ndarray,
    intrinsics: Intrinsics,
    mask: np.ndarray,
    class_index: int,
    size: int,
    margin: float,
    origin: tuple[int, int] = (0, 0),
) -> Crops:
    """One crop of ``size`` pixels around a bool mask, whose top left corner is ``origin`` (x, y).

    The mask lies within the image. The square of the crop is ``margin`` times the longer side of
    the box of what is true in the mask. ``rgb`` (H, W, 3) uint8, ``depth`` (H, W) float32 metres (0
    or NaN unknown). Raises ValueError for an empty mask.
    """
    # The square around the mask's box; it may reach over the image's edge.
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    if width == 0:
        raise ValueError("the mask is empty: there is nothing to cut out")
    x, y = x + origin[0], y + origin[1]
    side = max(int(np.ceil(margin * max(width, height))), 2)
    left, top = x + (width - side) // 2, y + (height - side) // 2

    # The image pixel that each pixel of the crop takes its depth and mask from.
    steps = nearest_pixels(size, torch.tensor([[side]]))[0].numpy()
    rows, columns = top + steps, left + steps
    seen, inside = _pixels_at(depth, rows, columns)
    masked, covered = _pixels_at(mask, rows - origin[1], columns - origin[0])
    known = inside & (seen > 0) & (seen <= MAX_DEPTH)
    camera = [intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy]
    return Crops(
        color=torch.from_numpy(_resized_square(rgb, left, top, side, size)).unsqueeze(0),
        depth=torch.from_numpy(np.where(known, seen, 0).astype(np.float32)).unsqueeze(0),
        mask=torch.from_numpy(masked & covered).unsqueeze(0),
        window=torch.tensor([[left, top, side]]),
        camera=torch.tensor([camera], dtype=torch.float32),
        class_index=torch.tensor([class_index]),
    )


def _pixels_at(
    image: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, M) pixels of an image at N rows and M columns, and whether they are inside of it.

    Those that are not are taken from its edge.
    """
    height, width = image.shape
    rows_inside = (rows >= 0) & (rows < height)
    columns_inside = (columns >= 0) & (columns < width)
    nearest = np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))
    return image[nearest], rows_inside[:, None] & columns_inside[None, :]


def _resized_square(rgb: np.ndarray, left: int, top: int, side: int, size: int) -> np.ndarray:
    """(size, size, 3) colour of a square that may reach over the image's edge (black there)."""
    height, width = rgb.shape[:2]
    inside = rgb[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]

    before_y, before_x = max(-top, 0), max(-left, 0)
    after_y, after_x = max(top + side - height, 0), max(left + side - width, 0)
    square = cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_CONSTANT)

    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=interpolation)


def make_inputs(
    crops: Crops, diameters: Tensor, num_points: int, order: Tensor, input_frame: str = OBJECT_FRAME
) -> NetworkInputs:
    """Network inputs of B crops whose masks hold at least one known depth each.

    With ``input_frame`` ``CAMERA_FRAME`` they are those that the published checkpoints were trained
    on: points in the camera frame in metres, colour that is not masked, and from 0 to 255 when mean
    and deviation are taken out of it.

    ``diameters`` (C,) of the classes in metres. ``order`` (B or 1, S * S) random numbers decide
    which points are taken: the same numbers take the same points whatever else is in the batch.
    Where there are fewer than ``num_points``, they repeat.
    """
    points = crops.points().flatten(1, 2)
    measured = crops.measured().flatten(1)
    center = points.masked_fill(~measured.unsqueeze(2), torch.nan).nanmedian(dim=1).values
    scale = diameters[crops.class_index]

    # What is further away than the object is long belongs to something else that the mask spilled
    # over. The nearest point always stays.
    distance = (points - center.unsqueeze(1)).norm(dim=2)
    nearest = distance.masked_fill(~measured, torch.inf).amin(dim=1)
    is_near = distance <= torch.maximum(scale, nearest).unsqueeze(1)

    # Take N of the points, and their positions in the crop.
    size = crops.depth.shape[1]
    chosen = _choose_points(measured & is_near, num_points, order)
    cloud = points.gather(1, chosen.unsqueeze(2).expand(-1, -1, 3))
    pixels = (2 * torch.stack([chosen % size, chosen // size], dim=2) + 1) / size - 1

    mean, deviation = (
        crops.color.new_tensor(values, dtype=torch.float32) for values in (COLOR_MEAN, COLOR_STD)
    )
    if input_frame == CAMERA_FRAME:
        return NetworkInputs(
            image=((crops.color - mean) / deviation).permute(0, 3, 1, 2),
            cloud=cloud,
            pixels=pixels,
            class_index=crops.class_index,
            view=torch.eye(3, device=cloud.device).expand(len(crops), 3, 3),
            center=torch.zeros_like(center),
            scale=torch.ones_like(scale),
        )

    view = viewing_rotation(center)
    color = (crops.color / 255 - mean) / deviation * crops.mask.unsqueeze(3)
    return NetworkInputs(
        image=color.permute(0, 3, 1, 2),
        cloud=((cloud - center.unsqueeze(1)) / scale.view(-1, 1, 1)) @ view,
        pixels=pixels,
        class_index=crops.class_index,
        view=view,
        center=center,
        scale=scale,
    )


def point_order(crop_size: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """(1, crop_size ** 2) random numbers that say in which order a crop's points are taken."""
    return torch.rand(1, crop_size**2, generator=torch.Generator().manual_seed(seed)).to(device)


def _choose_points(valid: Tensor, count: int, order: Tensor) -> Tensor:
    """(B, count) indices of true entries of (B, P) ``valid``, those with the largest ``order``.

    They repeat where there are fewer than ``count``.
    """
    ranks = order.expand_as(valid).masked_fill(~valid, -1.0)
    ranked = ranks.topk(min(count, valid.shape[1]), dim=1).indices
    available = valid.sum(dim=1, keepdim=True).clamp(max=ranked.shape[1])
    return ranked.gather(1, torch.arange(count, device=valid.device) % available)
