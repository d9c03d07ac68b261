# SPDX-License-Identifier: Apache-2.0
"""Help of the options by which commands are given annotated frames."""

from __future__ import annotations

DATA_HELP = (
    "dataset to train on: a BOP, preprocessed LineMOD or YCB-Video folder, or, for the"
    " segmentation, photographs of COCO or YOLO; may be given several times"
)
SPLIT_HELP = (
    "splits of --data, such as train_pbr (default: train, or the only one that is called train…)"
)
CLASSES_HELP = "classes to learn, by name; objects of others are background (default: all)"
VAL_HELP = "dataset to score the model on; other scenes than --data"
VAL_SPLIT_HELP = "split of --val; train, or the only one called train…, where the folder has no val"
