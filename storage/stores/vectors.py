"""The vector store: points of a dimension in named collections, and the nearest of them to a vector.

A collection has the dimension and the metric of its first points. Small collections are searched exactly; large ones
by an HNSW index (Malkov, Yashunin 2018) for each dimension and metric, which the owner of the tables makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from pgvector import Vector
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Connection, Row, TextClause, text

from storage.errors import VectorDimensionError, VectorUnusableError
from storage.json_documents import jsonb_text
from storage.sql import Queries
from storage.tenants import enter_tenant

EXACT_UP_TO = 5_000
"""Collections of at most so many points are searched exactly: it takes a few milliseconds and misses nothing."""

_LARGEST_DIMENSION = 16_000
_LARGEST_INDEXED_DIMENSION = 2_000
_CANDIDATES = (40, 1_000)
_SMALLEST_SQUARE, _LARGEST_SQUARE = 2.0**-126, 2.0**126  # distances are computed in single precision: no sum overflows
_QUERIES = Queries(Path(__file__).with_name("vectors.sql"))


class Metric(StrEnum):
    """How far two vectors are apart."""

    L2 = "l2"
    COSINE = "cosine"
    INNER_PRODUCT = "inner_product"


_OPERATORS = {
    Metric.L2: ("<->", "vector_l2_ops"),
    Metric.COSINE: ("<=>", "vector_cosine_ops"),
    Metric.INNER_PRODUCT: ("<#>", "vector_ip_ops"),
}

Neighbours = Annotated[int, Field(ge=1, le=1_000)]


class VectorPoint(BaseModel):
    """A vector and what it stands for; numbers are kept in single precision."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    embedding: tuple[float, ...]
    properties: dict[str, JsonValue] = Field(default_factory=dict)


