# SPDX-License-Identifier: Apache-2.0
"""Dask clusters, on which replays and the ingestion of a library run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from distributed import CancelledError, Client, Future, LocalCluster, TimeoutError, wait

from perception_kit.evaluation.run_folder import OutputError
from perception_kit.replay.log import log

_CONNECT_S = 30
_REPORT_EVERY_S = 15


@contextmanager
def cluster_client(scheduler: str) -> Iterator[Client]:
    """Client of the Dask cluster at ``scheduler``. Raises OutputError."""
    _silence()
    try:
        client = Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"no Dask scheduler answers at '{scheduler}' ({error}): start one with 'dask scheduler'"
        ) from error
    with client:
        yield client


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Client of as many processes of this machine, which are restarted when they die.

    They listen to this machine alone.
    """
    _silence()
    local = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=False,
    )
    with local as cluster, Client(cluster) as client:
        yield client


def _silence() -> None:
    """Failures are logged in words of this package."""
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.CRITICAL)


def as_ended(client: Client, futures: Iterable[Future]) -> Iterator[Future]:
    """Yields each of ``futures`` when it has ended, and logs a lack of workers."""
    running = set(futures)
    while running:
        try:
            ended, running = wait(running, timeout=_REPORT_EVERY_S, return_when="FIRST_COMPLETED")
        except TimeoutError:
            if not client.scheduler_info()["workers"]:
                log(
                    "the scheduler has no workers: start one with"
                    f" 'dask worker {client.scheduler.address} --nthreads 1'; waiting"
                )
            continue
        except CancelledError:
            # The scheduler is gone, and every future with it.
            ended, running = running, set()

        yield from ended
