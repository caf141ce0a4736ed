"""Edges between records: written once, closed once, and followed as far as was asked, as networkx follows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from storage import Storage
from storage.errors import RecordTextError
from storage.stores import Bounds, Direction, Edge, EdgeKind, GraphStore, Node, Traversal
from storage.tenants import enter_tenant

DAWN = datetime(2026, 1, 1, tzinfo=UTC)


def node(number: int, model: str = "Thing") -> Node:
    return Node(model, UUID(int=number))


def edge(source: int, target: int, kind: EdgeKind = EdgeKind.PRODUCED, hour: int = 0) -> Edge:
    return Edge(kind=kind, source=node(source), target=node(target), valid_from=DAWN + timedelta(hours=hour))


def ids(traversal: Traversal) -> list[tuple[int, int]]:
    return [(reached.id.int, reached.depth) for reached in traversal.nodes]


def ends(traversal: Traversal) -> list[tuple[int, int]]:
    return [(found.source.id.int, found.target.id.int) for found in traversal.edges]


@pytest.fixture
def connection(storage: Storage) -> Iterator[Connection]:
    with storage.transaction() as work:
        yield work.connection


@pytest.fixture
def graph(connection: Connection) -> GraphStore:
    return GraphStore(connection, "north")


def test_an_edge_is_read_as_it_was_written_and_writing_it_again_changes_nothing(graph: GraphStore) -> None:
    written = edge(1, 2)._replace(properties={"rows": 7})

    assert (graph.connect(written), graph.connect(written), graph.connect(edge(1, 2, hour=5))) == (1, 0, 0)

    (read,) = graph.traverse(node(1), Direction.DOWNSTREAM).edges
    assert read == written._replace(recorded_at=read.recorded_at)
    assert read.recorded_at is not None


def test_an_edge_twice_in_one_call_is_written_once(graph: GraphStore) -> None:
    assert graph.connect(edge(1, 2), edge(1, 2), edge(1, 2, EdgeKind.RAN)) == 2


def test_an_edge_holds_from_its_beginning_until_it_is_closed(graph: GraphStore) -> None:
    graph.connect(edge(1, 2, hour=1))
    assert graph.disconnect(edge(1, 2), at=DAWN + timedelta(hours=3)) == 1
    assert graph.disconnect(edge(1, 2)) == 0

    at = {hour: DAWN + timedelta(hours=hour) for hour in range(5)}
    held = {hour: len(graph.traverse(node(1), Direction.DOWNSTREAM, at=moment).edges) for hour, moment in at.items()}
    assert held == {0: 0, 1: 1, 2: 1, 3: 0, 4: 0}


def test_no_moment_has_an_edge_twice(graph: GraphStore) -> None:
    graph.connect(edge(1, 2, hour=1))
    graph.disconnect(edge(1, 2), at=DAWN + timedelta(hours=3))
    assert graph.connect(edge(1, 2, hour=2)) == 1

    periods = [(found.valid_from, found.valid_to) for found in graph.traverse(node(1), Direction.DOWNSTREAM).edges]
    hour = timedelta(hours=1)
    assert periods == [(DAWN + hour, DAWN + 3 * hour), (DAWN + 3 * hour, None)]


def test_a_tenant_follows_its_own_edges_only(connection: Connection, graph: GraphStore) -> None:
    graph.connect(edge(1, 2))
    south = GraphStore(connection, "south")
    south.connect(edge(2, 3))

    assert ids(graph.traverse(node(1), Direction.DOWNSTREAM)) == [(1, 0), (2, 1)]
    assert ids(south.traverse(node(1), Direction.DOWNSTREAM)) == [(1, 0)]
    assert south.disconnect(edge(1, 2)) == 0


def test_a_cycle_ends_where_it_began(graph: GraphStore) -> None:
    graph.connect(edge(1, 2), edge(2, 3), edge(3, 1), edge(3, 3))

    traversal = graph.traverse(node(1), Direction.DOWNSTREAM)
    assert (ids(traversal), traversal.is_complete) == ([(1, 0), (2, 1), (3, 2)], True)
    assert sorted(ends(traversal)) == [(1, 2), (2, 3), (3, 1), (3, 3)]


def test_what_lies_beyond_the_bounds_is_left_out_and_told(graph: GraphStore) -> None:
    graph.connect(*(edge(number, number + 1) for number in range(1, 6)))

    near = graph.traverse(node(1), Direction.DOWNSTREAM, bounds=Bounds(depth=2))
    few = graph.traverse(node(1), Direction.DOWNSTREAM, bounds=Bounds(nodes=2))
    whole = graph.traverse(node(1), Direction.DOWNSTREAM, bounds=Bounds(depth=5, nodes=6))
    assert (ids(near), near.has_more_depth, near.has_more_nodes) == ([(1, 0), (2, 1), (3, 2)], True, False)
    assert (ids(few), few.has_more_depth, few.has_more_nodes) == ([(1, 0), (2, 1)], False, True)
    assert (len(whole.nodes), whole.is_complete) == (6, True)


def test_a_dense_graph_is_told_with_all_its_edges(graph: GraphStore) -> None:
    pairs = {(source, target) for source in range(1, 8) for target in range(1, 8)}
    graph.connect(*(edge(*pair, kind) for pair in pairs for kind in (EdgeKind.PRODUCED, EdgeKind.RAN)))

    for bounds, numbers in ((Bounds(nodes=7), range(1, 8)), (Bounds(nodes=3), range(1, 4)), (Bounds(), range(1, 8))):
        traversal = graph.traverse(node(1), Direction.DOWNSTREAM, bounds=bounds)
        expected = {(source, target) for source, target in pairs if {source, target} <= set(numbers)}
        assert (set(ends(traversal)), len(traversal.edges)) == (expected, 2 * len(expected))


def test_of_a_node_with_many_edges_no_more_is_read_than_was_asked_for(
    connection: Connection, graph: GraphStore
) -> None:
    enter_tenant(connection, "north")
    connection.execute(
        text("""
        insert into graph_edge (tenant_id, kind, source_model, source_id, target_model, target_id, valid_from)
        select 'north', 'answered', 'Thing', cast(:hub as uuid), 'Thing',
            cast(lpad(to_hex(number + 1), 32, '0') as uuid), '2026-01-01' from generate_series(1, 20000) number
        """),
        {"hub": node(1).id},
    )
    traversal = graph.traverse(node(1), Direction.DOWNSTREAM, kinds={EdgeKind.ANSWERED}, bounds=Bounds(nodes=50))

    assert ids(traversal) == [(1, 0), *((number, 1) for number in range(2, 51))]
    assert (len(traversal.edges), traversal.has_more_nodes, traversal.has_more_depth) == (49, True, False)
    assert graph.connect(edge(1, 7, EdgeKind.ANSWERED)) == 0


def test_neighbours_are_found_whichever_way_the_edge_points(graph: GraphStore) -> None:
    graph.connect(*(edge(source, target, EdgeKind.ADJACENT_TO) for source, target in ((1, 2), (3, 1), (3, 4))))

    assert ids(graph.neighbours(node(1), kinds={EdgeKind.ADJACENT_TO})) == [(1, 0), (2, 1), (3, 1)]


def test_properties_that_the_database_cannot_hold_are_refused(graph: GraphStore) -> None:
    with pytest.raises(RecordTextError):
        graph.connect(edge(1, 2)._replace(properties={"a": "\0"}))


KINDS = (EdgeKind.PRODUCED, EdgeKind.RAN)
GRAPHS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from(KINDS)), max_size=25)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=GRAPHS,
    direction=st.sampled_from(Direction),
    kinds=st.sets(st.sampled_from(KINDS), min_size=1),
    bounds=st.builds(Bounds, depth=st.integers(0, 5), nodes=st.integers(1, 9)),
)
def test_sql_reaches_what_networkx_reaches(
    connection: Connection,
    drawn: list[tuple[int, int, EdgeKind]],
    direction: Direction,
    kinds: set[EdgeKind],
    bounds: Bounds,
) -> None:
    nested = connection.begin_nested()
    graph = GraphStore(connection, "north")
    graph.connect(*(edge(*drawn_edge) for drawn_edge in drawn))
    traversal = graph.traverse(node(1), direction, kinds=kinds, bounds=bounds)
    nested.rollback()

    oracle = nx.MultiDiGraph([(source, target) for source, target, kind in drawn if kind in kinds])
    oracle.add_node(1)
    view = {
        Direction.DOWNSTREAM: oracle,
        Direction.UPSTREAM: oracle.reverse(),
        Direction.BOTH: oracle.to_undirected(),
    }[direction]
    depths = nx.single_source_shortest_path_length(view, 1)
    within = {number: depth for number, depth in depths.items() if depth <= bounds.depth}
    kept = sorted(within.items(), key=lambda item: (item[1], item[0]))[: bounds.nodes]
    kept_ids = {number for number, _ in kept}

    assert ids(traversal) == kept
    assert traversal.has_more_nodes == (len(within) > bounds.nodes)
    if not traversal.has_more_nodes:
        assert traversal.has_more_depth == (len(depths) > len(within))
    found = {(source.int, target.int, kind) for source, target, (kind, _) in traversal.as_networkx().edges(keys=True)}
    assert found == {
        (source, target, kind) for source, target, kind in drawn if kind in kinds and {source, target} <= kept_ids
    }
