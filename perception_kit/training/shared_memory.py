# SPDX-License-Identifier: Apache-2.0
"""Says what to do where the processes that load data run out of shared memory."""

from __future__ import annotations

import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# Of PyTorch's errors where a batch finds no room there: the last is that of a killed process.
PHRASES = (
    "unable to allocate shared memory",
    "unable to write to file </torch",
    "out of shared memory",
)


def shared_memory_problem(error: BaseException) -> str | None:
    """What was wrong and what to change, where ``error`` is a lack of shared memory; else None."""
    if not any(phrase in str(error) for phrase in PHRASES):
        return None
    size = ""
    if SHARED_MEMORY.is_dir():
        size = f"{shutil.disk_usage(SHARED_MEMORY).total / 2**20:.0f} MB of "
    return (
        f"{size}shared memory ({SHARED_MEMORY}) are too little for the batches that the loading"
        " processes hand over: lower --workers (0 needs none) or --batch-size, or give a container"
        " more, as docker run --shm-size=1g or --ipc=host does"
    )
