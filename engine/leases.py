"""Leases: one thread of a worker process keeps all its jobs, and its own entry in the register of workers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from engine.persistence import ClaimedJob, Jobs, WorkerRegister
from storage import Storage
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_SILENT_LEASES = 20


class LeaseKeeper:
    """Renews leases three times as often as they would expire."""

    def __init__(self, storage: Storage, worker_id: str, task_types: Sequence[str], lease_seconds: float) -> None:
        self.worker_id = worker_id
        self.lease_seconds = lease_seconds
        self.is_draining = False
        self._storage = storage
        self._task_types = tuple(task_types)
        self._held: dict[UUID, tuple[int, threading.Event]] = {}
        self._guard = threading.Lock()
        self._finished = threading.Event()
        self._users = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep leases while at least one thread is in such a block."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def hold(self, job: ClaimedJob) -> threading.Event:
        """Begin to renew a job's lease; the event returned is set once it is lost."""
        lost = threading.Event()
        with self._guard:
            self._held[job.job_id] = (job.epoch, lost)
        return lost

    def let_go(self, job: ClaimedJob) -> None:
        """Stop renewing: the job is finished, or given back."""
        with self._guard:
            held = self._held.get(job.job_id)
            if held is not None and held[0] == job.epoch:
                del self._held[job.job_id]

    def renew(self) -> None:
        """Renew every lease once, and say that this worker lives."""
        with self._guard:
            held = dict(self._held)
        with self._storage.transaction() as work:
            WorkerRegister(work).say_alive(
                self.worker_id, os.uname().nodename, os.getpid(), self._task_types, is_draining=self.is_draining
            )
            epochs = {job_id: epoch for job_id, (epoch, _) in held.items()}
            kept = Jobs(work).extend_leases(epochs, self.lease_seconds) if epochs else set()
        for job_id, (_, lost) in held.items():
            if job_id not in kept:
                lost.set()

    def _enter(self) -> None:
        with self._guard:
            self._users += 1
            if self._users > 1:
                return
            self._finished.clear()
            self._thread = threading.Thread(target=self._renew_forever, name="leases", daemon=True)
            self._thread.start()

    def _leave(self) -> None:
        with self._guard:
            self._users -= 1
            if self._users:
                return
            thread, self._thread = self._thread, None
        self._finished.set()
        if thread is not None:
            thread.join()
        try:
            with self._storage.transaction() as work:
                WorkerRegister(work).forget(self.worker_id)
        except DatabaseUnavailableError:  # a database that is away must not keep the worker from stopping
            logger.warning("worker left without saying so")

    def _renew_forever(self) -> None:
        while True:
            try:
                self.renew()
                with self._storage.transaction() as work:
                    WorkerRegister(work).forget_silent(self.lease_seconds * _SILENT_LEASES)
            except Exception:  # an outage shorter than the lease must not lose it
                logger.exception("leases not renewed")
            if self._finished.wait(self.lease_seconds / 3):
                return
