# SPDX-License-Identifier: Apache-2.0
"""Writes what the command line of ``perception_kit.synth`` asks for."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from perception_kit.short_text import counted
from perception_kit.synth.bag_writer import SceneBagWriter
from perception_kit.synth.bop_models import write_models
from perception_kit.synth.bop_writer import BopJob, write_scene_files
from perception_kit.synth.catalog import read_classes
from perception_kit.synth.choices import CAMERA_NAMES
from perception_kit.synth.clips import write_clips
from perception_kit.synth.object_sizes import ObjectSizes
from perception_kit.synth.people_photographs import write_photographs
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import SyntheticRecording
from perception_kit.synth.room import find_photos
from perception_kit.synth.scene import pinhole
from perception_kit.synth.world import WorldConfig


def _world(args: argparse.Namespace, photos: tuple[Path, ...]) -> WorldConfig:
    """The choices of the command line. Reads the meshes first, to refuse them early."""
    if args.meshes is not None:
        for note in read_classes(args.meshes, args.mesh_unit)[1]:
            print(note)

    with_person = args.person
    if with_person is None:
        with_person = args.meshes is None or args.format == "bag"

    intrinsics = pinhole(args.width, args.height, args.focal_length)
    sizes = None
    if args.scales is not None:
        smallest, largest = args.scales
        sizes = ObjectSizes(smallest, largest, "axes" if args.scale_axes else "uniform")
    return WorldConfig(
        args.split, intrinsics, args.meshes, photos, with_person, args.mesh_unit, sizes
    )


def _write_bop(args: argparse.Namespace, world: WorldConfig) -> None:
    classes = world.classes()
    write_models(args.out / "models", classes, world.with_person)
    job = BopJob(args.out / args.split, world, args.seed)
    frames = render_frames(job.renderer, args.frames, args.workers)
    shown = tqdm(frames, total=args.frames, unit="frame")
    empty = write_scene_files(job.root, shown, [entry.class_id for entry in classes])
    if empty:
        remedy = ": give --scales nearer to 1" if args.scales else ""
        print(f"{empty} of {counted(args.frames, 'frame')} show no object{remedy}")


def _write_bag(args: argparse.Namespace, world: WorldConfig) -> None:
    recording = SyntheticRecording(
        world, args.seed, args.seconds, args.fps, args.cameras, args.path
    )
    cameras = CAMERA_NAMES if args.cameras > 1 else ()
    with_tf = args.cameras > 1 or args.path != "table"
    frames = render_frames(recording.renderer, recording.num_images, args.workers)
    with SceneBagWriter(
        args.out, world.intrinsics, args.fps, world.classes(), cameras, with_tf
    ) as writer:
        writer.write(tqdm(frames, total=recording.num_images, unit="frame"))
    write_models(args.out / "models", world.classes(), world.with_person)


def write(args: argparse.Namespace) -> None:
    """Render in the chosen format. Raises MeshError, BagError, OSError and ValueError."""
    photos = tuple(find_photos(args.backgrounds)) if args.backgrounds else ()
    if args.format == "clips":
        write_clips(args.out, args.seed, args.clips, args.split, args.workers, photos, args.view)
    elif args.format == "photographs":
        size = args.width, args.height
        write_photographs(args.out, args.seed, args.frames, size, args.split, args.workers, photos)
    elif args.format == "bop":
        _write_bop(args, _world(args, photos))
    else:
        _write_bag(args, _world(args, photos))
