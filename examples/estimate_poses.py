# SPDX-License-Identifier: Apache-2.0
"""Masks and 6D poses of annotated frames (BOP, LineMOD, YCB-Video).

usage: python examples/estimate_poses.py FOLDER
"""

import sys
from pathlib import Path

from perception_kit import open_dataset
from pose6d_node import PoseEstimator, Segmenter

if len(sys.argv) != 2 or not Path(sys.argv[1]).exists():
    sys.exit(__doc__)
segmenter = Segmenter("package://assistant_perception/models/demo/segmentation.safetensors")
estimator = PoseEstimator("package://assistant_perception/models/demo/pose.safetensors")
dataset = open_dataset(sys.argv[1])
for index in range(len(dataset)):
    frame = dataset[index]
    instances = segmenter(frame.rgb, frame.depth, frame.intrinsics)
    for pose in estimator(frame.rgb, frame.depth, frame.intrinsics, instances):
        print(f"{dataset.name(index)}: {pose.class_name} at {pose.translation.round(3)} m")
