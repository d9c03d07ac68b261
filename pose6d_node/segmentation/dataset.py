# SPDX-License-Identifier: Apache-2.0
"""Training data of the segmentation: a dataset in memory at the network's input size.

It is augmented as it is read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.ops import masks_to_boxes
from tqdm import tqdm

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from pose6d_node.segmentation.augmentation import augment
from pose6d_node.segmentation.copy_paste import COUNT_ODDS, Frame, copy_paste
from pose6d_node.segmentation.depth_input import STEPS, depth_channel
from pose6d_node.segmentation.input_size import fitted_size, resize_color

# Instances of which less is visible, or is left at the network's input size, say too little about
# their class.
MIN_VISIBLE_FRACTION = 0.1
MIN_PIXELS = 20
MIN_SIDE = 3

# ImageNet's mean, which is 0 as the network sees it, like the border that torchvision adds to a
# batch.
EMPTY_COLOR = (124, 116, 104)


@dataclass
class AnnotatedFrames:
    """Annotated images in memory.

    ``rgb`` (N, H, W, 3) uint8; ``labels`` (N, H, W) uint8, 0 background; ``classes`` holds for each
    frame an array in which element k is the class label (1-based position in ``class_names``) of
    instance k, and 0 for the background and for instances to ignore. ``depth`` (N, H, W) int16 is
    ``depth_channel`` in steps of 1 / ``STEPS``, or None where the network sees colour only.
    """

    rgb: np.ndarray
    labels: np.ndarray
    depth: np.ndarray | None
    classes: list[np.ndarray]
    class_names: list[str]

    def image(self, index: int) -> torch.Tensor:
        """(3, H, W) float image in [0, 1], or (4, H, W) with depth, as the network takes it."""
        depth = None if self.depth is None else torch.from_numpy(self.depth[index])[None]
        return network_image(torch.from_numpy(self.rgb[index]).permute(2, 0, 1)[None], depth)[0]


def network_image(rgb: torch.Tensor, depth: torch.Tensor | None) -> torch.Tensor:
    """(N, 3 or 4, H, W) float images from colour and, where the network uses it, depth.

    ``rgb`` (N, 3, H, W) uint8, ``depth`` (N, H, W) int16 depth channels.
    """
    color = rgb.float() / 255
    return color if depth is None else torch.cat([color, depth[:, None].float() / STEPS], dim=1)


def load_frames(
    dataset: FrameDataset, size: tuple[int, int], with_depth: bool = False
) -> AnnotatedFrames:
    """Read all frames, fitted into ``size`` (width, height) at the top left.

    What they leave empty is ``EMPTY_COLOR`` and background of unknown depth. Instances less than
    10 % visible are marked to be ignored. Raises DatasetError, also where no frame shows an
    instance to learn from.
    """
    label_of = {class_id: number for number, class_id in enumerate(dataset.class_names, start=1)}
    width, height = size
    rgb = np.full((len(dataset), height, width, 3), EMPTY_COLOR, np.uint8)
    labels = np.zeros((len(dataset), height, width), np.uint8)
    depth = np.zeros((len(dataset), height, width), np.int16) if with_depth else None

    def load(index: int) -> np.ndarray:
        """Fill in the frame ``index``; returns the class label of each of its instances."""
        color, instance_labels = dataset.color_and_labels(index)
        fitted = fitted_size(color.shape[1], color.shape[0], size)
        filled = (index, slice(fitted[1]), slice(fitted[0]))
        rgb[filled] = resize_color(color, fitted)
        labels[filled] = cv2.resize(instance_labels, fitted, interpolation=cv2.INTER_NEAREST)

        if depth is not None:
            meters = dataset.depth(index)
            focal_length = dataset.intrinsics(index, *meters.shape).fx
            depth[filled] = depth_channel(meters, focal_length, fitted) * STEPS

        classes = np.zeros(256, np.int64)
        for number, instance in enumerate(dataset.instances(index), start=1):
            is_visible = instance.visible_fraction >= MIN_VISIBLE_FRACTION
            classes[number] = label_of[instance.class_id] * is_visible
        return classes

    with ThreadPoolExecutor(4) as pool:
        loaded = pool.map(load, range(len(dataset)))
        classes = list(tqdm(loaded, total=len(dataset), desc="reading frames", unit="frame"))

    if not any(shows_instance(*frame) for frame in zip(labels, classes, strict=True)):
        raise DatasetError(
            f"the {len(dataset)} frames of '{dataset.folder}', read at {width}x{height} pixels,"
            f" show no instance that is large enough to learn from ({MIN_PIXELS} pixels,"
            f" {MIN_VISIBLE_FRACTION:.0%} visible): check masks and visibility, or use larger"
            " images"
        )
    return AnnotatedFrames(rgb, labels, depth, classes, list(dataset.class_names.values()))


def shows_instance(labels: np.ndarray, classes: np.ndarray) -> bool:
    """Whether (H, W) ``labels`` hold an instance to learn from.

    ``classes`` (256,) gives the class of each label, 0 to ignore it.
    """
    return len(detection_target(torch.from_numpy(labels), torch.from_numpy(classes))["boxes"]) > 0


class TrainingSamples(Dataset):
    """``count`` augmented samples: shuffled passes over ``frames``, one after another.

    Sample n depends on ``seed`` and n alone, so that a resumed run goes on with the samples it
    would have seen. Where classes are ``categories``, such as people, images are mirrored, too, and
    instances of other images pasted in.
    """

    def __init__(
        self, frames: AnnotatedFrames, seed: int, start: int, count: int, categories: bool = False
    ) -> None:
        if categories and frames.depth is not None:
            raise ValueError("instances are pasted into color images only, got frames with depth")
        self.frames = frames
        self.categories = categories
        self.seed = seed
        self.start = start
        self.count = count
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        """The image (3, H, W) uint8, its labels (H, W) uint8 and the (256,) class of each label.

        With depth, its (H, W) channel follows.
        """
        # The frame: the pass over the data that this sample belongs to, and its place in it.
        frames, number = self.frames, self.start + index
        epoch, place = divmod(number, len(frames.classes))
        frame = self._order(epoch)[place]

        rng = np.random.default_rng((self.seed, number))
        depth = None if frames.depth is None else frames.depth[frame]
        rgb, labels, classes = self._frame(frame)
        if self.categories:
            donors = rng.integers(len(frames.classes), size=rng.choice(4, p=COUNT_ODDS))
            rgb, labels, classes = copy_paste(
                (rgb, labels, classes), [self._frame(donor) for donor in donors], rng
            )
            if rng.random() < 0.5:
                rgb, labels = rgb[:, ::-1].copy(), labels[:, ::-1].copy()
        rgb, labels, depth = augment(rgb, labels, depth, rng)

        sample = (
            torch.from_numpy(rgb).permute(2, 0, 1),
            torch.from_numpy(labels),
            torch.from_numpy(classes),
        )
        return sample if depth is None else (*sample, torch.from_numpy(depth))

    def _frame(self, index: int) -> Frame:
        frames = self.frames
        return frames.rgb[index], frames.labels[index], frames.classes[index]

    def _shuffle(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, 1 << 40, epoch))
        return rng.permutation(len(self.frames.classes))


def detection_target(labels: torch.Tensor, classes: torch.Tensor) -> dict[str, torch.Tensor]:
    """torchvision's target of one image.

    ``boxes`` (N, 4), ``labels`` (N,) and ``masks`` (N, H, W) uint8, of the instance ``labels``
    (H, W) and the ``classes`` (256,) of each label. Instances too small to learn from are left out.
    Boxes end one pixel after the last pixel of the mask: their width is the mask's.
    """
    # Masks with enough pixels.
    values = torch.nonzero(classes).squeeze(1)
    masks = labels[None] == values[:, None, None].to(labels.dtype)
    is_large = masks.sum(dim=(1, 2)) >= MIN_PIXELS
    masks, values = masks[is_large], values[is_large]

    # Boxes with sides that are long enough.
    boxes = masks_to_boxes(masks) if len(masks) else torch.zeros((0, 4), device=labels.device)
    boxes[:, 2:] += 1
    is_wide = ((boxes[:, 2:] - boxes[:, :2]) >= MIN_SIDE).all(dim=1)

    return {
        "boxes": boxes[is_wide],
        "labels": classes[values[is_wide]],
        "masks": masks[is_wide].to(torch.uint8),
    }
