# SPDX-License-Identifier: Apache-2.0
"""The endless stream of augmented training clips.

Clip number n of a seed is always the same, so that a resumed run goes on exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from actionrec_node.data import backgrounds
from actionrec_node.data.annotations import DataError
from actionrec_node.data.augmentation import augment, random_crop
from actionrec_node.data.backgrounds import Backgrounds
from actionrec_node.data.clip_settings import ClipSettings
from actionrec_node.data.crops import crop_clip
from actionrec_node.data.labeled_videos import (
    MIN_ACTION_FRAMES,
    LabeledVideo,
    clip_indices,
    list_windows,
)
from actionrec_node.networks.action_model import prepare_clip
from actionrec_node.networks.action_model_spec import ActionModelSpec

MAX_SPEED_CHANGE = 0.15
# Of the clips of a person whose boxes are known, this fraction shows them alone, the others the
# whole image: the live node has both.
PERSON_FRACTION = 0.5
CONTEXTS = (1.2, 1.9)  # around the node's default
BOX_NOISE = 0.05  # standard deviation of a detected box's edges as a fraction of the box's sides


class TrainingClips(Dataset[tuple[tuple[Tensor, ...], int]]):
    """Item n: a clip as the model's ``forward`` takes it, and its label.

    The clip (T, S, S, 3) is cropped, re-timed and augmented by draws that depend on (seed, n)
    alone; flow, where the network sees it, is made from the augmented clip. It shows the whole
    image, or the person as the live node crops them where their boxes are known. With
    ``balance="sampling"`` every class is drawn equally often, and of a class every data folder
    (``folders`` has its number by the path of the video) that has it: a few real people count as
    much as many rendered ones. Otherwise every window is. Raises DataError where a class has no
    window to train on.
    """

    def __init__(
        self,
        videos: Sequence[LabeledVideo],
        spec: ActionModelSpec,
        settings: ClipSettings,
        folders: Mapping[Path, int] | None = None,
        photographs: Backgrounds | None = None,
    ) -> None:
        self._videos, self._spec, self._settings = videos, spec, settings
        self._backgrounds = photographs
        self._windows = list_windows(
            [video.labels for video in videos],
            spec.clip_length,
            min_action_frames=MIN_ACTION_FRAMES,
        )

        # Windows of each class, of which every class needs some.
        self.counts = np.bincount(self._windows.label, minlength=len(spec.class_names))
        empty = [
            name for name, number in zip(spec.class_names, self.counts, strict=True) if number == 0
        ]
        if empty:
            raise DataError(
                f"no training window of {spec.clip_length} frames ends in {empty}:"
                " add videos of these classes"
            )
        folder = np.array([(folders or {}).get(video.path, -1) for video in videos])
        self._of_class = [
            _by_value(np.flatnonzero(self._windows.label == index), folder[self._windows.video])
            for index in range(len(spec.class_names))
        ]

    @property
    def epoch_clips(self) -> int:
        """Clips in an epoch: one for each labeled segment of a video."""
        return len(np.unique(self._windows.segment))

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, number: int) -> tuple[tuple[Tensor, ...], int]:
        rng = np.random.default_rng((self._settings.seed, number))

        # A window: of a random class, or any.
        if self._settings.balance == "sampling":
            in_folders = self._of_class[rng.integers(len(self._of_class))]
            choices = in_folders[rng.integers(len(in_folders))]
            index = choices[rng.integers(len(choices))]
        else:
            index = rng.integers(len(self._windows))
        video = self._videos[self._windows.video[index]]

        # Its frames, at a changed speed, cropped and augmented.
        speed = rng.uniform(1 - MAX_SPEED_CHANGE, 1 + MAX_SPEED_CHANGE)
        indices = clip_indices(int(self._windows.end[index]), self._spec.clip_length, speed)
        clip = augment(self._crop(video, indices, rng), rng, self._settings.augmentation)

        return prepare_clip(clip, self._spec), int(self._windows.label[index])

    def _crop(
        self, video: LabeledVideo, indices: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(K, S, S, 3): these frames of the video, cropped at random.

        They show most of the image, or a person whose box a detector found, at times elsewhere.
        """
        frames, boxes = video.frames[indices], video.boxes_at(indices)
        if (
            self._backgrounds is not None
            and boxes is not None
            and video.is_seen_in(indices)
            and rng.random() < backgrounds.FRACTION
        ):
            frames = self._backgrounds.move(frames, boxes, rng)
        if boxes is None or rng.random() >= PERSON_FRACTION:
            return random_crop(frames, self._spec.size, rng)

        # One draw for all boxes of a clip, so that the noise of the detector adds no motion.
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        detected = boxes + sides * rng.normal(0.0, BOX_NOISE, 4)
        context = rng.uniform(*CONTEXTS)
        spec = self._spec
        return crop_clip(frames, detected, spec.size, spec.resize, context, spec.surroundings)


def _by_value(indices: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """``indices`` (N,) into ``values``, in a group for each value that occurs."""
    return [indices[values[indices] == value] for value in np.unique(values[indices])]


def inverse_frequency_weights(counts: np.ndarray) -> Tensor:
    """Loss weight of each class for the weighted cross entropy: inverse class frequency.

    ``w_c = min(f) / f_c`` with the frequencies ``f_c = n_c / sum(n)`` of n_c windows: in (0, 1],
    and 1 for the rarest class.
    """
    return torch.from_numpy(counts.min() / counts).float()


class _ClipNumbers(Sampler[int]):
    """Numbers of the clips of one of ``processes`` processes.

    Each step has ``processes * batch_size`` clips, of which each process has its own batch.
    """

    def __init__(self, first_step: int, batch_size: int, process: int, processes: int) -> None:
        self._first_step, self._batch_size = first_step, batch_size
        self._process, self._processes = process, processes

    def __iter__(self) -> Iterator[int]:
        for step in count(self._first_step):
            first = (step * self._processes + self._process) * self._batch_size
            yield from range(first, first + self._batch_size)


def batches(
    clips: TrainingClips,
    batch_size: int,
    first_step: int,
    workers: int,
    process: int = 0,
    processes: int = 1,
) -> DataLoader[tuple[tuple[Tensor, ...], int]]:
    """Batches from ``first_step`` on, without end.

    Each is what ``forward`` takes, N clips at once, and labels (N,).
    """
    # A loader draws a number when it starts, which would shift the random numbers of a resumed run.
    own_generator = torch.Generator()
    numbers = _ClipNumbers(first_step, batch_size, process, processes)
    return DataLoader(
        clips, batch_size, sampler=numbers, num_workers=workers, generator=own_generator
    )
