"""The document store: whole records as JSON with typed columns, on the caller's transaction.

Decides nothing about access: it is told which rows a principal can read. Each write is one statement that enters the
tenant and takes the record's observation and audit leaf along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import to_json
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from storage.audit import AuditLeaf
from storage.errors import DuplicateRecordError, RecordNumberError, RecordTextError
from storage.filters import Condition, Order, write_cursor
from storage.json_documents import jsonb_text
from storage.models import JsonObject, ProcessObservation, StorageModel
from storage.record_queries import Statement, is_json
from storage.tenants import enter_tenant

_TABLES: Mapping[type[StorageModel], str] = {ProcessObservation: "process_observation"}
_INTEGERS = 2**31
_LONGEST_NAME = 2_000
_MOST_ROWS = 2**62  # what the database can count to, and no caller can want
_CREATE = "select create_records(%(tenant)s, %(records)s::jsonb, %(observations)s::jsonb, %(leaves)s::jsonb)"
# Only while the stored record has the owner, classification and grants by which access to it was decided.
_CHANGE = (
    "select change_record(%(tenant)s, %(record)s::jsonb, %(is_deleted)s, %(observations)s::jsonb, %(leaves)s::jsonb)"
    " from read_record(%(id)s, %(model)s, %(tenant)s) as stored where stored.body -> 'acl' = %(acl)s::jsonb"
    " and stored.body ->> 'owner' = %(owner)s and stored.body ->> 'data_classification' = %(classification)s"
)
_COLUMNS = "cast(body as text) as body, revision"  # as text: who reads it makes a record of it at once
_READ = f"select {_COLUMNS} from read_record(%(id)s, %(model)s, %(tenant)s)"
_OF_MODEL = "model = %(model)s and tenant_id = %(tenant)s and deleted_at is null"
_READABLE = (
    "(data_classification = any(%(readable)s) or id = any(%(granted)s::uuid[])"
    " or body -> 'acl' <> '[]' and is_granted(body -> 'acl', 'read', %(principals)s, %(claims)s::jsonb,"
    " %(address)s::inet, %(now)s))"
)


@dataclass(frozen=True)
class Readable:
    """Which rows a principal can read.

    Attributes:
        classifications: Those that are readable without a grant.
        granted: Single records that were granted from outside.
        principals: `type:name` as grants name the principal.
    """

    classifications: tuple[str, ...]
    granted: tuple[str, ...]
    principals: tuple[str, ...]
    claims: Mapping[str, str]
    address: str | None
    now: datetime


@dataclass(frozen=True)
class Question:
    """What is asked of the store.

    Attributes:
        after: Values of the record that the last page ended with, and the cursor that they came from.
        of_hidden: It is about the records that the principal cannot read, instead of those that it can.
    """

    conditions: Sequence[Condition]
    readable: Readable
    order: Sequence[Order] = ()
    after: tuple[Sequence[JsonValue], str] | None = None
    limit: int | None = None
    of_hidden: bool = False


@dataclass(frozen=True)
class Access:
    """What access to a record is decided by.

    Attributes:
        acl: Its grants, as JSON text.
    """

    id: UUID
    acl: str
    owner: str
    classification: str


def access_of(record: StorageModel) -> Access:
    """Return what access to a record is decided by, in the form in which it is stored."""
    acl = jsonb_text(record.model_dump(include={"acl"})["acl"], model=type(record).__name__) if record.acl else "[]"
    return Access(record.id, acl, record.owner, record.data_classification.value)


class DocumentStore:
    """The documents of one model and one tenant."""

    def __init__(self, model: type[StorageModel], connection: Connection, tenant_id: str) -> None:
        self._model = model
        self._connection = connection
        self._tenant_id = tenant_id

    def create(self, rows: Sequence[str], observation: ProcessObservation, leaves: Sequence[AuditLeaf]) -> None:
        """Insert records as `row` gives them, all or none.

        Raises:
            DuplicateRecordError: One of them is there already, by its id or by what has to be unique.
        """
        written = self._beside(observation, leaves)
        parameters = {**written, "records": f"[{','.join(rows)}]"}
        try:
            self._connection.exec_driver_sql(_CREATE, parameters)
        except IntegrityError as error:
            constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            raise DuplicateRecordError(model=self._model.__name__, constraint=str(constraint)) from error

    def change(
        self,
        row: str,
        access: Access,
        observation: ProcessObservation,
        leaves: Sequence[AuditLeaf],
        *,
        is_deleted: bool,
    ) -> bool:
        """Write a record, as `row` gives it, over its last revision; return whether that was still there.

        Nothing is written either where `access` is not what is stored of that revision.
        """
        written = self._beside(observation, leaves)
        asked = {**asdict(access), "model": self._model.__name__, "record": row, "is_deleted": is_deleted}
        return bool(self._connection.exec_driver_sql(_CHANGE, {**written, **asked}).scalar_one_or_none())

    def stored_access(self, record_id: UUID) -> Access | None:
        """Return what access to a record is decided by, as it is stored; `None` where there is none."""
        row = self.read(record_id)
        if row is None:
            return None
        body = json.loads(row.body)
        return Access(record_id, json.dumps(body["acl"]), body["owner"], body["data_classification"])

    def read(self, record_id: UUID) -> Row[Any] | None:
        """Return body, as JSON text, and revision of a record; `None` where there is none."""
        parameters = {"id": record_id, "model": self._model.__name__, "tenant": self._tenant_id}
        table = _TABLES.get(self._model)
        if table is None:
            return self._connection.exec_driver_sql(_READ, parameters).first()
        enter_tenant(self._connection, self._tenant_id)
        text = f"select {_COLUMNS} from {table} where id = %(id)s and {_OF_MODEL}"
        return self._connection.exec_driver_sql(text, parameters).first()

    def rows(self, question: Question) -> Sequence[Row[Any]]:
        """Return body, as JSON text, revision and, behind them, the sort keys of the records that fit."""
        return self._ask(question, _COLUMNS)

    def fields(self, question: Question, names: Sequence[str]) -> list[JsonObject]:
        """Return some fields of the records that fit, as JSON."""
        statement = Statement(self._model)
        pairs = ", ".join(f"{statement.bind(name)}::text, {_projected(statement, name)}" for name in names)
        return [row[0] for row in self._ask(question, f"jsonb_build_object({pairs})", statement)]

    def count(self, question: Question) -> int:
        """Return how many records fit."""
        (row,) = self._ask(question, "count(*)", is_counting=True)
        return int(row[0])

    def highest(self, question: Question, name: str) -> int:
        """Return the largest number in a field, 0 where there is none."""
        statement = Statement(self._model)
        number = (
            f"case jsonb_typeof({statement.shown(name)}) when 'number' then cast({statement.shown(name)} as bigint) end"
        )
        (row,) = self._ask(question, f"coalesce(max({number}), 0)", statement, is_counting=True)
        return int(row[0])

    def cursor(self, question: Question, last: Row[Any]) -> str:
        """Return the place behind a row of `rows`."""
        keys = zip(question.order, tuple(last)[2:], strict=True)
        values = [json.loads(value) if is_json(each.field) else _plain(value) for each, value in keys]
        return write_cursor(self._model.__name__, question.order, values)

    def _ask(
        self, question: Question, columns: str, statement: Statement | None = None, *, is_counting: bool = False
    ) -> Sequence[Row[Any]]:
        statement = statement or Statement(self._model)
        statement.where(question.conditions)
        keys = [statement.sort_key(each.field) for each in question.order]
        if question.after is not None:
            statement.after(question.order, *question.after)
        whether_readable = f"{_READABLE} is not true" if question.of_hidden else _READABLE
        where = " and ".join((_OF_MODEL, whether_readable, *statement.conditions))
        table = _TABLES.get(self._model, "document")
        text = f"select {columns} from {table} where {where}"
        if not is_counting:
            directions = [
                f"{key} desc" if each.is_descending else key for key, each in zip(keys, question.order, strict=True)
            ]
            shown = "".join(
                f", cast({key} as text)" if is_json(each.field) else f", {key}"
                for key, each in zip(keys, question.order, strict=True)
            )
            text = f"select {columns}{shown} from {table} where {where} order by {', '.join(directions)}"
        if question.limit is not None:
            text += f" limit {statement.bind(min(question.limit, _MOST_ROWS))}"
        enter_tenant(self._connection, self._tenant_id)
        parameters = {**statement.parameters, **self._asker(question.readable)}
        return self._connection.exec_driver_sql(text, parameters).all()

    def _asker(self, readable: Readable) -> dict[str, object]:
        return {
            "model": self._model.__name__,
            "tenant": self._tenant_id,
            "readable": list(readable.classifications),
            "granted": list(readable.granted),
            "principals": list(readable.principals),
            "claims": jsonb_text(dict(readable.claims), model="SecurityContext"),
            "address": readable.address,
            "now": readable.now,
        }

    def row(self, record: StorageModel) -> str:
        """Return a record as this store takes it.

        Raises:
            RecordTextError, RecordNumberError: A value that the database cannot hold.
        """
        _require_indexable(record)
        body = jsonb_text(record.model_dump(exclude={"revision"}), model=self._model.__name__)
        head = {
            "id": record.id,
            "model": self._model.__name__,
            "data_classification": record.data_classification,
            "revision": record.revision - 1,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
        return f'{to_json(head).decode()[:-1]},"body":{body}}}'

    def _beside(self, observation: ProcessObservation, leaves: Sequence[AuditLeaf]) -> dict[str, object]:
        return {
            "tenant": self._tenant_id,
            "observations": f"[{observation.model_dump_json()}]",
            "leaves": to_json([leaf.as_row() for leaf in leaves]).decode(),
        }


def _require_indexable(record: StorageModel) -> None:
    """Return if the columns that are made of a record's fields, and their indexes, can hold them."""
    for name, column in record.Meta.indexed.items():
        value, model = getattr(record, name), type(record).__name__
        if column == "version" and not -_INTEGERS <= value < _INTEGERS:
            raise RecordNumberError(model=model, field=name, value=value)
        if column == "name" and len(value.encode(errors="replace")) > _LONGEST_NAME:
            raise RecordTextError(model=model, field=name, reason=f"more than {_LONGEST_NAME} bytes")


def _projected(statement: Statement, name: str) -> str:
    shown = statement.shown(name)
    return shown if is_json(name) else f"to_jsonb({shown})"


def _plain(value: object) -> JsonValue:
    return value if isinstance(value, (str, int, float, bool, list, dict)) or value is None else str(value)
