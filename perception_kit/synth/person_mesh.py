# SPDX-License-Identifier: Apache-2.0
"""Skin of the articulated person, bound to the skeleton by blended weights.

It consists of stacked elliptical rings along every limb in the rest pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from perception_kit.synth.person_skeleton import JOINT_INDEX, JOINTS, Skeleton
from perception_kit.synth.person_wardrobe import REGIONS

# Ring profiles: rows of (z, x of the centre, half depth along x, half width along y), all as
# fractions of the body height; z starts at the joint of that name (torso: pelvis, hair: head).
_TORSO = [
    (-0.062, 0.0, 0.030, 0.040),
    (-0.052, 0.0, 0.052, 0.080),
    (-0.02, -0.004, 0.065, 0.097),
    (0.02, -0.004, 0.065, 0.099),
    (0.06, 0.0, 0.058, 0.086),
    (0.10, 0.0, 0.056, 0.080),
    (0.15, 0.002, 0.061, 0.087),
    (0.20, 0.003, 0.064, 0.099),
    (0.235, 0.0, 0.058, 0.107),
    (0.258, -0.003, 0.049, 0.108),
    (0.274, -0.005, 0.039, 0.088),
    (0.284, -0.006, 0.033, 0.055),
    (0.296, -0.006, 0.029, 0.034),
]
_NECK = [(-0.03, -0.002, 0.033, 0.034), (0.0, 0.0, 0.031, 0.031), (0.045, 0.008, 0.031, 0.030)]
_HEAD = [
    (-0.012, 0.022, 0.018, 0.014),
    (-0.004, 0.018, 0.034, 0.026),
    (0.015, 0.012, 0.050, 0.037),
    (0.04, 0.010, 0.057, 0.043),
    (0.07, 0.006, 0.060, 0.046),
    (0.10, 0.003, 0.058, 0.045),
    (0.122, 0.0, 0.046, 0.037),
    (0.134, 0.0, 0.026, 0.021),
    (0.138, 0.0, 0.009, 0.008),
]
_HAIR = [
    (-0.10, -0.042, 0.018, 0.040),
    (-0.05, -0.036, 0.022, 0.044),
    (0.0, -0.028, 0.030, 0.047),
    (0.06, -0.012, 0.048, 0.051),
    (0.10, -0.004, 0.056, 0.050),
    (0.128, -0.002, 0.044, 0.038),
    (0.142, 0.0, 0.018, 0.016),
]
_HAND = [
    (0.008, 0.0, 0.015, 0.012),
    (-0.02, 0.003, 0.023, 0.012),
    (-0.05, 0.004, 0.025, 0.012),
    (-0.075, 0.002, 0.020, 0.010),
    (-0.098, 0.0, 0.010, 0.006),
]
_FOOT = [
    (-0.043, 0.034, 0.074, 0.024),
    (-0.036, 0.034, 0.077, 0.028),
    (-0.022, 0.030, 0.072, 0.027),
    (-0.006, 0.008, 0.046, 0.026),
    (0.012, 0.0, 0.028, 0.025),
    (0.03, 0.0, 0.024, 0.023),
]
# Limbs: rows of (fraction of the length from the top, half depth, half width), the latter two as
# fractions of the body height.
_ARM_RADII = [
    (0.0, 0.012, 0.011),
    (0.025, 0.023, 0.020),
    (0.07, 0.031, 0.026),
    (0.15, 0.032, 0.027),
    (0.32, 0.029, 0.026),
    (0.55, 0.024, 0.022),
    (0.66, 0.025, 0.022),
    (0.82, 0.021, 0.019),
    (1.0, 0.016, 0.014),
]
_LEG_RADII = [
    (-0.05, 0.040, 0.034),
    (0.02, 0.052, 0.044),
    (0.09, 0.054, 0.048),
    (0.22, 0.050, 0.046),
    (0.42, 0.040, 0.037),
    (0.50, 0.036, 0.034),
    (0.60, 0.035, 0.032),
    (0.70, 0.036, 0.032),
    (0.85, 0.026, 0.024),
    (1.0, 0.022, 0.021),
]


@dataclass(frozen=True)
class Outfit:
    """What the clothes change in the shape.

    ``skirt`` length below the waist as a fraction of the body height, 0 for none (a long coat is a
    skirt too), ``flare`` its relative width at the hem, ``long_hair`` whether hair falls to the
    shoulders, ``sleeve`` and ``trouser`` relative thickness of the cloth, ``belly`` relative depth
    of the waist, ``hips`` relative width of the hips.
    """

    skirt: float = 0.0
    flare: float = 1.3
    long_hair: bool = False
    sleeve: float = 1.05
    trouser: float = 1.05
    belly: float = 1.0
    hips: float = 1.0


@dataclass
class SkinnedMesh:
    """The skin in the rest pose.

    ``vertices`` (V, 3) metres, pelvis at the origin; ``faces`` (F, 3); ``uv`` (F, 3, 2);
    ``weights`` (V, joints), rows add up to 1.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    weights: np.ndarray


