# SPDX-License-Identifier: Apache-2.0
"""Labeled action videos of people in random rooms, seen by random cameras.

A folder holds ``videos/NNNNN.mp4`` (15 frames per second), ``labels.csv`` (video, start, end,
label; seconds), ``boxes.csv`` (video, time, x_min, y_min, x_max, y_max; seconds and pixels: what
can be seen of the person, one line for each frame that shows one) and ``classes.txt``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
from tqdm import tqdm

from perception_kit.synth.choices import View
from perception_kit.synth.clips_scene import CameraTrajectory, Take, sample_camera, stage
from perception_kit.synth.clips_table import robot_camera, stage_behind_table
from perception_kit.synth.lighting import shade, shadow_scene
from perception_kit.synth.motion import ACTIONS
from perception_kit.synth.pool import render_frames
from perception_kit.synth.render import Item, Rendering, render
from perception_kit.synth.room import TexturePool
from perception_kit.synth.sensor import Sensor
from perception_kit.synth.splits import seeded
from perception_kit.synth.surface import Surface

FPS = 15
WIDTH, HEIGHT = 256, 192
EMPTY_FRACTION = 0.04
"""Fraction of the videos in which nobody appears."""
NOTHING = "other"
"""Label of frames in which nobody can be made out."""
SCRIPT_SECONDS = 14.0
"""Actions are planned for this long; no video shows more."""
_BRIGHTNESS = (0.12, 0.36)
"""Range of the mean linear intensity that the automatic exposure aims at."""
_MIN_PIXELS, _MIN_VISIBLE = 75, 0.12
"""A person of whom less is seen (pixels, fraction of the silhouette) cannot be made out."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of linear red, green and blue in the luminance (Rec. 709)."""
_CLIPS_KEY = 3
"""Keeps these random numbers apart from those of the other formats."""

Segment = tuple[float, float, str]


@dataclass(frozen=True)
class RenderedClip:
    """One take at ``FPS``.

    ``frames`` (T, HEIGHT, WIDTH, 3) uint8; ``boxes`` (T, 4) x_min, y_min, x_max, y_max of the
    person in pixels, NaN where nobody can be made out; ``segments`` (start, end, label), seconds.
    """

    frames: np.ndarray
    boxes: np.ndarray
    segments: list[Segment]


def write_clips(
    out: Path,
    seed: int,
    count: int,
    split: str = "train",
    workers: int = 2,
    photos: Sequence[Path] = (),
    view: View = "room",
) -> None:
    """Write ``count`` videos and their labels under ``out``.

    The same arguments give the same files with any number of ``workers``. ``photos`` are textures
    for rooms besides the procedural ones. Raises FileExistsError when ``out`` holds labels already,
    ValueError for an unknown split or view or a count below 1.
    """
    if view not in get_args(View):
        raise ValueError(f"unknown view {view!r}, expected one of {', '.join(get_args(View))}")
    if count < 1:
        raise ValueError(f"the number of clips must be at least 1, got {count}")
    labels = out / "labels.csv"
    if labels.exists():
        raise FileExistsError(f"{labels} exists already: choose another folder or remove it")

    (out / "videos").mkdir(parents=True, exist_ok=True)
    build = partial(_build_writer, out / "videos", seed, split, tuple(photos), view)
    clips = tqdm(render_frames(build, count, workers), total=count, unit="video")

    segment_rows: list[tuple[str, ...]] = [("video", "start", "end", "label")]
    box_rows: list[tuple[str, ...]] = [("video", "time", "x_min", "y_min", "x_max", "y_max")]
    for index, (segments, boxes) in enumerate(clips):
        name = f"videos/{index:05d}.mp4"
        for start, end, label in segments:
            segment_rows.append((name, f"{start:.3f}", f"{end:.3f}", label))
        for frame in np.flatnonzero(np.isfinite(boxes[:, 0])):
            sides = (f"{side:g}" for side in boxes[frame])
            box_rows.append((name, f"{frame / FPS:.3f}", *sides))

    # Labels come last but for the classes: a folder with labels is complete.
    _write_csv(out / "boxes.csv", box_rows)
    _write_csv(labels, segment_rows)
    (out / "classes.txt").write_text("\n".join(ACTIONS) + "\n")


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _build_writer(
    folder: Path, seed: int, split: str, photos: tuple[Path, ...], view: View
) -> Callable[[int], tuple[list[Segment], np.ndarray]]:
    """The function that a worker process calls with the number of a video.

    It returns the clip's segments and boxes.
    """
    textures = TexturePool(split, photos)

    def write(index: int) -> tuple[list[Segment], np.ndarray]:
        clip = render_clip(seeded(split, _CLIPS_KEY, seed, index), textures, view)
        write_video(folder / f"{index:05d}.mp4", clip.frames, quality=20 + index % 9)
        return clip.segments, clip.boxes

    return write


