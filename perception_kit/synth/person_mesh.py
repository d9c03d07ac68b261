# SPDX-License-Identifier: Apache-2.0
"""Skin of the articulated person: stacked elliptical rings along every limb in the rest pose, bound
to the skeleton by blended weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from perception_kit.synth.person_skeleton import JOINT_INDEX, JOINTS, Skeleton
from perception_kit.synth.person_wardrobe import REGIONS

# : Ring profiles: rows of (z, x of the centre, half depth along x, half width along y), all as
# fractions of the body height. : Torso and head start at their joint (pelvis, head); limbs at their
# first joint, with z measured along the limb.
# along the limb.
_TORSO = [
    *(
        (-0.062, 0.0, 0.030, 0.040),
        (-0.052, 0.0, 0.052, 0.080),
        (-0.02, -0.004, 0.065, 0.097),
        (0.02, -0.004, 0.065, 0.099),
    ),
    *(
        (0.06, 0.0, 0.058, 0.086),
        (0.10, 0.0, 0.056, 0.080),
        (0.15, 0.002, 0.061, 0.087),
        (0.20, 0.003, 0.064, 0.099),
    ),
    *(
        (0.235, 0.0, 0.058, 0.107),
        (0.258, -0.003, 0.049, 0.108),
        (0.274, -0.005, 0.039, 0.088),
        (0.284, -0.006, 0.033, 0.055),
        (0.296, -0.006, 0.029, 0.034),
    ),
]
_NECK = [(-0.03, -0.002, 0.033, 0.034), (0.0, 0.0, 0.031, 0.031), (0.045, 0.008, 0.031, 0.030)]
_HEAD = [
    *(
        (-0.012, 0.022, 0.018, 0.014),
        (-0.004, 0.018, 0.034, 0.026),
        (0.015, 0.012, 0.050, 0.037),
        (0.04, 0.010, 0.057, 0.043),
    ),
    *(
        (0.07, 0.006, 0.060, 0.046),
        (0.10, 0.003, 0.058, 0.045),
        (0.122, 0.0, 0.046, 0.037),
        (0.134, 0.0, 0.026, 0.021),
        (0.138, 0.0, 0.009, 0.008),
    ),
]
_HAIR = [
    *(
        (-0.10, -0.042, 0.018, 0.040),
        (-0.05, -0.036, 0.022, 0.044),
        (0.0, -0.028, 0.030, 0.047),
        (0.06, -0.012, 0.048, 0.051),
    ),
    *((0.10, -0.004, 0.056, 0.050), (0.128, -0.002, 0.044, 0.038), (0.142, 0.0, 0.018, 0.016)),
]
_ARM_RADII = [
    (0.0, 0.012, 0.011),
    (0.025, 0.023, 0.020),
    (0.07, 0.031, 0.026),
    (0.15, 0.032, 0.027),
    (0.32, 0.029, 0.026),
    (0.55, 0.024, 0.022),
]
_ARM_RADII += [(0.66, 0.025, 0.022), (0.82, 0.021, 0.019), (1.0, 0.016, 0.014)]
_LEG_RADII = [
    (-0.05, 0.040, 0.034),
    (0.02, 0.052, 0.044),
    (0.09, 0.054, 0.048),
    (0.22, 0.050, 0.046),
    (0.42, 0.040, 0.037),
    (0.50, 0.036, 0.034),
]
_LEG_RADII += [
    (0.60, 0.035, 0.032),
    (0.70, 0.036, 0.032),
    (0.85, 0.026, 0.024),
    (1.0, 0.022, 0.021),
]
_HAND = [
    (0.008, 0.0, 0.015, 0.012),
    (-0.02, 0.003, 0.023, 0.012),
    (-0.05, 0.004, 0.025, 0.012),
    (-0.075, 0.002, 0.020, 0.010),
    (-0.098, 0.0, 0.010, 0.006),
]
_FOOT = [
    *((-0.043, 0.034, 0.074, 0.024), (-0.036, 0.034, 0.077, 0.028), (-0.022, 0.030, 0.072, 0.027)),
    *((-0.006, 0.008, 0.046, 0.026), (0.012, 0.0, 0.028, 0.025), (0.03, 0.0, 0.024, 0.023)),
]


@dataclass(frozen=True)
class Outfit:
    """What the clothes change in the shape.

    Lengths in fractions of the body height; 0 leaves the part out.

    ``skirt`` length below the waist (a long coat is a skirt too), ``flare`` its relative width at
    the hem, ``long_hair`` whether hair falls to the shoulders, ``sleeve``/``trouser`` extra
    thickness of the cloth, ``belly`` extra relative depth of the waist.
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
    """Rest-pose vertices (V, 3) metres, pelvis at the origin; faces (F, 3); uv (F, 3, 2); weights
    (V, joints), rows add up to 1.
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
        """Closed tube through ``rings`` (M, 4) = z, x, half depth, half width, in metres, upwards;
        ``weights`` (M, joints).

        The texture's u runs around the tube from the back over the left side (front at 0.5), v
        upwards, inside the atlas ``region``.
        """
        rows = len(rings)
        u = np.linspace(0.0, 1.0, segments + 1)
        angle = np.pi - 2 * np.pi * u[:-1]
        x = rings[:, 1:2] + rings[:, 2:3] * np.cos(angle)
        side = y + rings[:, 3:4] * np.sin(angle)
        ring_vertices = np.stack(
            [x, side, np.broadcast_to(rings[:, :1], x.shape)], axis=-1
        ).reshape(-1, 3)
        caps = np.array([[rings[0, 1], y, rings[0, 0]], [rings[-1, 1], y, rings[-1, 0]]])
        index = np.arange(rows * segments).reshape(rows, segments)
        wrapped = np.concatenate([index, index[:, :1]], axis=1)
        u0, v0, u1, v1 = REGIONS[region]
        height = np.linspace(v0, v1, rows)
        texture = np.stack(
            np.broadcast_arrays(u0 + (u1 - u0) * u[None, :], height[:, None]), axis=-1
        )
        corners = [
            (slice(0, -1), slice(0, -1)),
            (slice(0, -1), slice(1, None)),
            (slice(1, None), slice(1, None)),
            (slice(1, None), slice(0, -1)),
        ]
        quads = np.stack([wrapped[c] for c in corners], axis=-1).reshape(-1, 4)
        quad_uv = np.stack([texture[c] for c in corners], axis=-2).reshape(-1, 4, 2)
        bottom, top = rows * segments, rows * segments + 1
        cap_faces, cap_uv = [], []
        for row, tip, order in ((0, bottom, (1, 0)), (rows - 1, top, (0, 1))):
            a, b = (wrapped[row, :-1], wrapped[row, 1:]), (texture[row, :-1], texture[row, 1:])
            cap_faces.append(np.stack([a[order[0]], a[order[1]], np.full(segments, tip)], axis=-1))
            cap_uv.append(np.stack([b[order[0]], b[order[1]], (b[0] + b[1]) / 2], axis=1))
        self.vertices.append(np.concatenate([ring_vertices, caps]))
        # Seen from outside, rings turn clockwise (from the back over the left side), hence the
        # order of the corners.
        self.faces.append(
            np.concatenate(
                [quads[:, [0, 2, 1]], quads[:, [0, 3, 2]], *[f[:, ::-1] for f in cap_faces]]
            )
            + self.count
        )
        self.uv.append(
            np.concatenate(
                [quad_uv[:, [0, 2, 1]], quad_uv[:, [0, 3, 2]], *[t[:, ::-1] for t in cap_uv]]
            )
        )
        self.weights.append(
            np.concatenate([np.repeat(weights, segments, axis=0), weights[[0, -1]]])
        )
        self.count += len(self.vertices[-1])


def _resample(profile: list[tuple[float, ...]] | np.ndarray, rows: int) -> np.ndarray:
    """Smooth ``profile`` (sorted by its first column) at ``rows`` evenly spread stations, ends
    kept.
    """
    table = np.asarray(profile, float)
    table = table[np.argsort(table[:, 0])]
    spread = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(table[:, [0, 2]], axis=0), axis=1))]
    )
    return PchipInterpolator(spread, table)(np.linspace(0.0, spread[-1], rows))


def _chain_weights(z: np.ndarray, stations: list[tuple[float, str]], blend: float) -> np.ndarray:
    """(M, joints) weights along z: each joint of ``stations`` (z, name; downwards or upwards) takes
    over smoothly at its own z.
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
    table: list[tuple[float, float, float]], top: float, length: float, thickness: float
) -> np.ndarray:
    """Rings of a hanging limb from a table of (fraction of the length from the top, half depth,
    half width).
    """
    rows = np.array(table, float)
    return np.stack(
        [
            top - rows[:, 0] * length,
            np.zeros(len(rows)),
            rows[:, 1] * thickness,
            rows[:, 2] * thickness,
        ],
        axis=1,
    )