@dataclass
class _Builder:
    """Collects tubes into one mesh."""

    vertices: list[np.ndarray] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)
    uv: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    count: int = 0

    def add_tube(
        self, rings: np.ndarray, y: float, weights: np.ndarray, region: str, segments: int
    ) -> None:
        """Closed tube through ``rings`` (M, 4) = z, x, half depth, half width, in metres, upwards.

        ``weights`` (M, joints). The texture's u runs around the tube from the back over the left
        side (front at 0.5), v upwards, inside the atlas ``region``.
        """
        rows = len(rings)
        z, center, depth, width = (rings[:, column : column + 1] for column in range(4))

        # One vertex for each segment of a ring, and one in the middle of each end.
        u = np.linspace(0.0, 1.0, segments + 1)
        angle = np.pi - 2 * np.pi * u[:-1]
        x = center + depth * np.cos(angle)
        side = y + width * np.sin(angle)
        around = np.stack([x, side, np.broadcast_to(z, x.shape)], axis=-1).reshape(-1, 3)
        tips = np.array([[rings[0, 1], y, rings[0, 0]], [rings[-1, 1], y, rings[-1, 0]]])

        # Their indices and texture coordinates, with the first segment again after the last.
        index = np.arange(rows * segments).reshape(rows, segments)
        index = np.concatenate([index, index[:, :1]], axis=1)
        u0, v0, u1, v1 = REGIONS[region]
        v = np.linspace(v0, v1, rows)
        texture = np.stack(np.broadcast_arrays(u0 + (u1 - u0) * u[None, :], v[:, None]), axis=-1)

        # Two triangles for each cell. Seen from outside, rings turn clockwise (from the back over
        # the left side), hence the order of the corners.
        lower, upper = slice(0, -1), slice(1, None)
        corners = [(lower, lower), (lower, upper), (upper, upper), (upper, lower)]
        quads = np.stack([index[corner] for corner in corners], axis=-1).reshape(-1, 4)
        quad_uv = np.stack([texture[corner] for corner in corners], axis=-2).reshape(-1, 4, 2)
        faces = [quads[:, [0, 2, 1]], quads[:, [0, 3, 2]]]
        uv = [quad_uv[:, [0, 2, 1]], quad_uv[:, [0, 3, 2]]]

        # A fan for each end, whose tip takes its colour from between the corners.
        bottom, top = rows * segments, rows * segments + 1
        for row, tip, order in ((0, bottom, (0, 1)), (rows - 1, top, (1, 0))):
            ends = index[row, :-1], index[row, 1:]
            ends_uv = texture[row, :-1], texture[row, 1:]
            first, second = order
            middle = (ends_uv[0] + ends_uv[1]) / 2
            faces.append(np.stack([np.full(segments, tip), ends[first], ends[second]], axis=-1))
            uv.append(np.stack([middle, ends_uv[first], ends_uv[second]], axis=1))

        self.vertices.append(np.concatenate([around, tips]))
        self.faces.append(np.concatenate(faces) + self.count)
        self.uv.append(np.concatenate(uv))
        ring_weights = np.repeat(weights, segments, axis=0)
        self.weights.append(np.concatenate([ring_weights, weights[[0, -1]]]))
        self.count += len(self.vertices[-1])


