# SPDX-License-Identifier: Apache-2.0
"""What a replay really ran with: its own settings, the nodes' parameters, the model files and the versions."""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.task import Future

from perception_kit.model_file import file_sha256
from perception_kit.replay.player import Player
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.topics import CameraTopics

_LIBRARIES = ("numpy", "opencv-python-headless", "torch", "torchvision")
_ANSWER_LIMIT_S = 10.0


def write_effective_config(folder: Path, settings: ReplaySettings, topics: CameraTopics, player: Player, nodes: Collection[str]) -> None:
    """Write ``replay.yaml`` and, for each of the running ``nodes``, ``NODE.yaml`` (a ROS parameter file) into ``folder``."""
    folder.mkdir(parents=True)
    models = {"segmentation": settings.segmentation_model, "pose": settings.pose_model, "action": settings.action_model}
    content = {
        "settings": {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()},
        "topics": asdict(topics),
        "model_sha256": {name: file_sha256(path) for name, path in models.items() if path.is_file()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "machine": f"{platform.machine()} {platform.system()} {platform.release()}",
    }
    (folder / "replay.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for node in nodes:
        parameters = _parameters(player, node)
        if parameters:
            (folder / f"{node}.yaml").write_text(yaml.safe_dump({f"/**/{node}": {"ros__parameters": parameters}}))


def _parameters(player: Player, node: str) -> dict[str, Any]:
    """All parameters of a running node; empty if it does not answer."""
    client = AsyncParameterClient(player.node, node)
    if not client.wait_for_services(_ANSWER_LIMIT_S):
        return {}
    listed = _result(player, client.list_parameters())
    names = sorted(listed.result.names) if listed is not None else []
    answer = _result(player, client.get_parameters(names))
    values = answer.values if answer is not None else []
    return {name: parameter_value_to_python(value) for name, value in zip(names, values, strict=False)}


def _result(player: Player, future: Future) -> Any:
    player.executor.spin_until_future_complete(future, _ANSWER_LIMIT_S)
    return future.result()
