# SPDX-License-Identifier: Apache-2.0
"""The articulated person: one random body with clothes, posed as a textured mesh."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.synth.person_mesh import Outfit, build_body
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, BodyPose, Skeleton
from perception_kit.synth.person_wardrobe import draw_atlas


def sample_skeleton(rng: np.random.Generator) -> Skeleton:
    """Random proportions of an adult 1.5 to 1.95 m tall."""
    return Skeleton(
        height=float(np.clip(rng.normal(1.71, 0.1), 1.5, 1.95)),
        leg_ratio=rng.uniform(0.96, 1.05),
        shoulder_ratio=rng.uniform(0.9, 1.1),
        girth=float(np.clip(rng.normal(1.02, 0.12), 0.82, 1.4)),
        head_ratio=rng.uniform(0.96, 1.06),
    )


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """Random shape of clothes and hair: trousers mostly, sometimes a skirt, a dress or a coat."""
    kind = str(rng.choice(["trousers", "skirt", "coat"], p=[0.74, 0.16, 0.10]))
    # Both lengths are drawn, whichever is used.
    skirt, coat = rng.uniform(0.24, 0.42), rng.uniform(0.18, 0.36)

    return Outfit(
        skirt={"trousers": 0.0, "skirt": skirt, "coat": coat}[kind],
        flare=rng.uniform(1.15, 1.7) if kind == "skirt" else rng.uniform(1.1, 1.3),
        long_hair=bool(rng.random() < 0.35),
        sleeve=rng.uniform(1.0, 1.25),
        trouser=rng.uniform(1.0, 1.25),
        belly=rng.uniform(0.95, 1.3),
        hips=rng.uniform(0.95, 1.12),
    )


class Person:
    """A random person of the distribution of a split: "train", "val" or "test".

    Each split has clothes of its own. Raises ValueError for an unknown split.
    """

    def __init__(self, rng: np.random.Generator, split: str = "train") -> None:
        self.skeleton = sample_skeleton(rng)
        outfit = sample_outfit(rng)
        self.texture = draw_atlas(rng, split, dress=outfit.skirt > 0 and rng.random() < 0.5)

        body = build_body(self.skeleton, outfit)
        self.faces = body.faces.astype(np.int32)
        self.uv = body.uv.astype(np.float32)
        self._weights = body.weights
        ones = np.ones((len(body.vertices), 1))
        self._homogeneous = np.concatenate([body.vertices, ones], axis=1)
        self._rest_joints = self.skeleton.rest_joints()

    def mesh(self, pose: BodyPose) -> TexturedMesh:
        """The body in the world frame (z up, floor at 0), metres, by linear blend skinning.

        Its lowest vertex is ``clearance`` above the floor. ``faces``, ``uv`` and ``texture`` are
        the same objects for every pose.
        """
        # Each joint's rigid motion (3, 4) from the rest pose.
        rotations, positions = self.skeleton.forward_kinematics(pose.channels[None])
        shifts = positions[0] - np.einsum("jab,jb->ja", rotations[0], self._rest_joints)
        transforms = np.concatenate([rotations[0], shifts[..., None]], axis=-1).reshape(-1, 12)

        # Each vertex moves by the weighted mean of these.
        blended = (self._weights @ transforms).reshape(-1, 3, 4)
        vertices = np.einsum("vab,vb->va", blended, self._homogeneous)

        # Onto its place on the floor.
        vertices = vertices @ Rotation.from_euler("z", pose.heading).as_matrix().T
        vertices[:, :2] += pose.position
        vertices[:, 2] += pose.channels[CHANNEL_INDEX["clearance"]] - vertices[:, 2].min()
        return TexturedMesh(vertices.astype(np.float32), self.faces, self.uv, self.texture)
