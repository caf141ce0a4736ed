"""Handlers that leave a trace of every run: rows of the step's own transaction, and lines in a file outside any."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from engine import BpmnError, ExternalTask, JobContext, ServiceTaskRegistry, TaskContext, TransactionalTask
from storage.models import Dataset

TABLES = """
create table effect (order_key text not null, element_id text not null, item text, attempt integer not null);
create view order_of as
select process_instance_id, coalesce(business_key, 'order-' || (
    select value #>> '{}' from variable v
    where v.process_instance_id = i.process_instance_id and scope_id = i.process_instance_id and name = 'order'
)) as order_key from process_instance i;
"""
_TOIL_SECONDS = 0.1  # long against what the engine adds, or a busy machine decides about throughput
_LONG_SECONDS = 4
_SPARE_BYTES = 256 * 1024 * 1024
_INSERT = text("insert into effect values (:order_key, :element_id, :item, :attempt)")


class Request(BaseModel):
    """What every handler takes."""

    order: int | None = None
    item: JsonValue = None
    uri: str | None = None


class Answer(BaseModel):
    """What every handler gives."""

    item: JsonValue = None
    uri: str | None = None
    attempt: int | None = None


class Decision(BaseModel):
    """What a person decides."""

    approved: bool


@dataclass(frozen=True)
class Call:
    """One run of an external handler, as found in the files."""

    idempotency_key: str
    order_key: str
    element_id: str
    attempt: int


@dataclass(frozen=True)
class Outside:
    """The world outside the database, as far as handlers touch it.

    Attributes:
        folder: Where each process writes its calls to a file.
        during_call: What happens to the process while it is out there.
        linger_seconds: How long it stays there at each further attempt, so that the one before may come back first.
    """

    folder: Path
    during_call: Callable[[], None] = lambda: None
    linger_seconds: float = 0


def registry(outside: Outside) -> ServiceTaskRegistry:
    """Return the handlers of all lines."""
    return ServiceTaskRegistry(*(make(outside) for make in _MAKERS))


def calls_in(folder: Path) -> Iterator[Call]:
    """Read the calls that handlers of any process have written."""
    for path in folder.glob("calls-*.jsonl"):
        for line in path.read_text().splitlines():
            yield Call(**json.loads(line))


def record(context: TaskContext, request: Request) -> Answer:
    """Insert a row that commits with the step."""
    row = {"order_key": _order_key(context, request), "element_id": context.element_id, "attempt": context.attempt}
    context.work.connection.execute(_INSERT, {**row, "item": json.dumps(request.item, sort_keys=True)})
    return Answer(item=request.item)


def refuse(context: TaskContext, request: Request) -> Answer:
    """Insert a row and take it back with everything else of the step."""
    record(context, request)
    raise BpmnError("REFUSED", "not today")


def register(context: TaskContext, request: Request) -> Answer:
    """Create a record that names an object."""
    assert request.uri is not None
    dataset = Dataset(tenant_id="north", name=_order_key(context, request), source_uri=request.uri)
    context.work.get_crud(Dataset).create(dataset, context=context.principal)
    return Answer(uri=request.uri)


def call(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Append a line to this process's file: what is done outside cannot be taken back."""
    answer = _call(outside, context, request)
    if context.attempt > 1:
        time.sleep(outside.linger_seconds)
    return answer


def _call(outside: Outside, context: JobContext, request: Request) -> Answer:
    _note(outside, context, request)
    outside.during_call()
    return Answer(item=request.item, attempt=context.attempt)


def _note(outside: Outside, context: JobContext, request: Request) -> None:
    line = {
        "idempotency_key": context.idempotency_key,
        "order_key": _order_key(context, request),
        "element_id": context.element_id,
        "attempt": context.attempt,
    }
    descriptor = os.open(outside.folder / f"calls-{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def stumble(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Fail at the first attempt, after the call was made; what stops a process stops it where it brings a result."""
    if context.attempt > 1:
        return _call(outside, context, request)
    _note(outside, context, request)
    raise ConnectionResetError("the other side hung up")


def balk(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Fail when called for the first time under a key, however often attempts are counted anew."""
    answer = call(outside, context, request)
    try:
        (outside.folder / context.idempotency_key.replace(":", "-")).touch(exist_ok=False)
    except FileExistsError:
        return answer
    raise ConnectionResetError("not yet")


def package(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Store an object of which there is one for each order."""
    answer = call(outside, context, request)
    stored = context.storage.objects.put_bytes(artefact(_order_key(context, request)))
    return answer.model_copy(update={"uri": stored.uri})


def toil(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Take a little while, as work outside the database does."""
    time.sleep(_TOIL_SECONDS)
    return call(outside, context, request)


def persevere(outside: Outside, context: JobContext, request: Request) -> Answer:
    """Take so long that the lease has to be renewed meanwhile."""
    answer = _call(outside, context, request)
    threading.Event().wait(_LONG_SECONDS)  # libfaketime breaks time.sleep
    return answer


def explode(_outside: Outside, _context: JobContext, _request: Request) -> Answer:
    """Fail at every attempt."""
    raise ArithmeticError("there is no such number")


def segfault(_outside: Outside, _context: JobContext, _request: Request) -> Answer:
    """Read where nothing is: the process dies of SIGSEGV, as with a broken native library."""
    return Answer(item=ctypes.string_at(0).decode())


def devour(_outside: Outside, _context: JobContext, _request: Request) -> Answer:
    """Ask for more memory than the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _SPARE_BYTES, hard))
    try:
        return Answer(item=len(bytearray(2 * _SPARE_BYTES)))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def perish(_outside: Outside, _context: JobContext, _request: Request) -> Answer:
    """Die of SIGKILL, as a process that the kernel's out-of-memory killer chose."""
    os.kill(os.getpid(), signal.SIGKILL)
    return Answer()


def _order_key(context: TaskContext | JobContext, request: Request) -> str:
    """Return whose order it is; what a schedule starts has no business key."""
    return context.business_key or f"order-{request.order}"


def artefact(order_key: str) -> bytes:
    """Return the content of an order's object."""
    return f"made for {order_key}".encode()


def _transactional(task_type: str, run: Any) -> Any:
    return lambda _outside: TransactionalTask(task_type, Request, run)


def _external(task_type: str, run: Any) -> Any:
    return lambda outside: ExternalTask(task_type, Request, partial(run, outside))


_MAKERS = (
    _transactional("record", record),
    _transactional("refuse", refuse),
    _transactional("register", register),
    _external("call", call),
    _external("stumble", stumble),
    _external("balk", balk),
    _external("package", package),
    _external("toil", toil),
    _external("persevere", persevere),
    _external("explode", explode),
    _external("segfault", segfault),
    _external("devour", devour),
    _external("perish", perish),
)
