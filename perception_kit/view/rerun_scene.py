# SPDX-License-Identifier: Apache-2.0
"""Logs images and results of one camera to Rerun.

Images and results are logged at their own stamps, so they may come in any order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import rerun as rr
from scipy.spatial.transform import Rotation

from perception_kit.colors import AXIS_COLORS, FALL_COLOR, FALL_LABEL, class_color
from perception_kit.geometry import back_project, instance_position
from perception_kit.types import (
    ActionEstimate,
    Instance,
    Intrinsics,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)
from perception_kit.view import layout
from perception_kit.view.meshes import Shape, flat_shaded

_JPEG_QUALITY = 80
_IMAGE_PLANE_M = 0.2
_KEPT_DEPTHS = 8  # depth images that wait for the colour image or the people of their moment

_CLOUD_POINTS = 25_000
_POINT_RADIUS = -1.6  # negative: in points of the screen

_TRAIL_S = 3.0
_TRAIL_STEPS = 90  # 3 s at 30 frames a second

_AXIS_LENGTH = 0.7  # of the object's largest extent
_MASK_ALPHA = 100
_LOST_COLOR = (150, 150, 150)
_NO_SIZE = 1e-9


class RerunScene:
    """A Rerun recording of one camera; ``shapes`` are the objects' meshes by class name.

    ``close`` ends its file, or its connection to a server.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._stream = rr.RecordingStream("assistant_perception")
        self._shapes = dict(shapes)

        # What was logged before: shapes or boxes by class, time series by entity
        self._posed: set[str] = set()
        self._series: set[str] = set()

        # The newest of each, for what is drawn together with it
        self._intrinsics: Intrinsics | None = None
        self._rgb: tuple[int, np.ndarray] | None = None
        self._depths: dict[int, np.ndarray] = {}
        self._actions: dict[int, str] = {}

        self._tracked_ns = 0
        self._trails: dict[int, deque[tuple[int, np.ndarray]]] = defaultdict(
            lambda: deque(maxlen=_TRAIL_STEPS)
        )

    def save(self, path: Path) -> None:
        """Write everything that is logged from now on to an ``.rrd`` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream.save(path, default_blueprint=layout.blueprint())
        self._start()

    def connect(self, address: str) -> None:
        """Send everything that is logged from now on to a server.

        ``address`` is "rerun+http://HOST:PORT/proxy".
        """
        self._stream.connect_grpc(address, default_blueprint=layout.blueprint())
        self._start()

    def close(self) -> None:
        """Write what is still buffered, and end."""
        self._stream.flush()
        self._stream.disconnect()

    def camera(self, stamp_ns: int, intrinsics: Intrinsics) -> None:
        """Log the intrinsics of the images from now on."""
        if intrinsics == self._intrinsics:
            return
        self._intrinsics = intrinsics

        pinhole = rr.Pinhole(
            image_from_camera=intrinsics.matrix,
            resolution=[intrinsics.width, intrinsics.height],
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=_IMAGE_PLANE_M,
        )
        self._log(stamp_ns, layout.CAMERA, pinhole)

    def color(self, stamp_ns: int, rgb: np.ndarray) -> None:
        """Log an (H, W, 3) uint8 image."""
        self._rgb = (stamp_ns, rgb)
        self._log(stamp_ns, layout.IMAGE, rr.Image(rgb).compress(jpeg_quality=_JPEG_QUALITY))
        self._cloud(stamp_ns)

    def depth(self, stamp_ns: int, depth_m: np.ndarray) -> None:
        """Log an (H, W) float32 image in metres, 0 where unknown."""
        self._depths[stamp_ns] = depth_m
        while len(self._depths) > _KEPT_DEPTHS:
            del self._depths[next(iter(self._depths))]

        png = _png(np.clip(depth_m * 1000, 0, 65535).astype(np.uint16))
        image = rr.EncodedDepthImage(blob=png, media_type="image/png", meter=1000.0)
        self._log(stamp_ns, layout.DEPTH, image)
        self._cloud(stamp_ns)

    def detections(
        self, stamp_ns: int, instances: Sequence[Instance], height: int, width: int
    ) -> None:
        """Log the masks of an image of this size.

        People, who have no pose, get a position in space where there is depth.
        """
        tint = np.zeros((height, width, 4), np.uint8)
        for instance in instances:
            mask, color = instance.full_mask(height, width), class_color(instance.class_name)
            tint[mask] = (*color, _MASK_ALPHA)
            outlines, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(tint, outlines, -1, (*color, 255), max(1, height // 300))

        png = _png(cv2.cvtColor(tint, cv2.COLOR_RGBA2BGRA))
        image = rr.EncodedImage(contents=png, media_type="image/png", draw_order=1.0)
        self._log(stamp_ns, layout.MASKS, image)

        unposed = [instance for instance in instances if instance.class_name not in self._shapes]
        self._people(stamp_ns, unposed)

    def poses(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        """Log each object's shape, or its box where that is unknown, at its pose and in its size.

        Confident poses have axes.
        """
        for name in self._shapes.keys() | self._posed | {pose.class_name for pose in poses}:
            of_class = [pose for pose in poses if pose.class_name == name]
            entity, shape = f"{layout.OBJECTS}/{name}", self._shapes.get(name)
            if shape is None:
                self._log(stamp_ns, entity, _boxes(name, of_class))
            else:
                self._show_shape(name, entity, shape)
                self._log(stamp_ns, entity, _instance_poses(of_class, shape.extents))
            self._posed.add(name)

        self._axes(stamp_ns, [pose for pose in poses if pose.is_confident])

    def tracks(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> None:
        """Log boxes with names, numbers and actions in the image, labels and trails in space."""
        shown = [track for track in tracks if track.state != TrackState.TENTATIVE]
        colors = [_track_color(track) for track in shown]
        texts = [self._text(track) for track in shown]

        # Boxes in the image; those of people who fall are red
        box_colors = [
            FALL_COLOR if self._actions.get(track.id) == FALL_LABEL else color
            for track, color in zip(shown, colors, strict=True)
        ]
        boxes = rr.Boxes2D(
            array=np.array([track.box for track in shown]).reshape(-1, 4),
            array_format=rr.Box2DFormat.XYXY,
            colors=box_colors,
            labels=texts,
        )
        self._log(stamp_ns, layout.BOXES, boxes)

        # Labels in space
        placed = [
            (track.position, color, text)
            for track, color, text in zip(shown, colors, texts, strict=True)
            if track.position is not None
        ]
        labels = rr.Points3D(
            [position for position, _, _ in placed],
            colors=[color for _, color, _ in placed],
            labels=[text for _, _, text in placed],
            radii=0.004,
        )
        self._log(stamp_ns, layout.LABELS, labels)

        # Trails, anew where time has jumped back, as where a bag loops
        if stamp_ns < self._tracked_ns:
            self._trails.clear()
        self._tracked_ns = stamp_ns
        self._trail(stamp_ns, tracks)

    def actions(
        self, stamp_ns: int, actions: Sequence[ActionEstimate], class_names: Sequence[str]
    ) -> None:
        """Log the scores of all classes as time series, and a red frame while somebody falls."""
        self._actions = {action.track_id: action.label for action in actions}

        for action in actions:
            who = "image" if action.track_id < 0 else f"person_{action.track_id}"
            for name, score in zip(class_names, action.class_scores, strict=False):
                entity = f"{layout.ACTIONS}/{who}/{name}"
                title = name if action.track_id < 0 else f"{name} #{action.track_id}"
                self._begin_series(entity, title, class_color(name))
                self._log(stamp_ns, entity, rr.Scalars(float(score)))

        self._fall(stamp_ns, [action for action in actions if action.label == FALL_LABEL])

    def _start(self) -> None:
        self._stream.log("/", rr.ViewCoordinates.RDF, static=True)

    def _log(self, stamp_ns: int, entity: str, content: rr.AsComponents) -> None:
        self._stream.set_time(layout.TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        self._stream.log(entity, content)

    def _cloud(self, stamp_ns: int) -> None:
        """Log coloured points, once both images of a moment are there."""
        depth = self._depths.get(stamp_ns)
        if self._intrinsics is None or depth is None:
            return
        if self._rgb is None or self._rgb[0] != stamp_ns:
            return
        rgb = self._rgb[1]

        step = max(1, round(np.sqrt(depth.size / _CLOUD_POINTS)))
        valid = depth[::step, ::step] > 0
        points = back_project(depth, self._intrinsics)[::step, ::step][valid]
        colors = rgb[::step, ::step][valid]
        cloud = rr.Points3D(points, colors=colors, radii=_POINT_RADIUS)
        self._log(stamp_ns, layout.CLOUD, cloud)

    def _show_shape(self, name: str, entity: str, shape: Shape) -> None:
        """Log the shape of a class when it is first seen."""
        if name in self._posed:
            return
        vertices, faces, normals = flat_shaded(shape)
        mesh = rr.Mesh3D(
            vertex_positions=vertices,
            triangle_indices=faces,
            vertex_normals=normals,
            albedo_factor=(*class_color(name), 255),
        )
        self._stream.log(entity, mesh, static=True)

    def _axes(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        origins = np.repeat([pose.translation for pose in poses], 3, axis=0).reshape(-1, 3)
        vectors = [
            axis * _AXIS_LENGTH * float(np.max(pose.size))
            for pose in poses
            for axis in pose.rotation.T
        ]
        arrows = rr.Arrows3D(
            origins=origins,
            vectors=np.reshape(vectors, (-1, 3)),
            colors=list(AXIS_COLORS) * len(poses),
            radii=0.003,
        )
        self._log(stamp_ns, layout.AXES, arrows)

    def _people(self, stamp_ns: int, people: Sequence[Instance]) -> None:
        """Log a point for each person; that of the only person names the actions."""
        depth = self._depths.get(stamp_ns)
        if depth is None or self._intrinsics is None:
            return

        positions, names = [], []
        for person in people:
            position = instance_position(person, depth, self._intrinsics)
            if position is not None:
                positions.append(position)
                names.append(person.class_name)

        labels, colors = names, [class_color(name) for name in names]
        if len(names) == 1:
            current = sorted(set(self._actions.values()))
            labels = [": ".join([*names, *current])]
            colors = [FALL_COLOR] if FALL_LABEL in current else colors
        points = rr.Points3D(positions, labels=labels, colors=colors, radii=0.02)
        self._log(stamp_ns, layout.PEOPLE, points)

    def _text(self, track: TrackEstimate) -> str:
        action = self._actions.get(track.id)
        return f"{track.class_name} #{track.id}" + (f": {action}" if action else "")

    def _trail(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> None:
        """Log the last seconds of each confirmed track, darker the older they are."""
        strips, colors = [], []
        for track in tracks:
            trail = self._trails[track.id]
            if track.position is not None and track.state == TrackState.CONFIRMED:
                trail.append((stamp_ns, track.position))
            while trail and stamp_ns - trail[0][0] > _TRAIL_S * 1e9:
                trail.popleft()

            for (_, start), (end_ns, end) in zip(trail, list(trail)[1:], strict=False):
                fresh = 1 - (stamp_ns - end_ns) * 1e-9 / _TRAIL_S
                strips.append([start, end])
                colors.append([int(channel * fresh) for channel in class_color(track.class_name)])

        for ended in set(self._trails) - {track.id for track in tracks}:
            del self._trails[ended]

        lines = rr.LineStrips3D(strips, colors=colors, radii=0.0025)
        self._log(stamp_ns, layout.TRAILS, lines)

    def _begin_series(self, entity: str, title: str, color: Sequence[int]) -> None:
        """Log name and colour of a time series when its first value comes."""
        if entity not in self._series:
            self._series.add(entity)
            lines = rr.SeriesLines(colors=[color], names=[title], widths=[2.5])
            self._stream.log(entity, lines, static=True)

    def _fall(self, stamp_ns: int, falls: Sequence[ActionEstimate]) -> None:
        """Log a red frame around the image, with the highest score; nothing without a fall."""
        if not falls or self._intrinsics is None:
            self._log(stamp_ns, layout.FALL, rr.Clear(recursive=True))
            return

        width, height = self._intrinsics.width, self._intrinsics.height
        margin = height / 60
        frame = rr.Boxes2D(
            mins=[[margin, margin]],
            sizes=[[width - 2 * margin, height - 2 * margin]],
            colors=[FALL_COLOR],
            radii=margin,
        )
        self._log(stamp_ns, layout.FALL, frame)

        text = f"FALL {max(action.score for action in falls):.0%}"
        label = rr.Points2D([[width / 2, margin]], labels=[text], colors=[FALL_COLOR], radii=margin)
        self._log(stamp_ns, layout.FALL_LABEL, label)


def _track_color(track: TrackEstimate) -> tuple[int, int, int]:
    return _LOST_COLOR if track.state == TrackState.LOST else class_color(track.class_name)


def _instance_poses(poses: Sequence[PoseEstimate], extents: np.ndarray) -> rr.InstancePoses3D:
    """Where a shape with ``extents`` (3,) is shown, and how large.

    Without any pose it shrinks to nothing: no instances at all would mean one at the camera.
    """
    if not poses:
        return rr.InstancePoses3D(translations=[np.zeros(3)], mat3x3=[_NO_SIZE * np.eye(3)])
    # Rerun would apply scales of their own after the rotation, along the axes of the camera.
    return rr.InstancePoses3D(
        translations=[pose.translation for pose in poses],
        mat3x3=[pose.rotation * pose.stretch(extents) for pose in poses],
    )


def _boxes(name: str, poses: Sequence[PoseEstimate]) -> rr.Boxes3D:
    """The boxes of objects of the class ``name``."""
    rotations = np.reshape([pose.rotation for pose in poses], (-1, 3, 3))
    return rr.Boxes3D(
        sizes=[pose.size for pose in poses],
        centers=[pose.translation for pose in poses],
        quaternions=Rotation.from_matrix(rotations).as_quat() if poses else [],
        colors=[class_color(name)] * len(poses),
    )


def _png(pixels: np.ndarray) -> bytes:
    """A PNG file of grey values, or of blue, green, red and opacity.

    It is made fast rather than small.
    """
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
