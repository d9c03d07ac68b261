# SPDX-License-Identifier: Apache-2.0
"""torchvision works without PyTorch's compiler, which is there for whoever needs it later."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from perception_kit.networks.torchvision_import import import_torchvision
import_torchvision()
print("torch._dynamo" in sys.modules, "torch._dynamo.utils" in sys.modules)

import torch
from torchvision.ops import nms, roi_align
boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
print(nms(boxes, torch.ones(1), 0.5).tolist())
print(roi_align(torch.ones(1, 1, 8, 8), [boxes], 1).item())

torch.use_deterministic_algorithms(True)
print(roi_align(torch.ones(1, 1, 8, 8), [boxes], 1).item())
print("torch._dynamo" in sys.modules, callable(torch._dynamo.optimize))
"""


@pytest.mark.slow
def test_torchvision_without_the_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[:-1] == ["False False", "[0]", "1.0", "1.0", "True True"], (
        done.stderr
    )
