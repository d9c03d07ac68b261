# SPDX-License-Identifier: Apache-2.0
"""The moving average of the training loop; the training commands test the loop itself."""

from __future__ import annotations

import pytest
import torch

from perception_kit.training.loop import moving_average


@pytest.mark.parametrize(("updates", "expected"), [(1, 9 / 11), (10**6, 0.002)])
def test_moving_average_forgets_the_start_at_once(updates: int, expected: float) -> None:
    average, now = torch.zeros(2), torch.ones(2)
    moving_average(0.998)([average], [now], torch.tensor(updates))
    torch.testing.assert_close(average, torch.full((2,), expected))
