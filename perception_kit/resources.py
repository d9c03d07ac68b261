# SPDX-License-Identifier: Apache-2.0
"""Where the package's own files are, and which device a network runs on."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = "assistant_perception"
RUNTIMES = ("pytorch", "openvino")  # what runs a network on a CPU
INT8_RUNTIME = "openvino_int8"  # for networks that were quantised
_SCHEME = "package://"
_DEVICE_NAME = re.compile(r"auto|cpu|cuda(:\d+)?")


class DeviceError(ValueError):
    """There is no such device; the message says which there are."""


def package_folder() -> Path:
    """Folder of ``config/``, ``launch/`` and ``models/``: the source tree, else the installed share
    folder.

    Raises FileNotFoundError where the package is neither.
    """
    source = Path(__file__).resolve().parents[1]
    if (source / "package.xml").is_file():
        return source
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

        return Path(get_package_share_directory(PACKAGE))
    except (ImportError, PackageNotFoundError) as error:
        raise FileNotFoundError(
            f"package '{PACKAGE}' is not installed: build it and source the workspace's setup file"
        ) from error


def resolve_path(path: str) -> Path:
    """A file path, or ``package://assistant_perception/PATH`` as a path below the package's folder.

    Raises ValueError for the address of another package.
    """
    if not path.startswith(_SCHEME):
        return Path(path).expanduser()
    package, _, inside = path.removeprefix(_SCHEME).partition("/")
    if package != PACKAGE:
        raise ValueError(
            f"'{path}' lies in package '{package}', expected {_SCHEME}{PACKAGE}/PATH or the path of"
            " a file"
        )
    return package_folder() / inside


def check_device_name(name: str) -> None:
    """Raise DeviceError unless ``name`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto``, whether this
    machine has it or not.
    """
    if _DEVICE_NAME.fullmatch(name) is None:
        raise DeviceError(f"unknown device '{name}': expected cpu, cuda, cuda:N or auto")


def choose_device(name: str) -> str:
    """PyTorch device for ``cpu``, ``cuda``, ``cuda:N`` or ``auto``: the GPU where there is one.

    Raises DeviceError for anything else, and for a GPU that is missing.
    """
    check_device_name(name)
    import torch  # takes seconds, and not all who ask for a path need it

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return name
    if not torch.cuda.is_available():
        raise DeviceError(
            f"device is '{name}' but PyTorch finds no usable GPU: set it to 'cpu' or 'auto', or"
            " check the driver"
        )
    if int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device is '{name}' but PyTorch finds {torch.cuda.device_count()} GPUs, which are"
            " counted from 0"
        )
    return name
