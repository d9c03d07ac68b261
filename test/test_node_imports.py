# SPDX-License-Identifier: Apache-2.0
"""What a node imports, which is most of its memory and of the time that it takes to start.

The imports are read from the sources: those of libraries by other libraries are not seen.
"""

from __future__ import annotations

import pytest
from python_imports import imported_at_once, libraries_of, sources

# For commands, training, evaluation and recordings.
NEVER = {
    "dask", "h5py", "lancedb", "lightning", "matplotlib", "onnx", "open3d", "pandas", "plotly",
    "pycocotools", "pytorch_lightning", "rerun", "rosbags", "scenedetect", "tensorboard",
    "torchmetrics", "tqdm", "trimesh",
}  # fmt: skip
NETWORKS = {"torch", "torchvision", "openvino", "safetensors"}


@pytest.mark.parametrize(
    ("roots", "unwanted"),
    [
        # Before a model is loaded: parameters are there, and errors are reported, at once.
        (["pose6d_node.node"], NEVER | NETWORKS),
        (["tracker_node.node"], NEVER | NETWORKS - {"safetensors"}),
        (["actionrec_node.node"], NEVER | NETWORKS),
        # With it. The networks of actions need PyTorch only where no graph of them is kept.
        (["pose6d_node.segmentation.predictor", "pose6d_node.densefusion.predictor"], NEVER),
        (
            [
                "actionrec_node.recognition.clip_requests",
                "actionrec_node.recognition.recognizer",
            ],
            NEVER | {"torch", "torchvision"},
        ),
    ],
    ids=["poses", "tracks", "actions", "models of poses", "model of actions"],
)
def test_a_node_imports_only_what_runs(roots: list[str], unwanted: set[str]) -> None:
    found = libraries_of(roots)
    assert {name: by for name, by in found.items() if name in unwanted} == {}
    assert "numpy" in found


def test_imports_of_functions_and_of_type_checkers_come_later() -> None:
    names = set(imported_at_once(sources("actionrec_node")["actionrec_node.networks.classifier"]))
    assert "perception_kit.networks.graph_cache.kept_graph" in names
    assert not {
        name for name in names if name.startswith(("openvino", "actionrec_node.networks.openvino"))
    }