def render_clip(
    rng: np.random.Generator, textures: TexturePool, view: View = "room"
) -> RenderedClip:
    """One take of a random scene."""
    planned = [] if rng.random() < EMPTY_FRACTION else sample_segments(rng, seats=view == "room")
    take = (stage_behind_table if view == "table" else stage)(rng, textures, planned)

    if take.actor is None:
        seconds = rng.uniform(4.0, 8.0)
    else:
        seconds = min(take.actor.script.duration, rng.uniform(8.5, SCRIPT_SECONDS))
    times = _frame_times(rng, seconds)

    if view == "table":
        camera = robot_camera(rng, textures.split, times, WIDTH, HEIGHT)
    else:
        camera = sample_camera(rng, take, times, WIDTH, HEIGHT)

    frames, labels, masks = zip(*film(rng, take, camera, times, textures.split), strict=True)
    return RenderedClip(np.stack(frames), np.stack([*map(_box_around, masks)]), _runs(labels))


def sample_segments(rng: np.random.Generator, seats: bool = True) -> list[tuple[str, float]]:
    """Random actions for about 14 seconds; sitting only with ``seats``.

    Falls are short, so they are frequent.
    """
    segments: list[tuple[str, float]] = []
    total, previous = 0.0, ""
    while total < SCRIPT_SECONDS:
        # Never the same action twice; who fell gets up, who lies cannot fall.
        odds = {"walking": 0.18, "running": 0.18, "other": 0.15, "falling": 0.3, "lying": 0.04}
        odds |= {"standing": 0.06, "sitting": 0.15 * seats}
        if previous in odds:
            odds[previous] = 0.0
        if previous == "falling":
            odds = {"walking": 0.42, "running": 0.36, "other": 0.17, "standing": 0.05}
        if previous == "lying":
            odds["falling"] = 0.0
        probabilities = np.array(list(odds.values())) / sum(odds.values())
        action = str(rng.choice(list(odds), p=probabilities))

        # All three are drawn, whichever is used.
        falling, lying, upright = rng.uniform(1.5, 4.0), rng.uniform(2, 4), rng.uniform(1.5, 4.5)
        seconds = {"falling": falling, "lying": lying}.get(action, upright)

        segments.append((action, seconds))
        total += seconds
        previous = action
    return segments


