# SPDX-License-Identifier: Apache-2.0
"""Rendered recordings with logos planted at known times, to search in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception_kit.bags.bag import BagReader, BagWriter
from perception_kit.ros.image import color_image
from perception_kit.stamps import stamp_to_ns
from perception_kit.synth.bag_writer import COLOR, START_NS, SceneBagWriter
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import SyntheticRecording
from perception_kit.synth.scene import pinhole
from perception_kit.synth.world import WorldConfig

LOGOS = ("aurora", "bolt", "clover", "delta", "ember", "fjord")
PLANTED = "planted.json"
IMAGE = f"{COLOR}/image_raw"
_LOGO_SIDE = 240
_SECONDS, _FPS = 6.0, 8.0


@dataclass(frozen=True)
class Planting:
    """A logo that is seen from ``start_ns`` to ``end_ns``.

    ``side`` and ``blur`` in pixels, ``tilt`` in degrees; ``hidden`` is the fraction that something
    covers.
    """

    label: str
    start_ns: int
    end_ns: int
    side: float
    tilt: float
    blur: float
    hidden: float


def logo(name: str) -> np.ndarray:
    """(S, S, 3) uint8 RGB: shapes of a seed of its own around its name."""
    rng = np.random.default_rng(sum(map(ord, name)))
    image = np.full((_LOGO_SIDE, _LOGO_SIDE, 3), rng.integers(180, 255, 3), np.uint8)
    for _ in range(9):
        color = tuple(int(value) for value in rng.integers(0, 200, 3))
        corners = rng.integers(0, _LOGO_SIDE, (int(rng.integers(3, 6)), 2))
        cv2.fillPoly(image, [corners.astype(np.int32)], color)
    for _ in range(4):
        center = tuple(int(value) for value in rng.integers(20, _LOGO_SIDE - 20, 2))
        color = tuple(int(value) for value in rng.integers(0, 255, 3))
        cv2.circle(image, center, int(rng.integers(8, 40)), color, int(rng.integers(-1, 6)) or -1)
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(image, name.upper(), (10, _LOGO_SIDE // 2), font, 1.4, (10, 10, 10), 4)
    return image


def write_logos(folder: Path) -> None:
    """The pictures of all logos, as a user gives patterns."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in LOGOS:
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(logo(name), cv2.COLOR_RGB2BGR))


def write_recording(path: Path, seed: int, workers: int = 1) -> None:
    """Render a recording of the test split and plant two logos in its images."""
    world = WorldConfig("test", pinhole(640, 480, None), None, (), True, "auto")
    recording = SyntheticRecording(world, seed, _SECONDS, _FPS)
    plain = path.with_name(f"{path.name}.plain")
    frames = render_frames(recording.renderer, recording.num_frames, workers)
    with SceneBagWriter(plain, world.intrinsics, _FPS, world.classes()) as writer:
        writer.write(frames)
    plant(plain, path, seed)


def plant(bag: Path, path: Path, seed: int) -> None:
    """Copy a recording with two logos in its color images; ``PLANTED`` says where and when."""
    rng = np.random.default_rng(seed)
    names = rng.choice(LOGOS, 2, replace=False)
    half = round(_SECONDS / 2 * 1e9)
    planned = [plan(rng, str(name), START_NS + half * number) for number, name in enumerate(names)]
    seen: dict[str, list[int]] = {str(name): [] for name in names}

    with BagReader(bag) as reader, BagWriter(path) as writer:
        for raw in reader.raw_messages(reader.topics):
            if raw.topic != IMAGE:
                writer.write_raw(raw)
                continue
            message = reader.decode(raw)
            stamp_ns = stamp_to_ns(message.header.stamp)
            rgb = color_image(message).copy()
            for planting, quads in planned:
                if planting.start_ns <= stamp_ns <= planting.end_ns:
                    fraction = (stamp_ns - planting.start_ns) / (
                        planting.end_ns - planting.start_ns
                    )
                    draw(rgb, planting, quads[0] + fraction * (quads[1] - quads[0]), rng)
                    seen[planting.label].append(stamp_ns)
            message.data = np.ascontiguousarray(rgb).reshape(-1)
            writer.write(raw.topic, message, raw.stamp_ns)

    entries = []
    for planting, _ in planned:
        stamps = seen[planting.label]
        entries.append({**asdict(planting), "start_ns": min(stamps), "end_ns": max(stamps)})
    (path / PLANTED).write_text(json.dumps(entries, indent=1))


