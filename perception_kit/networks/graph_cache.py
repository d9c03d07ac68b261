# SPDX-License-Identifier: Apache-2.0
"""Keeps OpenVINO graphs of networks on disk: to trace a network takes seconds, to read it does not.

They lie in ``$XDG_CACHE_HOME/assistant_perception/graphs``, else below ``~/.cache``, and may be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from perception_kit.networks.openvino_runtime import (
    RuntimeUnavailableError,
    read_graph,
    save_graph,
)
from perception_kit.resources import PACKAGE

if TYPE_CHECKING:
    import openvino

MAX_BYTES = 500_000_000  # of all graphs together; those that were not used for longest go first
LIBRARIES = ("openvino", "torch", "torchvision")


def kept_graph(key: str) -> openvino.Model | None:
    """The graph that was kept by this name; None where there is none that can be read."""
    path = graphs_folder() / f"{key}.xml"
    if not path.is_file():
        return None
    try:
        graph = read_graph(path)
        os.utime(path)
    except (RuntimeUnavailableError, OSError):  # damaged, or deleted meanwhile
        return None
    return graph


def keep_graph(key: str, graph: openvino.Model) -> openvino.Model:
    """Keep a graph by this name; that it cannot be kept is a RuntimeWarning.

    Returns it as ``kept_graph`` does from now on: compiled, a graph that was written and read
    rounds otherwise than one that was just made, and each start shall give the same results.
    """
    path = graphs_folder() / f"{key}.xml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_graph(graph, path)
        _delete_oldest(path.parent)
    except OSError as error:
        warnings.warn(
            f"a compiled network is not kept, so that each start takes longer: {error}",
            RuntimeWarning,
            2,
        )
        return graph
    return kept_graph(key) or graph


def model_file_key(path: Path, code: Path) -> str:
    """Name of the graph of a model file: a hash of all that it is made of.

    Beside this folder, that of the modules of its network is ``code``.
    """
    digest = hash_libraries()
    folders = (code, Path(__file__).parent)
    for source in [path, *(file for folder in folders for file in sorted(folder.glob("*.py")))]:
        digest.update(f"{source.stat().st_size} ".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def hash_libraries() -> hashlib._Hash:
    """Hash of the versions of the libraries that make and run graphs."""
    described = [f"{name} {version(name)}" for name in LIBRARIES]
    return hashlib.sha256("\n".join(described).encode())


def graphs_folder() -> Path:
    """Where the graphs lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / PACKAGE / "graphs"


def _delete_oldest(folder: Path) -> None:
    """Delete the graphs that were not used for longest until the others fit into ``MAX_BYTES``."""
    graphs = sorted(folder.glob("*.xml"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in graphs:
        weights = path.with_suffix(".bin")
        total += path.stat().st_size + (weights.stat().st_size if weights.is_file() else 0)
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
            weights.unlink(missing_ok=True)
