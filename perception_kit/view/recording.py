# SPDX-License-Identifier: Apache-2.0
"""Turns images and results into what Rerun shows.

Each part is logged at its own stamp, so parts may come in any order.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import rerun as rr

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
_CLOUD_POINTS = 25_000
_TRAIL_S = 3.0
_TRAIL_STEPS = 90
_KEPT_DEPTHS = 8
_MASK_ALPHA = 100
_POINT_RADIUS = -1.6  # negative: in points of the screen
_NO_SIZE = 1e-9
_LOST = (150, 150, 150)


class SceneRecording:
    """A Rerun recording of one camera; ``shapes`` are the objects' meshes by class name.

    Ends its file or server when it is closed.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._stream = rr.RecordingStream("assistant_perception")
        self._posed: set[str] = set()
        self._series: set[str] = set()
        self._trails: dict[int, deque[tuple[int, np.ndarray]]] = defaultdict(
            lambda: deque(maxlen=_TRAIL_STEPS)
        )
        self._tracked_ns = 0
        self._actions: dict[int, str] = {}
        self._depths: dict[int, np.ndarray] = {}
        self._rgb: tuple[int, np.ndarray] | None = None
        self._intrinsics: Intrinsics | None = None
        self._shapes = dict(shapes)

    def save(self, path: Path) -> None:
        """Write everything that is logged from now on to an ``.rrd`` file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream.save(path, default_blueprint=layout.blueprint())
        self._start()

    def connect(self, address: str) -> None:
        """Send everything that is logged from now on to the server at ``address``
        ("rerun+http://HOST:PORT/proxy").
        """
        self._stream.connect_grpc(address, default_blueprint=layout.blueprint())
        self._start()

    def close(self) -> None:
        """Write what is still on its way, and end."""
        self._stream.flush()
        self._stream.disconnect()

    def camera(self, stamp_ns: int, intrinsics: Intrinsics) -> None:
        """Intrinsics of the images from now on."""
        if intrinsics == self._intrinsics:
            return
        self._intrinsics = intrinsics
        size = {"resolution": [intrinsics.width, intrinsics.height], "image_plane_distance": 0.2}
        self._log(
            stamp_ns,
            layout.CAMERA,
            rr.Pinhole(
                image_from_camera=intrinsics.matrix, camera_xyz=rr.ViewCoordinates.RDF, **size
            ),
        )

    def color(self, stamp_ns: int, rgb: np.ndarray) -> None:
        """An (H, W, 3) uint8 image."""
        self._rgb = (stamp_ns, rgb)
        self._log(stamp_ns, layout.IMAGE, rr.Image(rgb).compress(jpeg_quality=_JPEG_QUALITY))
        self._cloud(stamp_ns)

    def depth(self, stamp_ns: int, depth_m: np.ndarray) -> None:
        """An (H, W) float32 image in metres, 0 where unknown."""
        self._depths[stamp_ns] = depth_m
        while len(self._depths) > _KEPT_DEPTHS:
            del self._depths[next(iter(self._depths))]
        millimeters = np.clip(depth_m * 1000, 0, 65535).astype(np.uint16)
        self._log(
            stamp_ns,
            layout.DEPTH,
            rr.EncodedDepthImage(blob=_png(millimeters), media_type="image/png", meter=1000.0),
        )
        self._cloud(stamp_ns)

    def detections(
        self, stamp_ns: int, instances: Sequence[Instance], height: int, width: int
    ) -> None:
        """Masks of an image of this size; people, who have no pose, get a place in space where
        there is depth.
        """
        tint = np.zeros((height, width, 4), np.uint8)
        for instance in instances:
            mask, color = instance.full_mask(height, width), class_color(instance.class_name)
            tint[mask] = (*color, _MASK_ALPHA)
            outlines, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(tint, outlines, -1, (*color, 255), max(1, height // 300))
        picture = _png(cv2.cvtColor(tint, cv2.COLOR_RGBA2BGRA))
        self._log(
            stamp_ns,
            layout.MASKS,
            rr.EncodedImage(contents=picture, media_type="image/png", draw_order=1.0),
        )
        unposed = [instance for instance in instances if instance.class_name not in self._shapes]
        self._people(stamp_ns, unposed)

    def poses(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        """Each object's shape, or its box where the shape is not known, at its pose; with its axes,
        if the pose is sure.
        """
        for name in self._shapes.keys() | self._posed | {pose.class_name for pose in poses}:
            own = [pose for pose in poses if pose.class_name == name]
            entity = f"{layout.OBJECTS}/{name}"
            self._show_shape(name, entity, own)
            self._log(stamp_ns, entity, _instances(own))
        self._axes(stamp_ns, [pose for pose in poses if pose.is_confident])

    def tracks(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> None:
        """Boxes with names, numbers and actions in the picture; labels and trails that fade in
        space.
        """
        shown = [track for track in tracks if track.state != TrackState.TENTATIVE]
        colors = [
            _LOST if track.state == TrackState.LOST else class_color(track.class_name)
            for track in shown
        ]
        texts = [self._text(track) for track in shown]
        colors_2d = [
            FALL_COLOR if self._actions.get(track.id) == FALL_LABEL else c
            for track, c in zip(shown, colors, strict=True)
        ]
        boxes = np.array([track.box for track in shown]).reshape(-1, 4)
        self._log(
            stamp_ns,
            layout.BOXES,
            rr.Boxes2D(
                array=boxes, array_format=rr.Box2DFormat.XYXY, colors=colors_2d, labels=texts
            ),
        )
        placed = [k for k, track in enumerate(shown) if track.position is not None]
        points = rr.Points3D(
            [shown[k].position for k in placed],
            colors=[colors[k] for k in placed],
            labels=[texts[k] for k in placed],
            radii=0.004,
        )
        self._log(stamp_ns, layout.LABELS, points)
        if stamp_ns < self._tracked_ns:
            self._trails.clear()  # the time jumped back, as where a bag is played anew
        self._tracked_ns = stamp_ns
        self._trail(stamp_ns, tracks)

    def actions(
        self, stamp_ns: int, actions: Sequence[ActionEstimate], class_names: Sequence[str]
    ) -> None:
        """Scores of each class as time series, and a red frame around the picture while somebody
        falls.
        """
        self._actions = {action.track_id: action.label for action in actions}
        for action in actions:
            who = "image" if action.track_id < 0 else f"person_{action.track_id}"
            for name, score in zip(class_names, action.class_scores, strict=False):
                entity = f"{layout.ACTIONS}/{who}/{name}"
                if entity not in self._series:
                    self._series.add(entity)
                    title = name if action.track_id < 0 else f"{name} #{action.track_id}"
                    self._stream.log(
                        entity,
                        rr.SeriesLines(colors=[class_color(name)], names=[title], widths=[2.5]),
                        static=True,
                    )
                self._log(stamp_ns, entity, rr.Scalars(float(score)))
        self._fall(stamp_ns, [action for action in actions if action.label == FALL_LABEL])

    def _start(self) -> None:
        self._stream.log("/", rr.ViewCoordinates.RDF, static=True)

    def _log(self, stamp_ns: int, entity: str, content: rr.AsComponents) -> None:
        self._stream.set_time(layout.TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        self._stream.log(entity, content)

    def _cloud(self, stamp_ns: int) -> None:
        """Coloured points, once both images of a moment are there."""
        if (
            self._intrinsics is None
            or self._rgb is None
            or self._rgb[0] != stamp_ns
            or stamp_ns not in self._depths
        ):
            return
        depth, rgb = self._depths[stamp_ns], self._rgb[1]
        step = max(1, round(np.sqrt(depth.size / _CLOUD_POINTS)))
        points, valid = (
            back_project(depth, self._intrinsics)[::step, ::step],
            depth[::step, ::step] > 0,
        )
        self._log(
            stamp_ns,
            layout.CLOUD,
            rr.Points3D(points[valid], colors=rgb[::step, ::step][valid], radii=_POINT_RADIUS),
        )

    def _show_shape(self, name: str, entity: str, poses: Sequence[PoseEstimate]) -> None:
        """Log the shape of a class when it is first seen."""
        if name in self._posed:
            return
        self._posed.add(name)
        if name in self._shapes:
            vertices, faces, normals = flat_shaded(self._shapes[name])
            mesh = rr.Mesh3D(
                vertex_positions=vertices,
                triangle_indices=faces,
                vertex_normals=normals,
                albedo_factor=(*class_color(name), 255),
            )
            self._stream.log(entity, mesh, static=True)
        else:
            self._stream.log(
                entity, rr.Boxes3D(sizes=[poses[0].size], colors=[class_color(name)]), static=True
            )

    def _axes(self, stamp_ns: int, poses: Sequence[PoseEstimate]) -> None:
        origins = np.repeat([pose.translation for pose in poses], 3, axis=0).reshape(-1, 3)
        vectors = [
            pose.rotation[:, k] * 0.7 * float(np.max(pose.size)) for pose in poses for k in range(3)
        ]
        arrows = rr.Arrows3D(
            origins=origins,
            vectors=np.reshape(vectors, (-1, 3)),
            colors=list(AXIS_COLORS) * len(poses),
            radii=0.003,
        )
        self._log(stamp_ns, layout.AXES, arrows)

    def _people(self, stamp_ns: int, instances: Sequence[Instance]) -> None:
        depth = self._depths.get(stamp_ns)
        if depth is None or self._intrinsics is None:
            return
        places = [(one, instance_position(one, depth, self._intrinsics)) for one in instances]
        found = [(one, place) for one, place in places if place is not None]
        said = sorted(set(self._actions.values()))
        labels = [
            ": ".join([one.class_name, *said]) if len(found) == 1 else one.class_name
            for one, _ in found
        ]
        colors = [
            FALL_COLOR if FALL_LABEL in said and len(found) == 1 else class_color(one.class_name)
            for one, _ in found
        ]
        self._log(
            stamp_ns,
            layout.PEOPLE,
            rr.Points3D([place for _, place in found], labels=labels, colors=colors, radii=0.02),
        )

    def _text(self, track: TrackEstimate) -> str:
        action = self._actions.get(track.id)
        return f"{track.class_name} #{track.id}" + (f": {action}" if action else "")

    def _trail(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> None:
        """The last seconds of each confirmed track, darker the older they are."""
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
                colors.append(
                    tuple(int(channel * fresh) for channel in class_color(track.class_name))
                )
        for gone in set(self._trails) - {track.id for track in tracks}:
            del self._trails[gone]
        self._log(stamp_ns, layout.TRAILS, rr.LineStrips3D(strips, colors=colors, radii=0.0025))

    def _fall(self, stamp_ns: int, falls: Sequence[ActionEstimate]) -> None:
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
        label = f"FALL {max(action.score for action in falls):.0%}"
        self._log(
            stamp_ns,
            layout.FALL_LABEL,
            rr.Points2D([[width / 2, margin]], labels=[label], colors=[FALL_COLOR], radii=margin),
        )


def _instances(poses: Sequence[PoseEstimate]) -> rr.InstancePoses3D:
    """Where a shape is shown; without any it shrinks to nothing, because no instances at all would
    mean one at the camera.
    """
    if not poses:
        return rr.InstancePoses3D(
            translations=[np.zeros(3)], mat3x3=[np.eye(3)], scales=[np.full(3, _NO_SIZE)]
        )
    places = {
        "translations": [pose.translation for pose in poses],
        "mat3x3": [pose.rotation for pose in poses],
    }
    return rr.InstancePoses3D(**places, scales=np.ones((len(poses), 3)))


def _png(pixels: np.ndarray) -> bytes:
    """A PNG file of grey values or of blue, green, red and opacity; made fast rather than small."""
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
