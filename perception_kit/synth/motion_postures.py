# SPDX-License-Identifier: Apache-2.0
"""Postures that movements pass through or rest in, as angles in degrees.

One-sided ones are written for the right side.
"""

from __future__ import annotations

from perception_kit.synth.motion_keyframes import Posture

CROUCH: Posture = {
    "hip_flex": 112,
    "knee": 125,
    "ankle": 22,
    "spine_flex": 28,
    "root_pitch": 18,
    "hip_abduct": 12,
    "shoulder_flex": 45,
    "elbow": 40,
}
SEATED: Posture = {
    "hip_flex": 88,
    "knee": 88,
    "ankle": 2,
    "spine_flex": 8,
    "root_pitch": -4,
    "hip_abduct": 7,
    "shoulder_flex": 22,
    "elbow": 60,
}
RISING: Posture = {
    "hip_flex": 98,
    "knee": 82,
    "ankle": 14,
    "spine_flex": 22,
    "root_pitch": 26,
    "neck_flex": -15,
    "shoulder_flex": 35,
    "elbow": 35,
    "hip_abduct": 6,
}
ALL_FOURS: Posture = {
    "root_pitch": 78,
    "hip_flex": 82,
    "knee": 88,
    "ankle": -35,
    "shoulder_flex": 82,
    "elbow": 8,
    "neck_flex": -25,
    "hip_abduct": 5,
}
HALF_KNEEL: Posture = {
    **{
        "root_pitch": 12,
        "left_hip_flex": 88,
        "left_knee": 92,
        "right_hip_flex": 5,
        "right_knee": 92,
        "right_ankle": -30,
        "left_ankle": 5,
    },
    **{
        "spine_flex": 15,
        "left_shoulder_flex": 40,
        "left_elbow": 35,
        "right_shoulder_flex": 15,
        "right_elbow": 30,
    },
}
FLOOR_SIT: Posture = {
    "root_pitch": -18,
    "hip_flex": 104,
    "knee": 74,
    "spine_flex": 15,
    "hip_abduct": 10,
    "shoulder_flex": -58,
    "elbow": 14,
    "shoulder_abduct": 18,
}
LEAN_BACK: Posture = {
    "root_pitch": -56,
    "hip_flex": 72,
    "knee": 78,
    "spine_flex": 18,
    "neck_flex": 25,
    "hip_abduct": 10,
    "shoulder_flex": -52,
    "elbow": 88,
    "shoulder_abduct": 20,
}
SUPINE: Posture = {
    "root_pitch": -89,
    "hip_flex": 4,
    "knee": 5,
    "ankle": -25,
    "hip_abduct": 9,
    "hip_rotate": -20,
    "shoulder_abduct": 28,
    "elbow": 25,
    "shoulder_rotate": 75,
}
PRONE: Posture = {
    "root_pitch": 89,
    "hip_flex": 1,
    "knee": 5,
    "ankle": -60,
    "hip_abduct": 9,
    "shoulder_abduct": 60,
    "elbow": 65,
    "shoulder_rotate": -88,
    "neck_twist": 50,
}
ON_SIDE: Posture = {
    **{
        "root_roll": 88,
        "hip_flex": 30,
        "knee": 45,
        "left_hip_flex": 50,
        "left_knee": 60,
        "left_hip_abduct": -10,
        "spine_flex": 12,
        "ankle": -20,
    },
    **{
        "right_shoulder_flex": 75,
        "right_elbow": 40,
        "left_shoulder_flex": 55,
        "left_shoulder_abduct": -18,
        "left_elbow": 55,
        "neck_side": -14,
    },
}