def _frame_times(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Moments (T,) that the frames show: a regular grid, as far as real recordings keep one."""
    times = np.arange(int(seconds * FPS)) / FPS
    times += np.clip(rng.normal(0, rng.uniform(0, 0.006), len(times)), -0.02, 0.02)

    # A camera that has missed a frame repeats the one before.
    repeated = np.flatnonzero(rng.random(len(times)) < rng.choice([0.0, 0.0, 0.03]))
    repeated = repeated[repeated > 0]
    times[repeated] = times[repeated - 1]
    return np.maximum(times, 0.0)


def film(
    rng: np.random.Generator, take: Take, camera: CameraTrajectory, times: np.ndarray, split: str
) -> Iterator[tuple[np.ndarray, str, np.ndarray]]:
    """Frames (H, W, 3) uint8 with their labels and the person's masks (H, W) bool.

    The mask is empty where nobody can be made out.
    """
    sensor = _sample_sensor(rng, split)
    drift, period, brightness = rng.uniform(0, 0.12), rng.uniform(3, 12), rng.uniform(*_BRIGHTNESS)
    colorfulness = rng.choice([0.0, rng.uniform(0.3, 1.0), 1.0], p=[0.06, 0.54, 0.4])
    desaturation = _desaturation(colorfulness)

    static_shadows = shadow_scene([item for item in take.items if not item.backdrop])
    background: Rendering | None = None
    exposure: float | None = None
    for t, pose in zip(times, camera.poses, strict=True):
        # The room, once where the camera stands still, and the person in front of it.
        if background is None or not camera.fixed:
            background = render(take.items, pose, camera.intrinsics)
        rendering, casters, label = background, [static_shadows], NOTHING
        if take.actor is not None:
            body, label = take.actor.at(t)
            person = Item(Surface([body]), np.eye(4), 1)
            casters = [static_shadows, person.surface.scene]
            rendering = _in_front(render([person], pose, camera.intrinsics), background)

        radiance = shade(rendering, take.lighting, casters, pose, camera.intrinsics, rng)
        radiance = np.tensordot(desaturation, radiance, 1)

        # The automatic exposure settles on the first frame and drifts slowly.
        if exposure is None:
            exposure = brightness / max(float(radiance.mean()), 1e-3)
        sensor.exposure = exposure * (1 + drift * np.sin(2 * np.pi * t / period))
        frame = sensor.color_image(radiance, rng)

        mask = rendering.labels == 1
        if _is_hidden(rendering):
            yield frame, NOTHING, np.zeros_like(mask)
        else:
            yield frame, label, mask


def _is_hidden(rendering: Rendering) -> bool:
    """Whether too little is seen of the person to make out what they do."""
    pixels = np.count_nonzero(rendering.labels)
    return bool(pixels < _MIN_PIXELS) or rendering.visible_fraction(1) < _MIN_VISIBLE


def _box_around(mask: np.ndarray) -> np.ndarray:
    """(4,) x_min, y_min, x_max, y_max of the pixels of a mask (H, W), maxima exclusive.

    NaN for an empty one.
    """
    if not mask.any():
        return np.full(4, np.nan)
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.array([left, top, left + width, top + height], np.float64)


def _desaturation(colorfulness: float) -> np.ndarray:
    """(3, 3) matrix from linear RGB to RGB with that fraction of its colour left."""
    gray = np.tile(np.array(_LUMINANCE, np.float32), (3, 1))
    mixed = colorfulness * np.eye(3, dtype=np.float32) + (1 - colorfulness) * gray
    return mixed.astype(np.float32)


def _sample_sensor(rng: np.random.Generator, split: str) -> Sensor:
    """A camera of the split whose blur suits the small image."""
    sensor = Sensor.sample(rng, split)
    sensor.blur_px *= 0.65
    sensor.motion_px *= 0.35
    return sensor


def _in_front(person: Rendering, background: Rendering) -> Rendering:
    """The person drawn into a finished background."""
    nearer = person.depth < background.depth
    return Rendering(
        albedo=np.where(nearer[..., None], person.albedo, background.albedo),
        depth=np.where(nearer, person.depth, background.depth),
        normals=np.where(nearer, person.normals, background.normals),
        gloss=np.where(nearer, person.gloss, background.gloss),
        labels=np.where(nearer, person.labels, background.labels),
        silhouette_pixels=person.silhouette_pixels,
    )


def _runs(labels: tuple[str, ...]) -> list[Segment]:
    """Runs of equal labels as (start, end, label), seconds."""
    changes = [0, *(k for k in range(1, len(labels)) if labels[k] != labels[k - 1]), len(labels)]
    return [(first / FPS, last / FPS, labels[first]) for first, last in pairwise(changes)]


def write_video(path: Path, frames: np.ndarray, quality: int = 23) -> None:
    """Write (T, H, W, 3) uint8 RGB frames as H.264 at ``FPS``.

    ``quality`` is x264's constant rate factor (lower is better).
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # Presets slower than this one use x264's macroblock tree, whose AVX code does not give the
        # same bytes every time.
        stream.options = {"crf": str(quality), "preset": "superfast", "threads": "1"}

        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