def _resample(profile: npt.ArrayLike, rows: int) -> np.ndarray:
    """Smooth ``profile`` (sorted by its first column) at ``rows`` evenly spread stations.

    The ends are kept.
    """
    table = np.asarray(profile, float)
    table = table[np.argsort(table[:, 0])]
    lengths = np.linalg.norm(np.diff(table[:, [0, 2]], axis=0), axis=1)
    spread = np.concatenate([[0.0], np.cumsum(lengths)])
    return PchipInterpolator(spread, table)(np.linspace(0.0, spread[-1], rows))


def _chain_weights(
    z: np.ndarray, stations: Sequence[tuple[float, str]], blend: float
) -> np.ndarray:
    """(M, joints) weights of rings at heights ``z`` (M,).

    Each joint of ``stations`` (z, name; downwards or upwards) takes over smoothly at its own z,
    within ``blend`` metres.
    """
    weights = np.zeros((len(z), len(JOINTS)))
    weights[:, JOINT_INDEX[stations[0][1]]] = 1.0
    direction = np.sign(stations[-1][0] - stations[0][0])
    for station, name in stations[1:]:
        fraction = np.clip(0.5 + direction * (z - station) / (2 * blend), 0.0, 1.0)
        fraction = fraction * fraction * (3 - 2 * fraction)
        weights *= 1 - fraction[:, None]
        weights[:, JOINT_INDEX[name]] += fraction
    return weights


def _limb_rings(
    table: Sequence[tuple[float, float, float]], top: float, length: float, thickness: float
) -> np.ndarray:
    """(M, 4) rings of a hanging limb, metres; ``table`` as ``_ARM_RADII``."""
    fraction, depth, width = np.array(table, float).T
    z, x = top - fraction * length, np.zeros(len(fraction))
    return np.stack([z, x, depth * thickness, width * thickness], axis=1)


def _moved(rings: np.ndarray, x: float, z: float = 0.0) -> np.ndarray:
    """Rings (M, 4) shifted."""
    return rings + np.array([z, x, 0, 0])


def _add_torso(builder: _Builder, skeleton: Skeleton, outfit: Outfit, joints: np.ndarray) -> None:
    h, girth = skeleton.height, skeleton.girth
    z_of = {name: joints[JOINT_INDEX[name], 2] for name in ("pelvis", "spine", "chest", "neck")}
    torso = np.array(_TORSO)

    # Depth and width by girth, belly, hips and shoulders, each around its height on the torso.
    waist = np.exp(-(((torso[:, 0] - 0.10) / 0.06) ** 2))
    hip = np.exp(-(((torso[:, 0] - 0.0) / 0.05) ** 2))
    shoulder = np.clip((torso[:, 0] - 0.15) / 0.08, 0, 1)
    torso[:, 2] *= girth * (1 + (outfit.belly - 1) * waist)
    torso[:, 3] *= girth * (1 + 0.6 * (outfit.belly - 1) * waist) * (1 + (outfit.hips - 1) * hip)
    torso[:, 3] *= 1 + (skeleton.shoulder_ratio / girth - 1) * shoulder
    torso[:, 1] += 0.025 * (outfit.belly - 1) * waist

    # As high as the neck of this skeleton; the profile's is at 0.287.
    upper = torso[:, 0] > 0
    torso[upper, 0] *= z_of["neck"] / (0.287 * h)

    rings = _resample(torso * h, 20)
    stations = [(z, name) for name, z in z_of.items()]
    builder.add_tube(rings, 0.0, _chain_weights(rings[:, 0], stations, 0.035 * h), "torso", 20)


def _add_head(builder: _Builder, skeleton: Skeleton, outfit: Outfit, joints: np.ndarray) -> None:
    """Neck, head and long hair."""
    h, girth = skeleton.height, skeleton.girth
    neck_x, _, neck_z = joints[JOINT_INDEX["neck"]]
    head_x, _, head_z = joints[JOINT_INDEX["head"]]

    rings = _moved(_resample(np.array(_NECK) * h * [1, 1, girth, girth], 5), neck_x, neck_z)
    weights = _chain_weights(rings[:, 0], [(neck_z, "neck"), (head_z, "head")], 0.02 * h)
    builder.add_tube(rings, 0.0, weights, "neck", 12)

    profiles = {"head": _HEAD, "hair": _HAIR} if outfit.long_hair else {"head": _HEAD}
    for region, profile in profiles.items():
        rings = _moved(_resample(np.array(profile) * h * skeleton.head_ratio, 14), head_x, head_z)
        stations = [(neck_z - 0.06 * h, "chest"), (head_z, "head")]
        builder.add_tube(rings, 0.0, _chain_weights(rings[:, 0], stations, 0.05 * h), region, 16)


