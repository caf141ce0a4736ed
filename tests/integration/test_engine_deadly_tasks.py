"""A task that ends its worker's process, every time: it takes no other task along."""

from __future__ import annotations

from engine_shop import ONE_JOB, Nothing, Result, Shop, transactional

from engine import InstanceStatus, NotificationHub, TaskContext, WorkerPolicy
from storage import Storage

INSTANCES = 8
NO_LEASES = WorkerPolicy(lease_seconds=0, backoff_seconds=0, batch=INSTANCES, maximum_lost_leases=3)


class WorkerKilledError(BaseException):
    """What stands for SIGSEGV: nothing behind it runs."""


def test_tasks_that_were_claimed_with_a_deadly_one_are_done(storage: Storage, hub: NotificationHub) -> None:
    deadly = []

    def run(context: TaskContext, _request: Nothing) -> Result:
        if context.process_instance_id in deadly:
            raise WorkerKilledError
        return Result(value=5)

    shop = Shop(storage, hub, ONE_JOB, transactional(run))
    instances = [shop.start() for _ in range(INSTANCES)]
    deadly.append(instances[0])

    work_off(shop)

    statuses = [shop.describe(each).status for each in instances]
    assert statuses == [InstanceStatus.INCIDENT] + [InstanceStatus.COMPLETED] * (INSTANCES - 1)


def work_off(shop: Shop) -> None:
    """Let one worker after the other work until it is killed, or finds nothing more to do."""
    while True:
        try:
            while shop.worker(NO_LEASES).run_one():
                pass
        except WorkerKilledError:
            continue
        return
