# SPDX-License-Identifier: Apache-2.0
"""Effective configuration of a replay: settings, node parameters, model files and versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import yaml

from perception_kit.bags.camera_topics import CameraTopics
from perception_kit.networks.model_file import file_sha256
from perception_kit.replay.settings import ReplaySettings
from perception_kit.resources import PACKAGE, package_version
from perception_kit.ros.graph_client import GraphClient

# Libraries whose versions can change the results.
_LIBRARIES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "torch",
    "torchvision",
    "safetensors",
    "rosbags",
)


def write_effective_config(
    path: Path,
    settings: ReplaySettings,
    topics: CameraTopics,
    client: GraphClient,
    nodes: Collection[str],
    reported: Mapping[str, Mapping[str, str]],
) -> None:
    """Write everything that decides the results into the YAML file ``path``.

    ``nodes`` are those that run; ``reported`` the values of their diagnostics.
    """
    content = {
        "settings": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(settings).items()
        },
        "topics": asdict(topics),
        "parameters": {node: client.parameters(node) for node in nodes},
        "runtimes": {
            node: values["runtime"] for node, values in reported.items() if "runtime" in values
        },
        "model_sha256": {
            kind: file_sha256(model)
            for kind, model in settings.model_files().items()
            if model.is_file()
        },
        "versions": _versions(),
        "machine": _machine(),
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries."""
    optional = ["openvino"] if find_spec("openvino") is not None else []
    return {
        PACKAGE: package_version(),
        "python": platform.python_version(),
        **{name: version(name) for name in (*_LIBRARIES, *optional)},
    }


def _machine() -> dict[str, Any]:
    """System, processor and GPU."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    """Model name of the processor, as Linux reports it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