def _add_torso_and_head(
    builder: _Builder, skeleton: Skeleton, outfit: Outfit, joints: np.ndarray
) -> None:
    h, girth = skeleton.height, skeleton.girth
    z_of = {
        name: joints[JOINT_INDEX[name], 2] for name in ("pelvis", "spine", "chest", "neck", "head")
    }
    torso = np.array(_TORSO)
    waist = np.exp(-(((torso[:, 0] - 0.10) / 0.06) ** 2))
    hip = np.exp(-(((torso[:, 0] - 0.0) / 0.05) ** 2))
    shoulder = np.clip((torso[:, 0] - 0.15) / 0.08, 0, 1)
    torso[:, 2] *= girth * (1 + (outfit.belly - 1) * waist)
    torso[:, 3] *= girth * (1 + 0.6 * (outfit.belly - 1) * waist) * (1 + (outfit.hips - 1) * hip)
    torso[:, 3] *= 1 + (skeleton.shoulder_ratio / girth - 1) * shoulder
    torso[:, 1] += 0.025 * (outfit.belly - 1) * waist
    upper = torso[:, 0] > 0
    torso[upper, 0] *= z_of["neck"] / (0.287 * h)
    rings = _resample(torso * h, 20)
    stations = [
        (z_of["pelvis"], "pelvis"),
        (z_of["spine"], "spine"),
        (z_of["chest"], "chest"),
        (z_of["neck"], "neck"),
    ]
    builder.add_tube(rings, 0.0, _chain_weights(rings[:, 0], stations, 0.035 * h), "torso", 20)
    neck = _resample(np.array(_NECK) * h * [1, 1, girth, girth], 5) + np.array(
        [z_of["neck"], joints[JOINT_INDEX["neck"], 0], 0, 0]
    )
    builder.add_tube(
        neck,
        0.0,
        _chain_weights(neck[:, 0], [(z_of["neck"], "neck"), (z_of["head"], "head")], 0.02 * h),
        "neck",
        12,
    )
    for profile, region, wanted in ((_HEAD, "head", True), (_HAIR, "hair", outfit.long_hair)):
        if wanted:
            rings = _resample(np.array(profile) * h * skeleton.head_ratio, 14) + np.array(
                [z_of["head"], joints[JOINT_INDEX["head"], 0], 0, 0]
            )
            builder.add_tube(
                rings,
                0.0,
                _chain_weights(
                    rings[:, 0],
                    [(z_of["neck"] - 0.06 * h, "chest"), (z_of["head"], "head")],
                    0.05 * h,
                ),
                region,
                16,
            )


