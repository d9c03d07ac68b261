# SPDX-License-Identifier: Apache-2.0
"""What a replay really ran with: its own settings, the nodes' parameters, the model files and the
versions.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
import yaml
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.task import Future

from perception_kit.bags.camera_topics import CameraTopics
from perception_kit.networks.model_file import file_sha256
from perception_kit.replay.player import Player
from perception_kit.replay.settings import ReplaySettings
from perception_kit.resources import PACKAGE, package_folder

_LIBRARIES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "torch",
    "torchvision",
    "safetensors",
    "rosbags",
)
_RESPONSE_LIMIT_S = 10.0


def write_effective_config(
    path: Path,
    settings: ReplaySettings,
    topics: CameraTopics,
    player: Player,
    nodes: Collection[str],
) -> None:
    """Write everything that decides the results into the YAML file ``path``; ``nodes`` are those
    that run.
    """
    models = {
        "segmentation": settings.segmentation_model,
        "pose": settings.pose_model,
        "action": settings.action_model,
    }
    content = {
        "settings": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(settings).items()
        },
        "topics": asdict(topics),
        "parameters": {node: _parameters(player, node) for node in nodes},
        "model_sha256": {
            name: file_sha256(path) for name, path in models.items() if path.is_file()
        },
        "versions": {
            PACKAGE: _package_version(),
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "machine": {
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _package_version() -> str:
    return ElementTree.parse(package_folder() / "package.xml").findtext("version")


def _processor() -> str:
    """Name of the processor, as Linux knows it."""
    lines = (
        Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    )
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _parameters(player: Player, node: str) -> dict[str, Any]:
    """All parameters of a running node; empty if it does not answer."""
    client = AsyncParameterClient(player.node, node)
    if not client.wait_for_services(_RESPONSE_LIMIT_S):
        return {}
    listed = _result(player, client.list_parameters())
    names = sorted(listed.result.names) if listed is not None else []
    answer = _result(player, client.get_parameters(names))
    values = answer.values if answer is not None else []
    return {
        name: parameter_value_to_python(value) for name, value in zip(names, values, strict=False)
    }


def _result(player: Player, future: Future) -> Any:
    player.executor.spin_until_future_complete(future, _RESPONSE_LIMIT_S)
    return future.result()
