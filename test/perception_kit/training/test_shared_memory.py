# SPDX-License-Identifier: Apache-2.0
"""A lack of shared memory is named with its remedy; other errors are not touched."""

from __future__ import annotations

import pytest

from perception_kit.training.run import exit_on

PYTORCH = {
    "allocation": "unable to allocate shared memory(shm) for file </torch_1_2_3>: Success (0)",
    "file": "unable to write to file </torch_12_34_5>: No space left on device (28)",
    "killed": (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's"
        " workers are out of shared memory. Please try to raise your shared memory limit."
    ),
}


@pytest.mark.parametrize("case", PYTORCH)
def test_little_shared_memory_is_named(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, exit_on():
        raise RuntimeError(PYTORCH[case])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "shared memory (/dev/shm) are too little" in printed
    assert "lower --workers (0 needs none) or --batch-size" in printed
    assert "docker run --shm-size=1g" in printed


def test_other_errors_are_raised() -> None:
    with pytest.raises(RuntimeError, match="shapes"), exit_on():
        raise RuntimeError("shapes do not fit")
