# SPDX-License-Identifier: Apache-2.0
"""The endless stream of augmented training clips: clip number n of a seed is always the same, so that a resumed run goes on exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actionrec_node.augmentation import Mode, augment, random_crop
from actionrec_node.data import MIN_ACTION_FRAMES, LabelledVideo, cut_clip, list_windows

Balance = Literal["sampling", "weights", "none"]
MAX_SPEED_CHANGE = 0.15


@dataclass(frozen=True)
class ClipSettings:
    """``size`` is the side of a clip's frames in pixels."""

    clip_length: int
    size: int
    augmentation: Mode
    balance: Balance
    seed: int


class TrainingClips(Dataset[tuple[Tensor, int]]):
    """Item n: a clip (T, size, size, 3) uint8, cropped, re-timed and augmented by draws that depend on (seed, n) alone, and its label.

    With ``balance="sampling"`` every class is drawn equally often, otherwise every window is. Raises ValueError where a class has no
    window to train on.
    """

    def __init__(self, videos: Sequence[LabelledVideo], class_names: Sequence[str], settings: ClipSettings) -> None:
        self._videos, self._settings = videos, settings
        self._windows = list_windows(videos, settings.clip_length, min_action_frames=MIN_ACTION_FRAMES)
        self.counts = np.bincount(self._windows.label, minlength=len(class_names))
        empty = [name for name, count in zip(class_names, self.counts, strict=True) if count == 0]
        if empty:
            raise ValueError(f"no training window of {settings.clip_length} frames ends in {empty}: add videos of these classes")
        self._of_class = [np.flatnonzero(self._windows.label == index) for index in range(len(class_names))]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng((self._settings.seed, number))
        if self._settings.balance == "sampling":
            choices = self._of_class[rng.integers(len(self._of_class))]
            index = choices[rng.integers(len(choices))]
        else:
            index = rng.integers(len(self._windows))
        frames = self._videos[self._windows.video[index]].frames
        speed = rng.uniform(1 - MAX_SPEED_CHANGE, 1 + MAX_SPEED_CHANGE)
        clip = cut_clip(frames, int(self._windows.end[index]), self._settings.clip_length, speed)
        clip = augment(random_crop(clip, self._settings.size, rng), rng, self._settings.augmentation)
        return torch.from_numpy(clip), int(self._windows.label[index])


def inverse_frequency_weights(counts: np.ndarray) -> Tensor:
    """Loss weight of each class, ``w_c = min(n) / n_c`` for n windows: inverse class frequency, scaled so that the rarest class has 1."""
    return torch.from_numpy(counts.min() / counts).float()


def _range_from(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


class _CountFrom:
    """Sampler: first, first + 1, ... without end."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return _range_from(self._first)


def batches(clips: TrainingClips, batch_size: int, first_step: int, workers: int) -> DataLoader:
    """Batches from ``first_step`` on, without end: clips (N, T, size, size, 3) uint8 and labels (N,)."""
    return DataLoader(clips, batch_size, sampler=_CountFrom(first_step * batch_size), num_workers=workers)
