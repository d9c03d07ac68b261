# SPDX-License-Identifier: Apache-2.0
"""The files by which layouts of datasets are told apart; light enough for the help of options."""

from __future__ import annotations

LAYOUT_FILES = {
    "BOP": "SPLIT/NNNNNN/scene_gt.json, models/models_info.json",
    "preprocessed LineMOD": "data/NN/gt.yml, models/models_info.yml",
    "YCB-Video": "data/NNNN/NNNNNN-meta.mat, models/CLASS/*.obj",
    "COCO": (
        "annotations/instances_SPLIT.json with images/SPLIT (or SPLIT),"
        " SPLIT/_annotations.coco.json"
    ),
    "YOLO polygons": "images/SPLIT, labels/SPLIT, data.yaml",
}
LAYOUTS_HELP = ", ".join(f"{name} ({files})" for name, files in LAYOUT_FILES.items())