def _add_limbs(builder: _Builder, skeleton: Skeleton, outfit: Outfit, joints: np.ndarray) -> None:
    h = skeleton.height
    thickness = np.sqrt(skeleton.girth) * h
    for side in ("left", "right"):
        place = {
            part: joints[JOINT_INDEX[f"{side}_{part}"]]
            for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
        }
        top = place["upper_arm"][2] + 0.018 * thickness
        arm = _limb_rings(
            _ARM_RADII, top, top - place["hand"][2], thickness * outfit.sleeve
        ) + np.array([0, place["upper_arm"][0], 0, 0])
        arm = _resample(arm, 16)
        chain = [(place[part][2], f"{side}_{part}") for part in ("upper_arm", "forearm")]
        builder.add_tube(
            arm, place["upper_arm"][1], _chain_weights(arm[:, 0], chain, 0.03 * h), "arm", 12
        )
        leg = _resample(
            _limb_rings(_LEG_RADII, 0.0, -place["foot"][2], thickness * outfit.trouser), 18
        )
        chain = [
            (0.02 * h, "pelvis"),
            (-0.01 * h, f"{side}_thigh"),
            (place["shin"][2], f"{side}_shin"),
        ]
        builder.add_tube(
            leg, place["thigh"][1], _chain_weights(leg[:, 0], chain, 0.035 * h), "leg", 14
        )
        for profile, part, rows in ((_HAND, "hand", 8), (_FOOT, "foot", 8)):
            rings = _resample(np.array(profile) * h, rows) + np.array(
                [place[part][2], place[part][0], 0, 0]
            )
            weights = np.zeros((rows, len(JOINTS)))
            weights[:, JOINT_INDEX[f"{side}_{part}"]] = 1.0
            builder.add_tube(rings, place[part][1], weights, part, 12)


def _add_skirt(builder: _Builder, skeleton: Skeleton, outfit: Outfit) -> None:
    """A skirt or the tail of a coat: follows the pelvis at the waist and the nearer thigh towards
    the hem.
    """
    h, segments = skeleton.height, 20
    depth = np.linspace(1.0, 0.0, 10)
    width = skeleton.girth * (1.08 + (outfit.flare - 1) * depth)
    rings = np.stack(
        [(0.08 - outfit.skirt * depth) * h, np.zeros(10), 0.070 * h * width, 0.098 * h * width],
        axis=1,
    )
    builder.add_tube(rings, 0.0, np.zeros((10, len(JOINTS))), "skirt", segments)
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
    _add_torso_and_head(builder, skeleton, outfit, joints)
    _add_limbs(builder, skeleton, outfit, joints)
    if outfit.skirt > 0:
        _add_skirt(builder, skeleton, outfit)
    return SkinnedMesh(
        *(
            np.concatenate(part)
            for part in (builder.vertices, builder.faces, builder.uv, builder.weights)
        )
    )