def _add_limbs(
    builder: _Builder, skeleton: Skeleton, outfit: Outfit, joints: np.ndarray, side: str
) -> None:
    """Arm, leg, hand and foot of one side."""
    h = skeleton.height
    thickness = np.sqrt(skeleton.girth) * h
    limbs = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
    place = {limb: joints[JOINT_INDEX[f"{side}_{limb}"]] for limb in limbs}

    # The arm, from above the shoulder to the wrist.
    x, y, z = place["upper_arm"]
    top = z + 0.018 * thickness
    length = top - place["hand"][2]
    rings = _limb_rings(_ARM_RADII, top, length, thickness * outfit.sleeve)
    rings = _resample(_moved(rings, x), 16)
    chain = [(z, f"{side}_upper_arm"), (place["forearm"][2], f"{side}_forearm")]
    builder.add_tube(rings, y, _chain_weights(rings[:, 0], chain, 0.03 * h), "arm", 12)

    # The leg, from above the hip to the ankle.
    length = -place["foot"][2]
    rings = _limb_rings(_LEG_RADII, 0.0, length, thickness * outfit.trouser)
    rings = _resample(rings, 18)
    hip, knee = (-0.01 * h, f"{side}_thigh"), (place["shin"][2], f"{side}_shin")
    weights = _chain_weights(rings[:, 0], [(0.02 * h, "pelvis"), hip, knee], 0.035 * h)
    builder.add_tube(rings, place["thigh"][1], weights, "leg", 14)

    for limb, profile in (("hand", _HAND), ("foot", _FOOT)):
        x, y, z = place[limb]
        rings = _moved(_resample(np.array(profile) * h, 8), x, z)
        weights = np.zeros((8, len(JOINTS)))
        weights[:, JOINT_INDEX[f"{side}_{limb}"]] = 1.0
        builder.add_tube(rings, y, weights, limb, 12)


def _add_skirt(builder: _Builder, skeleton: Skeleton, outfit: Outfit) -> None:
    """A skirt or the tail of a coat.

    It follows the pelvis at the waist and the nearer thigh towards the hem.
    """
    h, rows = skeleton.height, 10
    depth = np.linspace(1.0, 0.0, rows)
    width = skeleton.girth * (1.08 + (outfit.flare - 1) * depth)
    z = (0.08 - outfit.skirt * depth) * h
    rings = np.stack([z, np.zeros(rows), 0.070 * h * width, 0.098 * h * width], axis=1)
    builder.add_tube(rings, 0.0, np.zeros((rows, len(JOINTS))), "skirt", segments=20)

    # Weights by vertex, because left and right of a ring follow different legs.
    vertices, weights = builder.vertices[-1], builder.weights[-1]
    to_legs = np.clip((0.04 * h - vertices[:, 2]) / (0.22 * h), 0.0, 0.95)
    left = np.clip(0.5 + vertices[:, 1] / (0.10 * h), 0.0, 1.0)
    weights[:, JOINT_INDEX["pelvis"]] = 1 - to_legs
    weights[:, JOINT_INDEX["left_thigh"]] = to_legs * left
    weights[:, JOINT_INDEX["right_thigh"]] = to_legs * (1 - left)


def build_body(skeleton: Skeleton, outfit: Outfit) -> SkinnedMesh:
    """The person's skin in the rest pose, about 3,500 triangles."""
    builder = _Builder()
    joints = skeleton.rest_joints()
    _add_torso(builder, skeleton, outfit, joints)
    _add_head(builder, skeleton, outfit, joints)
    for side in ("left", "right"):
        _add_limbs(builder, skeleton, outfit, joints, side)
    if outfit.skirt > 0:
        _add_skirt(builder, skeleton, outfit)

    return SkinnedMesh(
        vertices=np.concatenate(builder.vertices),
        faces=np.concatenate(builder.faces),
        uv=np.concatenate(builder.uv),
        weights=np.concatenate(builder.weights),
    )
