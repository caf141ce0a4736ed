"""Every call that changes something, made five times at once under one key: it happens once, and all are told so."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from fault_suite.laboratory import Laboratory
from fault_suite.orders import CLERK, Order
from fault_suite.run import Run, Scale
from fault_suite.scenario_lines import DESK, DOOMED
from fault_suite.scenarios import judged_run

from engine import NotificationHub, Worker, WorkerPolicy
from engine.operations import Operations
from storage import SecurityContext, UnitOfWork
from storage.errors import ReportedError

FIVE = 5
WHY = "the fault suite says so"
PEOPLE = tuple(CLERK.model_copy(update={"user_id": name}) for name in ("ina", "jon", "kay", "lea", "mia"))

Call: TypeAlias = Callable[[UnitOfWork, SecurityContext], object]


def survive_parallel_calls(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """Deploy, start, operate, claim, complete, publish, work, retry and cancel, each five times at once."""
    with judged_run(laboratory, folder, scale, lines=(DESK, DOOMED)) as run, ThreadPoolExecutor(FIVE) as pool:
        crowd = _Crowd(run, pool)
        crowd.expect_one_answer(lambda work, _: run.engine.deploy(work, DESK.xml, DOOMED.xml, context=CLERK))
        instances = {order.key: crowd.start(order) for order in run.orders}
        for order in run.orders:
            crowd.operate(instances[order.key], order)
        desks = [order for order in run.orders if order.line is DESK]
        for order in desks:
            crowd.review(order)
            crowd.stamp(order)
        crowd.work()
        crowd.retry_incidents(len(desks))
        crowd.work()


class _Crowd:
    """Five people, or five workers, who do the same at the same time."""

    def __init__(self, run: Run, pool: ThreadPoolExecutor) -> None:
        self._run = run
        self._pool = pool
        self._operations = Operations(run.engine)

    def start(self, order: Order) -> UUID:
        answer = self.expect_one_answer(
            lambda work, _: self._run.engine.start(
                work,
                order.line.process_id,
                {"order": order.number},
                context=CLERK,
                business_key=order.key,
                idempotency_key=f"start:{order.key}",
            )
        )
        assert isinstance(answer, UUID)
        return answer

    def operate(self, instance: UUID, order: Order) -> None:
        acts = ("suspend", "resume") if order.line is DESK else ("suspend", "resume", "cancel")
        for act in acts:
            perform = getattr(self._operations, act)
            key = f"{act}:{order.key}"
            self.expect_one_answer(
                lambda work, _, perform=perform, key=key: perform(
                    work, instance, reason=WHY, context=CLERK, idempotency_key=key
                )
            )

    def review(self, order: Order) -> None:
        with self._run.storage.transaction() as work:
            (task,) = [
                task for task in self._run.engine.user_tasks(work, context=CLERK) if task.business_key == order.key
            ]
        claims = self._all_at_once(
            lambda work, person: self._run.engine.desk.claim(work, task.user_task_id, context=person)
        )
        assert Counter(claims) == {None: 1, "USER_TASK_ALREADY_CLAIMED": FIVE - 1}
        winner = PEOPLE[claims.index(None)]
        answers = self._all_at_once(
            lambda work, _: self._run.engine.complete_user_task(
                work, task.user_task_id, {"approved": True}, context=winner
            )
        )
        refused = Counter(answer for answer in answers if isinstance(answer, str))
        assert refused == {"USER_TASK_ALREADY_COMPLETED": FIVE - 1}

    def stamp(self, order: Order) -> None:
        answers = self._all_at_once(
            lambda work, _: self._run.engine.publish_message(
                work, "stamped", str(order.number), {}, context=CLERK, message_id=f"stamp:{order.key}"
            ).model_dump(mode="json")
        )
        duplicates = [answer.pop("is_duplicate") for answer in answers if isinstance(answer, dict)]
        assert Counter(duplicates) == {False: 1, True: FIVE - 1}
        assert all(answer == answers[0] for answer in answers)

    def work(self) -> None:
        """Let five workers do all that can be done."""
        hub = NotificationHub(self._run.settings.database_url)
        policy = WorkerPolicy(lease_seconds=60, backoff_seconds=0)
        workers = [Worker(self._run.engine, self._run.storage, hub, policy) for _ in range(FIVE)]
        list(self._pool.map(lambda worker: sum(1 for _ in iter(worker.run_one, False)), workers))

    def retry_incidents(self, number: int) -> None:
        with self._run.storage.transaction() as work:
            incidents = self._operations.incidents(work, context=CLERK, limit=1_000)
        assert len(incidents) == number
        for incident in incidents:
            self.expect_one_answer(
                lambda work, _, incident=incident: self._operations.retry_incident(
                    work,
                    incident.incident_id,
                    reason=WHY,
                    context=CLERK,
                    retries=1,
                    idempotency_key=f"retry:{incident.incident_id}",
                )
            )

    def expect_one_answer(self, call: Call) -> object:
        """Require that all five get the same answer; return it."""
        answers = self._all_at_once(call)
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    def _all_at_once(self, call: Call) -> Sequence[object]:
        """Return what each of the five people is told: the answer, or a refusal's code."""
        together = threading.Barrier(FIVE)

        def make(person: SecurityContext) -> object:
            together.wait()
            try:
                with self._run.storage.transaction() as work:
                    return call(work, person)
            except ReportedError as refusal:
                return refusal.code

        return list(self._pool.map(make, PEOPLE))
