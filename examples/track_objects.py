# SPDX-License-Identifier: Apache-2.0
"""Deep SORT on detections of your own: two cups pass each other. Needs neither ROS nor PyTorch."""

import numpy as np

from perception_kit import Instance
from tracker_node import DeepSort, TrackerConfig

tracker = DeepSort(TrackerConfig(max_age=15))
for frame in range(20):
    lefts = np.array([20 + 12 * frame, 260 - 12 * frame])
    boxes = np.stack([lefts, [60, 150], lefts + 60, [140, 230]], axis=1).astype(np.float32)
    no_mask = np.zeros((0, 0), bool)
    cups = [Instance(1, "cup", 0.9, box, no_mask, (0, 0)) for box in boxes]
    for track in tracker.update(cups, stamp_ns=frame * 33_000_000):
        print(f"frame {frame}: {track.class_name} #{track.id} at {track.box.round()}")
