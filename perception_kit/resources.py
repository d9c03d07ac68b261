# SPDX-License-Identifier: Apache-2.0
"""Locations of the package's own files, and devices that networks run on."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

PACKAGE = "assistant_perception"
DISTRIBUTION = "assistant-perception"

# What runs a network on a CPU: auto is the fastest that is installed and gives the same results.
# The last two are for networks whose values are rounded, and for quantized networks.
AUTO_RUNTIME = "auto"
RUNTIMES = (AUTO_RUNTIME, "pytorch", "openvino")
BFLOAT16_RUNTIME = "openvino_bfloat16"
INT8_RUNTIME = "openvino_int8"
ROUNDING_RUNTIMES = (*RUNTIMES, BFLOAT16_RUNTIME)

_SCHEME = "package://"
_DEVICE_NAME = re.compile(r"auto|cpu|cuda(:\d+)?")


class DeviceError(ValueError):
    """There is no such device; the message names those that there are."""


def package_folder() -> Path:
    """Folder of ``config/``, ``launch/`` and ``models/``.

    It is the source tree, else the share folder of the wheel or of the ROS workspace. Raises
    FileNotFoundError where there is none.
    """
    source = Path(__file__).resolve().parents[1]
    if (source / "package.xml").is_file():
        return source
    wheel = Path(__file__).with_name("share")
    if wheel.is_dir():
        return wheel

    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

        return Path(get_package_share_directory(PACKAGE))
    except (ImportError, PackageNotFoundError) as error:
        raise FileNotFoundError(
            f"package '{PACKAGE}' is not installed: build it and source the workspace's setup file"
        ) from error


def package_version() -> str:
    """Version of this package: that of ``package.xml``, which a wheel took over."""
    path = package_folder() / "package.xml"
    if not path.is_file():
        return metadata.version(DISTRIBUTION)
    version = ElementTree.parse(path).findtext("version")
    assert version is not None, f"{path} has no version"
    return version


def resolve_path(path: str | Path) -> Path:
    """A file path, or ``package://assistant_perception/PATH`` as a path below the package's folder.

    Raises ValueError for the address of another package.
    """
    if isinstance(path, Path) or not path.startswith(_SCHEME):
        return Path(path).expanduser()
    package, _, inside = path.removeprefix(_SCHEME).partition("/")
    if package != PACKAGE:
        raise ValueError(
            f"'{path}' lies in package '{package}',"
            f" expected {_SCHEME}{PACKAGE}/PATH or the path of a file"
        )
    return package_folder() / inside


def use_threads(count: int) -> None:
    """Let networks that are loaded from now on run in ``count`` CPU threads; 0: no change."""
    import torch  # as in choose_device

    if count:
        torch.set_num_threads(count)


def loaded_threads() -> int:
    """CPU threads that networks run in, where PyTorch is loaded; else 0."""
    return sys.modules["torch"].get_num_threads() if "torch" in sys.modules else 0


def check_device_name(name: str) -> None:
    """Raise DeviceError unless ``name`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Whether this machine has the device is not checked.
    """
    if _DEVICE_NAME.fullmatch(name) is None:
        raise DeviceError(f"unknown device '{name}': expected cpu, cuda, cuda:N or auto")


def choose_device(name: str) -> str:
    """PyTorch device for ``cpu``, ``cuda``, ``cuda:N`` or ``auto``: the GPU where there is one.

    Raises DeviceError for anything else, and for a GPU that is missing.
    """
    check_device_name(name)
    if name == "cpu":
        return name
    if name == "auto" and "torch" not in sys.modules and not _has_driver():
        return "cpu"  # as PyTorch would say

    import torch  # here because importing it takes seconds, and paths are found without it

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"

    if not torch.cuda.is_available():
        raise DeviceError(
            f"device is '{name}' but PyTorch finds no usable GPU:"
            " set it to 'cpu' or 'auto', or check the driver"
        )
    index, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if index >= count:
        raise DeviceError(
            f"device is '{name}' but PyTorch finds {count} GPUs, which are counted from 0"
        )
    return name


def _has_driver() -> bool:
    """Whether a driver of NVIDIA GPUs is installed."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
