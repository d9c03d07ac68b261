# SPDX-License-Identifier: Apache-2.0
"""Imports torchvision without PyTorch's compiler.

Its RoIAlign asks the compiler, for deterministic algorithms alone, whether it supports the device;
that import takes more time and memory than all others together.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_COMPILER = "torch._dynamo"
_ASKED = f"{_COMPILER}.utils"


def import_torchvision() -> None:
    """Import torchvision, where nothing has imported the compiler yet, without it.

    Whoever needs the compiler later imports it as ever.
    """
    if _COMPILER in sys.modules or "torchvision" in sys.modules:
        return
    importlib.import_module("torch")  # its own imports must not meet the stand-in

    asked = ModuleType(_ASKED)
    asked.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    compiler = ModuleType(_COMPILER)
    compiler.__path__ = []
    sys.modules |= {_COMPILER: compiler, _ASKED: asked}
    try:
        importlib.import_module("torchvision")
    finally:
        del sys.modules[_COMPILER], sys.modules[_ASKED]


def _is_compile_supported(device_type: str) -> bool:
    """What the compiler answers."""
    return bool(importlib.import_module(_ASKED).is_compile_supported(device_type))
