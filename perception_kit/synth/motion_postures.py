# SPDX-License-Identifier: Apache-2.0
"""Postures that movements pass through or come to rest in, as angles in degrees.

One-sided ones are written for the right side.
"""

from __future__ import annotations

from perception_kit.synth.motion_keyframes import Posture

# One line each for trunk, legs and arms.
# fmt: off
CROUCH: Posture = {
    "root_pitch": 18, "spine_flex": 28,
    "hip_flex": 112, "hip_abduct": 12, "knee": 125, "ankle": 22,
    "shoulder_flex": 45, "elbow": 40,
}
SEATED: Posture = {
    "root_pitch": -4, "spine_flex": 8,
    "hip_flex": 88, "hip_abduct": 7, "knee": 88, "ankle": 2,
    "shoulder_flex": 22, "elbow": 60,
}
RISING: Posture = {
    "root_pitch": 26, "spine_flex": 22, "neck_flex": -15,
    "hip_flex": 98, "hip_abduct": 6, "knee": 82, "ankle": 14,
    "shoulder_flex": 35, "elbow": 35,
}
ALL_FOURS: Posture = {
    "root_pitch": 78, "neck_flex": -25,
    "hip_flex": 82, "hip_abduct": 5, "knee": 88, "ankle": -35,
    "shoulder_flex": 82, "elbow": 8,
}
HALF_KNEEL: Posture = {
    "root_pitch": 12, "spine_flex": 15,
    "left_hip_flex": 88, "left_knee": 92, "left_ankle": 5,
    "right_hip_flex": 5, "right_knee": 92, "right_ankle": -30,
    "left_shoulder_flex": 40, "left_elbow": 35, "right_shoulder_flex": 15, "right_elbow": 30,
}
FLOOR_SIT: Posture = {
    "root_pitch": -18, "spine_flex": 15,
    "hip_flex": 104, "hip_abduct": 10, "knee": 74,
    "shoulder_flex": -58, "shoulder_abduct": 18, "elbow": 14,
}
LEAN_BACK: Posture = {
    "root_pitch": -56, "spine_flex": 18, "neck_flex": 25,
    "hip_flex": 72, "hip_abduct": 10, "knee": 78,
    "shoulder_flex": -52, "shoulder_abduct": 20, "elbow": 88,
}
SUPINE: Posture = {
    "root_pitch": -89,
    "hip_flex": 4, "hip_abduct": 9, "hip_rotate": -20, "knee": 5, "ankle": -25,
    "shoulder_abduct": 28, "shoulder_rotate": 75, "elbow": 25,
}
PRONE: Posture = {
    "root_pitch": 89, "neck_twist": 50,
    "hip_flex": 1, "hip_abduct": 9, "knee": 5, "ankle": -60,
    "shoulder_abduct": 60, "shoulder_rotate": -88, "elbow": 65,
}
ON_SIDE: Posture = {
    "root_roll": 88, "spine_flex": 12, "neck_side": -14,
    "hip_flex": 30, "knee": 45, "ankle": -20,
    "left_hip_flex": 50, "left_hip_abduct": -10, "left_knee": 60,
    "right_shoulder_flex": 75, "right_elbow": 40,
    "left_shoulder_flex": 55, "left_shoulder_abduct": -18, "left_elbow": 55,
}
# fmt: on
