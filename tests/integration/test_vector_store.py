"""Vectors in collections: replaced by id, of one dimension, and the nearest of them found exactly or by an index."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from database_owner import as_owner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from storage import Storage
from storage.errors import RecordTextError, VectorDimensionError, VectorUnusableError
from storage.stores import Metric, Nearest, Neighbour, VectorPoint, VectorStore, create_vector_indexes, vectors


@pytest.fixture
def connection(storage: Storage) -> Iterator[Connection]:
    with storage.transaction() as work:
        yield work.connection


@pytest.fixture
def layer(connection: Connection) -> VectorStore:
    return VectorStore(connection, "north", "som/1")


def point(number: int, *embedding: float, **properties: str) -> VectorPoint:
    return VectorPoint(id=UUID(int=number), embedding=embedding, properties=dict(properties))


def found(nearest: Nearest) -> list[tuple[int, float]]:
    return [(neighbour.id.int, neighbour.distance) for neighbour in nearest.neighbours]


def test_the_nearest_points_come_in_the_order_of_their_distance(layer: VectorStore) -> None:
    layer.upsert([point(1, 0, 0), point(2, 3, 4, name="far"), point(3, 1, 0), point(4, 1, 0)])

    assert found(layer.nearest([0, 0], 3)) == [(1, 0), (3, 1), (4, 1)]
    assert layer.nearest([3, 4]) == Nearest(
        neighbours=(Neighbour(id=UUID(int=2), distance=0, properties={"name": "far"}),), is_exact=True
    )


def test_a_point_is_replaced_by_one_with_its_id_and_can_be_taken_out(layer: VectorStore) -> None:
    layer.upsert([point(1, 0, 0, name="old"), point(2, 5, 5)])
    layer.upsert([point(1, 8, 8), point(1, 0.1, 9, name="new")])

    in_single_precision = point(1, 0.10000000149011612, 9, name="new")
    assert layer.read(UUID(int=1), UUID(int=7)) == (in_single_precision,)
    assert layer.delete(UUID(int=1), UUID(int=7)) == 1
    assert [number for number, _ in found(layer.nearest([0, 0], 9))] == [2]


def test_a_collection_keeps_the_dimension_of_its_first_point(layer: VectorStore) -> None:
    layer.upsert([point(1, 0, 0)])

    for refused in (lambda: layer.upsert([point(2, 1, 2, 3)]), lambda: layer.nearest([1])):
        with pytest.raises(VectorDimensionError) as refusal:
            refused()
        assert (refusal.value.collection, refusal.value.expected) == ("som/1", 2)
    with pytest.raises(VectorDimensionError):
        layer.upsert([point(3, 1, 1), point(4, 1)])


def test_collections_of_other_dimensions_and_other_tenants_lie_beside_each_other(connection: Connection) -> None:
    wide, south = VectorStore(connection, "north", "som/2"), VectorStore(connection, "south", "som/1")
    narrow = VectorStore(connection, "north", "som/1")
    narrow.upsert([point(1, 0)])
    wide.upsert([point(1, *range(1_536))])
    south.upsert([point(1, 5, 5)])

    assert [found(store.nearest(at)) for store, at in ((narrow, [1]), (wide, range(1_536)), (south, [5, 6]))] == [
        [(1, 1)],
        [(1, 0)],
        [(1, 1)],
    ]
    assert VectorStore(connection, "south", "som/2").nearest([1, 2, 3]) == Nearest(neighbours=(), is_exact=True)
    assert south.delete(UUID(int=1)) == 1
    assert found(narrow.nearest([1])) == [(1, 1)]


@pytest.mark.parametrize(
    "embedding", [(), (math.nan,), (math.inf,), (1e39,), (0.0,) * 16_001], ids=["empty", "nan", "inf", "huge", "long"]
)
def test_a_vector_that_has_no_distance_is_refused(layer: VectorStore, embedding: tuple[float, ...]) -> None:
    with pytest.raises(VectorUnusableError):
        layer.upsert([point(1, *embedding)])


def test_a_vector_without_direction_has_no_angle(layer: VectorStore) -> None:
    layer.upsert([point(1, 1, 0), point(2, 1, 1)], metric=Metric.COSINE)

    assert [number for number, _ in found(layer.nearest([9, 8], 2))] == [2, 1]
    for refused in (lambda: layer.upsert([point(3, 0, 0)]), lambda: layer.nearest([0, 0])):
        with pytest.raises(VectorUnusableError):
            refused()


@pytest.mark.parametrize("embedding", [(1e30, 0.0), (-1e19, 1e19)])
@pytest.mark.parametrize("metric", Metric)
def test_a_vector_so_long_that_its_distances_are_wrong_is_refused(
    layer: VectorStore, embedding: tuple[float, ...], metric: Metric
) -> None:
    with pytest.raises(VectorUnusableError):
        layer.upsert([point(1, *embedding)], metric=metric)


def test_a_vector_so_short_that_its_angle_is_wrong_is_refused(layer: VectorStore) -> None:
    with pytest.raises(VectorUnusableError):
        layer.upsert([point(1, 1e-20, 0)], metric=Metric.COSINE)


def test_properties_that_the_database_cannot_hold_are_refused(layer: VectorStore) -> None:
    with pytest.raises(RecordTextError):
        layer.upsert([point(1, 1, name="\0")])


def test_of_those_who_make_a_collection_at_once_the_first_decides(storage: Storage) -> None:
    def write(number: int) -> bool:
        try:
            with storage.transaction() as work:
                VectorStore(work.connection, "north", "new").upsert([point(number, *range(1 + number % 2))])
        except VectorDimensionError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(write, range(16)))

    assert written in ([number % 2 == 0 for number in range(16)], [number % 2 == 1 for number in range(16)])


COORDINATES = st.lists(st.integers(-50, 50).map(float), min_size=3, max_size=3).filter(any)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(COORDINATES, min_size=1, max_size=20),
    asked=COORDINATES,
    metric=st.sampled_from(Metric),
    k=st.integers(1, 25),
)
def test_the_distances_are_the_smallest_there_are(
    connection: Connection, drawn: list[list[float]], asked: list[float], metric: Metric, k: int
) -> None:
    nested = connection.begin_nested()
    store = VectorStore(connection, "north", "drawn")
    store.upsert([point(number, *vector) for number, vector in enumerate(drawn)], metric=metric)
    distances = [neighbour.distance for neighbour in store.nearest(asked, k).neighbours]
    nested.rollback()

    expected = sorted(distance(metric, vector, asked) for vector in drawn)[:k]
    assert distances == pytest.approx(expected, rel=1e-5, abs=1e-6)


def distance(metric: Metric, one: Sequence[float], other: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    match metric:
        case Metric.L2:
            return math.dist(one, other)
        case Metric.COSINE:
            return 1 - product / (math.hypot(*one) * math.hypot(*other))
        case Metric.INNER_PRODUCT:
            return -product


def test_a_large_collection_is_searched_by_an_index_that_hides_nothing_of_a_small_tenant(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    crowd = [point(number, *(chance.random() for _ in range(8))) for number in range(3_000)]
    few = [point(number, *(chance.random() + 5 for _ in range(8))) for number in range(30)]
    with storage.transaction() as work:
        VectorStore(work.connection, "north", "crowd").upsert(crowd)
        VectorStore(work.connection, "south", "few").upsert(few)
    with as_owner(storage) as connection:
        assert create_vector_indexes(connection, at_least=1_000) == ("vector_point_l2_8",)
        assert create_vector_indexes(connection, at_least=1_000) == ("vector_point_l2_8",)
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 10)

    def recall(tenant: str, collection: str, points: list[VectorPoint]) -> float:
        hits = 0
        for asked in points[:30]:
            with storage.transaction() as work:
                work.connection.execute(text("set local enable_seqscan = off"))
                work.connection.execute(text("set local enable_sort = off"))
                answer = VectorStore(work.connection, tenant, collection).nearest(asked.embedding, 10)
            exact = sorted(points, key=lambda one: (math.dist(one.embedding, asked.embedding), one.id))[:10]
            assert not answer.is_exact
            hits += len({neighbour.id for neighbour in answer.neighbours} & {one.id for one in exact})
        return hits / 300

    assert recall("north", "crowd", crowd) >= 0.95
    assert recall("south", "few", few) >= 0.95


def test_the_index_serves_the_query_that_the_store_asks(storage: Storage) -> None:
    with storage.transaction() as work:
        VectorStore(work.connection, "north", "crowd").upsert([point(number, number, 1) for number in range(200)])
    with as_owner(storage) as connection:
        create_vector_indexes(connection, at_least=100)
    query = str(vectors._nearest_by_index(2, Metric.L2))
    with storage.transaction() as work:
        for statement in ("set local enable_seqscan = off", "set local enable_sort = off"):
            work.connection.execute(text(statement))
        work.connection.execute(text("select set_config('learning.tenant_id', 'north', true)"))
        asked = {"tenant_id": "north", "collection": "crowd", "embedding": "[1,1]", "k": 5}
        plan = "\n".join(work.connection.execute(text(f"explain {query}"), asked).scalars())

    assert "Index Scan using vector_point_l2_2" in plan


def test_a_large_collection_far_behind_the_points_of_another_tenant_is_found(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index gives up after some twenty thousand points that are nearer."""
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 10)
    with storage.transaction() as work:
        VectorStore(work.connection, "north", "far").upsert([point(number, 100, number) for number in range(11)])
        VectorStore(work.connection, "south", "near").upsert([point(0, 0, 0)])
        crowd = (
            "insert into vector_point (tenant_id, collection, point_id, dimension, metric, embedding)"
            " select 'south', 'near', gen_random_uuid(), 2, 'l2', cast(format('[%s,%s]', x, x * x % 7) as vector)"
            " from (select number / 1000.0 as x from generate_series(1, 22000) as number) as numbers"
        )
        work.connection.execute(text(crowd))
    with as_owner(storage) as connection:
        create_vector_indexes(connection)
        connection.execute(text("analyze vector_point"))

    with storage.transaction() as work:
        for statement in ("set local enable_seqscan = off", "set local enable_sort = off"):
            work.connection.execute(text(statement))
        nearest = VectorStore(work.connection, "north", "far").nearest([0, 0], 3)

    assert [neighbour.id.int for neighbour in nearest.neighbours] == [0, 1, 2]