class Neighbour(BaseModel):
    """A point and its distance; with the inner product, the negated product."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    distance: float
    properties: dict[str, JsonValue]


class Nearest(BaseModel):
    """The nearest points, the nearest first; `is_exact` unless an index may have missed one."""

    model_config = ConfigDict(frozen=True)

    neighbours: tuple[Neighbour, ...]
    is_exact: bool


class VectorStore:
    """One collection of one tenant on one transaction."""

    def __init__(self, connection: Connection, tenant_id: str, collection: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._collection = collection

    def upsert(self, points: Sequence[VectorPoint], *, metric: Metric = Metric.L2) -> None:
        """Write points; one that is there under the same id is replaced.

        Args:
            points: All of one dimension; of two with one id the last counts.
            metric: For a new collection; another keeps the one it has.

        Raises:
            VectorDimensionError: They are not as long as the points that are there, or as each other.
            VectorUnusableError: Not finite, too long, or without a direction where the metric needs one.
            RecordTextError, RecordNumberError: Properties that the database cannot hold.
        """
        if not points:
            return
        dimension, metric = self._join(len(points[0].embedding), metric)
        latest = {point.id: point for point in points}
        rows = [
            {
                "point_id": point.id,
                "embedding": self._literal(point.embedding, dimension, metric),
                "properties": point.properties,
            }
            for point in latest.values()
        ]
        parameters = {**self._key(), "dimension": dimension, "metric": metric}
        parameters["points"] = jsonb_text(rows, model="VectorPoint")
        _QUERIES.execute(self._connection, "upsert_vectors", parameters)

    def delete(self, *point_ids: UUID) -> int:
        """Remove points; return how many there were."""
        enter_tenant(self._connection, self._tenant_id)
        return _QUERIES.execute(self._connection, "delete_vectors", {**self._key(), "point_ids": list(point_ids)})

    @staticmethod
    def forget(connection: Connection, tenant_id: str, point_id: UUID) -> int:
        """Remove the points of an id from all collections of a tenant; return how many there were."""
        enter_tenant(connection, tenant_id)
        return _QUERIES.execute(connection, "forget_vectors", {"tenant_id": tenant_id, "point_id": point_id})

    def read(self, *point_ids: UUID) -> tuple[VectorPoint, ...]:
        """Return the points that are there, in the order of their ids."""
        enter_tenant(self._connection, self._tenant_id)
        rows = _QUERIES.rows(self._connection, "read_vectors", {**self._key(), "point_ids": list(point_ids)})
        return tuple(
            VectorPoint(
                id=row.point_id,
                embedding=tuple(Vector.from_text(row.embedding).to_list()),
                properties=row.properties,
            )
            for row in rows
        )

    def nearest(self, embedding: Sequence[float], k: Neighbours = 1) -> Nearest:
        """Return the `k` nearest points of the collection; none where there is no such collection.

        Raises:
            VectorDimensionError, VectorUnusableError: As `upsert`.
        """
        found = self._find()
        if found is None:
            return Nearest(neighbours=(), is_exact=True)
        dimension, metric = found
        parameters = {**self._key(), "embedding": self._literal(embedding, dimension, metric), "k": k}
        if self._is_small() or dimension > _LARGEST_INDEXED_DIMENSION:
            return self._nearest_exactly(parameters, metric)
        least, most = _CANDIDATES
        _QUERIES.rows(self._connection, "search_settings", {"ef_search": str(min(max(4 * k, least), most))})
        rows = self._connection.execute(_nearest_by_index(dimension, metric), parameters).all()
        if len(rows) < k:  # the search gave up among the points of others that are nearer
            return self._nearest_exactly(parameters, metric)
        return Nearest(neighbours=tuple(map(_neighbour, rows)), is_exact=False)

    def _nearest_exactly(self, parameters: Mapping[str, object], metric: Metric) -> Nearest:
        rows = _QUERIES.rows(self._connection, "nearest_exactly", {**parameters, "metric": metric})
        return Nearest(neighbours=tuple(map(_neighbour, rows)), is_exact=True)

    def _join(self, dimension: int, metric: Metric) -> tuple[int, Metric]:
        """Return the collection's dimension and metric; make the collection where there is none."""
        found = self._find()
        if found is None:
            if not 1 <= dimension <= _LARGEST_DIMENSION:
                raise VectorUnusableError(collection=self._collection, reason=f"it has {dimension} numbers")
            parameters = {**self._key(), "dimension": dimension, "metric": metric}
            _QUERIES.execute(self._connection, "create_collection", parameters)
            found = self._find()  # whoever was faster decides
        return found or (dimension, metric)

    def _find(self) -> tuple[int, Metric] | None:
        enter_tenant(self._connection, self._tenant_id)
        row = _QUERIES.first(self._connection, "read_collection", self._key())
        return None if row is None else (row.dimension, Metric(row.metric))

    def _is_small(self) -> bool:
        (row,) = _QUERIES.rows(self._connection, "count_up_to", {**self._key(), "most": EXACT_UP_TO + 1})
        number: int = row.number
        return number <= EXACT_UP_TO

    def _literal(self, embedding: Sequence[float], dimension: int, metric: Metric) -> str:
        if len(embedding) != dimension:
            raise VectorDimensionError(collection=self._collection, expected=dimension, actual=len(embedding))
        vector = Vector(list(embedding))
        single = vector.to_list()
        if not all(map(math.isfinite, single)):
            raise VectorUnusableError(collection=self._collection, reason="a number is not finite in single precision")
        squared_length = math.fsum(number * number for number in single)
        if squared_length > _LARGEST_SQUARE:
            raise VectorUnusableError(collection=self._collection, reason="it is too long for single precision")
        if metric is Metric.COSINE and squared_length < _SMALLEST_SQUARE:
            raise VectorUnusableError(collection=self._collection, reason="it has no direction in single precision")
        return vector.to_text()

    def _key(self) -> dict[str, object]:
        return {"tenant_id": self._tenant_id, "collection": self._collection}


def create_vector_indexes(connection: Connection, *, at_least: int = EXACT_UP_TO) -> tuple[str, ...]:
    """Make an index for each dimension and metric with more than so many points, of all tenants; return their names.

    Writers wait while it is made. For the owner of the tables. Those that are there stay.
    """
    sizes = _QUERIES.rows(connection, "sizes")
    large = [row for row in sizes if row.number > at_least and row.dimension <= _LARGEST_INDEXED_DIMENSION]
    return tuple(_create_index(connection, row.dimension, Metric(row.metric)) for row in large)


def _create_index(connection: Connection, dimension: int, metric: Metric) -> str:
    name = f"vector_point_{metric.value}_{dimension}"
    _, operators = _OPERATORS[metric]
    connection.execute(
        text(
            f"create index if not exists {name} on vector_point"
            f" using hnsw (cast(embedding as vector({dimension})) {operators})"
            f" where dimension = {dimension} and metric = '{metric.value}'"
        )
    )
    return name


@cache
def _nearest_by_index(dimension: int, metric: Metric) -> TextClause:
    template = Path(__file__).with_name("nearest_by_index.sql").read_text(encoding="utf-8")
    operator, _ = _OPERATORS[metric]
    return text(template.format(dimension=dimension, operator=operator, metric=metric.value))


def _neighbour(row: Row[Any]) -> Neighbour:
    return Neighbour(id=row.point_id, distance=row.distance, properties=row.properties)