def read_plantings(path: Path) -> list[Planting]:
    """The logos of a recording."""
    entries: list[dict[str, Any]] = json.loads((path / PLANTED).read_text())
    return [Planting(**entry) for entry in entries]


def plan(rng: np.random.Generator, name: str, from_ns: int) -> tuple[Planting, list[np.ndarray]]:
    """When and how a logo is seen, and its (4, 2) corners at the start and at the end."""
    length_s = rng.uniform(1.0, 2.2)
    start_ns = from_ns + round(rng.uniform(0.1, 2.8 - length_s) * 1e9)
    side = float(rng.uniform(42, 150))
    planting = Planting(
        name,
        start_ns,
        start_ns + round(length_s * 1e9),
        side,
        float(rng.uniform(0, 50)),
        float(rng.uniform(0, side / 60)),
        float(rng.choice([0.0, 0.0, rng.uniform(0.2, 0.5)])),
    )
    axis, roll = rng.uniform(0, np.pi), rng.uniform(-np.pi, np.pi)
    centers = rng.uniform([120, 100], [520, 380], (2, 2))
    centers[1] = centers[0] + 0.3 * (centers[1] - centers[0])
    flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) / 2
    turned = flat @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])

    # Tilted about an axis in its plane, and seen from four times its side away.
    direction = np.array([np.cos(axis), np.sin(axis)])
    across = turned @ np.array([-direction[1], direction[0]])
    along = turned @ direction
    tilt = np.radians(planting.tilt)
    depth = 4 + across * np.sin(tilt)
    place = np.outer(along, direction) + np.outer(
        across * np.cos(tilt), [-direction[1], direction[0]]
    )
    corners = side * place * (4 / depth)[:, None]
    return planting, [(corners + center).astype(np.float32) for center in centers]


def draw(rgb: np.ndarray, planting: Planting, quad: np.ndarray, rng: np.random.Generator) -> None:
    """Draw the logo at (4, 2) corners with blur, light and noise, and what covers it."""
    height, width = rgb.shape[:2]
    reach = round(4 * planting.blur) + 4
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + reach, [width, height])
    (left, top), (right, bottom) = low, high
    columns, rows = (high - low).tolist()

    # Drawn at four times the size and averaged: no pixel of the logo is skipped.
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * _LOGO_SIDE
    homography = cv2.getPerspectiveTransform(corners, (quad - low).astype(np.float32))
    homography = np.diag([4.0, 4.0, 1.0]) @ homography
    mask = np.full((_LOGO_SIDE, _LOGO_SIDE), 255, np.uint8)
    mask[:, : round(planting.hidden * _LOGO_SIDE)] = 0
    drawn: np.ndarray
    opacity: np.ndarray
    drawn, opacity = (
        cv2.resize(
            cv2.warpPerspective(image, homography, (4 * columns, 4 * rows)),
            (columns, rows),
            interpolation=cv2.INTER_AREA,
        ).astype(np.float32)
        for image in (logo(planting.label), mask)
    )
    if planting.blur > 0.3:
        drawn = cv2.GaussianBlur(drawn, (0, 0), planting.blur)
        opacity = cv2.GaussianBlur(opacity, (0, 0), planting.blur)
    drawn = drawn * 0.85 + rng.normal(0, 3, drawn.shape)
    share = opacity[..., None] / 255
    behind = rgb[top:bottom, left:right]
    rgb[top:bottom, left:right] = np.clip(behind * (1 - share) + drawn * share, 0, 255)
