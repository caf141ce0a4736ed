"""Group `lineage`: questions to a graph of a million edges, and to the history of ten thousand promotions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from measurement import Measurement
from sqlalchemy import Engine, text
from stores_plant import milliseconds, percentile, running_database

from storage.stores import AliasName, AliasStore, Direction, EdgeKind, GraphStore, Node

_TENANT = "bench"
_VERSIONS = 2_500
_EXPERIMENTS = 20
_ANSWERS = 10
_MODELS, _PROMOTIONS = 100, 100
_QUESTIONS = 200
_BAR = 20.0
_DAWN = datetime(2026, 1, 1, tzinfo=UTC)
_DEFINITION, _NAMES = UUID(int=1), UUID(int=2)


def measure() -> list[Measurement]:
    """Return the 95th percentiles, in milliseconds, of what people ask."""
    chance = random.Random(2026)  # noqa: S311 - the same graph in every run
    with running_database() as (application, owner):
        edges = _fill_graph(owner)
        _fill_aliases(owner)
        questions = [(chance.randrange(_VERSIONS), chance.randrange(_EXPERIMENTS)) for _ in range(_QUESTIONS)]
        why = [_traversal(application, _endpoint(*place), Direction.UPSTREAM) for place in questions]
        downstream = [_traversal(application, _version(place[0]), Direction.DOWNSTREAM) for place in questions]
        at_time = [_in_production(application, chance) for _ in questions]
    against = f"{edges:,} edges, p95 of {_QUESTIONS} questions"
    return [
        _measured("lineage.why", why, against),
        _measured("lineage.downstream_of_dataset", downstream, f"{against}, 301 nodes in each answer"),
        _measured("lineage.production_at", at_time, f"{_MODELS * _PROMOTIONS:,} promotions"),
    ]


def _measured(name: str, times: list[float], against: str) -> Measurement:
    return Measurement(name, percentile(times, 0.95), "ms", _BAR, "lower", against)


def _traversal(application: Engine, start: Node, direction: Direction) -> float:
    def ask() -> None:
        with application.begin() as connection:
            traversal = GraphStore(connection, _TENANT).traverse(start, direction)
        assert traversal.is_complete
        assert len(traversal.nodes) == (8 if direction is Direction.UPSTREAM else 1 + _EXPERIMENTS * (5 + _ANSWERS))

    return milliseconds(ask)


def _in_production(application: Engine, chance: random.Random) -> float:
    name = AliasName(f"model-{chance.randrange(_MODELS)}")
    at = _DAWN + timedelta(hours=chance.randrange(_PROMOTIONS), minutes=30)

    def ask() -> None:
        with application.begin() as connection:
            assert AliasStore(connection, _TENANT).at(name, at) is not None

    return milliseconds(ask)


def _fill_graph(owner: Engine) -> int:
    """Write the lineage of each dataset version; return how many edges that makes."""
    count = 0
    with owner.begin() as connection, connection.connection.cursor() as cursor:
        columns = "tenant_id, kind, source_model, source_id, target_model, target_id, valid_from"
        with cursor.copy(f"copy graph_edge ({columns}) from stdin") as copy:
            for version in range(_VERSIONS):
                for kind, source, target in _lineage(version):
                    copy.write_row((_TENANT, kind.value, source.model, source.id, target.model, target.id, _DAWN))
                    count += 1
    with owner.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("vacuum analyze graph_edge"))
    return count


def _lineage(number: int) -> Iterator[tuple[EdgeKind, Node, Node]]:
    for experiment in range(_EXPERIMENTS):
        made, instance = _made("Experiment", number, experiment), _made("ProcessInstance", number, experiment)
        model, endpoint = _made("ModelArtifact", number, experiment), _endpoint(number, experiment)
        training, evaluation = (_made("TrainingRun", number, experiment, part) for part in (1, 2))
        yield EdgeKind.USED_BY, _version(number), made
        yield from ((EdgeKind.RAN, made, run) for run in (training, evaluation))
        yield EdgeKind.PRODUCED, training, model
        yield EdgeKind.EVALUATED, evaluation, model
        yield EdgeKind.SERVED_BY, model, endpoint
        yield from ((EdgeKind.GOVERNED, instance, governed) for governed in (made, model, endpoint))
        yield EdgeKind.DEFINED, Node("ProcessDefinition", _DEFINITION), instance
        for part in range(_ANSWERS):
            yield EdgeKind.ANSWERED, endpoint, _made("PredictionBatch", number, experiment, part)


def _fill_aliases(owner: Engine) -> None:
    """Write what a promotion each hour leaves behind: one belief that ended, and one that holds."""
    insert = text("""
        insert into model_alias
            (alias_period_id, tenant_id, model_name, alias, model_artifact_id, valid, recorded, set_by)
        select gen_random_uuid(), :tenant_id, 'model-' || m, 'production', gen_random_uuid(),
            tstzrange(at, case when is_final then at + interval '1 hour' end),
            tstzrange(case when is_final then at + interval '1 hour' else at end,
                case when not is_final then at + interval '1 hour' end), 'bench'
        from generate_series(0, :models - 1) as m, generate_series(0, :promotions - 1) as p,
            unnest(array[true, false]) as is_final, lateral (select :dawn + p * interval '1 hour' as at) as t
    """)
    with owner.begin() as connection:
        connection.execute(insert, {"tenant_id": _TENANT, "models": _MODELS, "promotions": _PROMOTIONS, "dawn": _DAWN})


def _version(number: int) -> Node:
    return _made("DatasetVersion", number)


def _endpoint(number: int, experiment: int) -> Node:
    return _made("ServingEndpoint", number, experiment)


def _made(model: str, number: int, experiment: int = 0, part: int = 0) -> Node:
    """Return a node whose id nobody could guess from its neighbours', as ids of several machines are."""
    return Node(model, uuid5(_NAMES, f"{model}/{number}/{experiment}/{part}"))
