"""What a deletion needs, takes along and leaves behind; all of it in the deletion's own transaction, or none."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from database_owner import as_owner
from lock_waits import lock_waits
from sqlalchemy import text

from engine.errors import ReasonInvalidError
from handlers.artifacts import list_holds, place_hold, release_hold
from storage import SecurityContext, Storage
from storage.erasure import erase_measures_of_deleted
from storage.errors import RecordConflictError, RecordHeldError, RecordInProductionError, RecordNotFoundError
from storage.identifiers import new_id
from storage.models import (
    ComputeProfile,
    DataClassification,
    DatasetVersion,
    EndpointState,
    Experiment,
    MetricSnapshot,
    ModelArtifact,
    ModelStatus,
    RoleType,
    RunStage,
    ServingEndpoint,
    SOMNeuron,
    StorageModel,
    TrainingRun,
)
from storage.objects.holds import Holds
from storage.objects.retention import parse_retention
from storage.projections import collection_of
from storage.stores import (
    Direction,
    Edge,
    EdgeKind,
    GraphStore,
    MetricMaintenance,
    Node,
    VectorPoint,
    VectorStore,
)
from storage.unified_crud import UnifiedCRUD

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
COUNSEL = ADMIN.model_copy(update={"user_id": "counsel"})
STRANGER = ADMIN.model_copy(update={"tenant_id": "south"})
NOW = datetime.now(UTC)


def create(storage: Storage, record: StorageModel, context: SecurityContext = ADMIN) -> Any:
    with storage.transaction() as work:
        return work.get_crud(type(record)).create(record, context=context)


def delete(storage: Storage, record: StorageModel) -> None:
    with storage.transaction() as work:
        work.get_crud(type(record)).delete(record.id, context=ADMIN)


def experiment(dataset_version_id: UUID) -> Experiment:
    return Experiment(
        tenant_id="north", task_name="t", model_name="m", dataset_version_id=dataset_version_id, config={},
        compute_profile=ComputeProfile.CPU, owner="olga",
    )  # fmt: skip


def artifact(uri: str = "", **fields: Any) -> ModelArtifact:
    return ModelArtifact(
        tenant_id="north", model_id=new_id(), name="m", version=3, artifact_uri=uri, signature={}, metrics={}, **fields
    )


def run(experiment_id: UUID, **fields: Any) -> TrainingRun:
    return TrainingRun(
        tenant_id="north", experiment_id=experiment_id, stage=RunStage.TRAIN, duration_seconds=1.5, exit_code=0,
        **fields,
    )  # fmt: skip


def version() -> DatasetVersion:
    return DatasetVersion(
        tenant_id="north", dataset_id=new_id(), version=1, target="y", storage_location="object://sha256/" + "a" * 64,
        file_format="csv", size_bytes=1, checksum="c",
    )  # fmt: skip


@pytest.mark.parametrize("is_held_by_object", [False, True])
def test_a_record_under_hold_stays_until_the_hold_is_released(storage: Storage, is_held_by_object: bool) -> None:  # noqa: FBT001
    uri = storage.objects.put_bytes(b"weights").uri
    held = create(storage, artifact(uri))
    hold = place_hold(storage, uri if is_held_by_object else str(held.id), "a lawsuit", context=COUNSEL)

    with pytest.raises(RecordHeldError) as refusal:
        delete(storage, held)

    told = refusal.value
    assert (told.code, told.model, told.record_id) == ("RECORD_HELD", "ModelArtifact", str(held.id))
    assert (told.hold_id, told.placed_by) == (str(hold.hold_id), "counsel")
    assert "a lawsuit" not in f"{told} {told.hint}"
    release_hold(storage, hold.hold_id, "settled", context=COUNSEL)
    delete(storage, held)
    with pytest.raises(RecordNotFoundError):
        delete(storage, held)


@pytest.mark.parametrize("reason", ["", " ", "x" * 10_000])
def test_who_holds_or_releases_says_why(storage: Storage, reason: str) -> None:
    kept = create(storage, run(new_id()))

    with pytest.raises(ReasonInvalidError):
        place_hold(storage, str(kept.id), reason, context=COUNSEL)
    hold = place_hold(storage, str(kept.id), "a lawsuit", context=COUNSEL)
    with pytest.raises(ReasonInvalidError):
        release_hold(storage, hold.hold_id, reason, context=COUNSEL)

    assert [(each.subject, each.released_at) for each in list_holds(storage, context=COUNSEL)] == [(str(kept.id), None)]


def test_a_hold_keeps_no_other_record_and_none_of_another_tenant(storage: Storage) -> None:
    uri = storage.objects.put_bytes(b"shared").uri
    held, other = create(storage, artifact(uri)), create(storage, artifact().model_copy(update={"name": "n"}))
    theirs = create(storage, artifact(uri).model_copy(update={"tenant_id": "south"}), STRANGER)
    place_hold(storage, uri, "a lawsuit", context=COUNSEL)

    delete(storage, other)
    with storage.transaction() as work:
        work.get_crud(ModelArtifact).delete(theirs.id, context=STRANGER)
    with pytest.raises(RecordHeldError):
        delete(storage, held)


@pytest.fixture
def served(storage: Storage) -> list[StorageModel]:
    """A model in service, and all that it came of."""
    data = create(storage, version())
    training = create(storage, experiment(data.id))
    trained = create(storage, run(training.id))
    model = create(storage, artifact(linked_experiment=training.id, status=ModelStatus.PRODUCTION))
    return [data, training, trained, model]


def test_what_a_model_in_service_came_of_stays_until_it_is_out_of_service(
    storage: Storage, served: list[StorageModel]
) -> None:
    other = create(storage, run(create(storage, experiment(new_id())).id))
    for needed in served:
        with pytest.raises(RecordInProductionError) as refusal:
            delete(storage, needed)
        told = refusal.value
        assert (told.code, told.record_id) == ("RECORD_IN_PRODUCTION", str(needed.id))
        assert (told.served_model, told.served_version) == ("m", 3)

    delete(storage, other)
    with storage.transaction() as work:
        work.get_crud(ModelArtifact).update(served[-1].id, {"status": ModelStatus.ARCHIVED}, context=ADMIN)
    for needed in reversed(served):
        delete(storage, needed)


def test_a_version_behind_a_healthy_endpoint_is_in_service_whatever_its_status(storage: Storage) -> None:
    model = create(storage, artifact())
    create(
        storage,
        ServingEndpoint(
            tenant_id="north", name="m", model_id=model.model_id, model_artifact_id=model.id, uri="/v2",
            health_state=EndpointState.HEALTHY,
        ),
    )  # fmt: skip

    with pytest.raises(RecordInProductionError):
        delete(storage, model)


def test_a_hold_that_is_placed_while_a_record_is_deleted_waits_for_the_deletion(storage: Storage) -> None:
    doomed = create(storage, artifact())
    deleted, placed = threading.Event(), threading.Event()

    def place() -> str:
        deleted.wait(30)
        with storage.transaction() as work:
            Holds(work.connection, "north").place(new_id(), str(doomed.id), "late", "counsel")
            still_there = work.get_crud(ModelArtifact).query({"id": doomed.id}, context=ADMIN)
        placed.set()
        return f"{len(still_there)} there"

    with ThreadPoolExecutor(1) as people:
        with storage.transaction() as work:
            work.get_crud(ModelArtifact).delete(doomed.id, context=ADMIN)
            answer = people.submit(place)
            deleted.set()
            assert not placed.wait(0.5)
        assert answer.result(30) == "0 there"


def points_of(storage: Storage, entity_id: UUID) -> int:
    with as_owner(storage) as connection:
        asked = {"id": entity_id}
        counted = connection.execute(
            text(
                "select (select count(*) from metric_point where entity_id = :id)"
                " + (select count(*) from metric_rollup where entity_id = :id)"
                " + (select count(*) from metric_change where entity_id = :id)"
            ),
            asked,
        )
        number: int = counted.scalar_one()
        return number


def measured(storage: Storage, record: TrainingRun) -> TrainingRun:
    """A run with points of its own, summed up and not."""
    kept: TrainingRun = create(storage, record)
    for step, value in enumerate((0.5, 0.25)):
        point = MetricSnapshot(
            tenant_id="north", entity_id=kept.id, timestamp=NOW, metric_name="loss", value=value, source="s", step=step
        )
        with storage.transaction() as work:
            work.get_crud(MetricSnapshot).create(point, context=ADMIN)
        with as_owner(storage) as connection:
            MetricMaintenance(connection).roll_up()
    return kept


def erase(storage: Storage, policy: str, now: datetime) -> int:
    with as_owner(storage) as connection:
        return erase_measures_of_deleted(connection, parse_retention(policy), now)


def test_what_was_measured_of_many_deleted_records_is_erased_on_several_transactions(storage: Storage) -> None:
    doomed = [measured(storage, run(new_id())) for _ in range(3)]
    for record in doomed:
        delete(storage, record)

    left = []
    for _ in range(2):
        with as_owner(storage) as connection:
            late = NOW + timedelta(days=1)
            assert erase_measures_of_deleted(connection, parse_retention(""), late, most=2) > 0
        left.append(sum(points_of(storage, record.id) > 0 for record in doomed))

    assert left == [1, 0]


def test_what_was_measured_of_a_deleted_record_is_erased_when_its_retention_is_over(storage: Storage) -> None:
    kept, doomed = measured(storage, run(new_id())), measured(storage, run(new_id()))
    secret = measured(storage, run(new_id(), data_classification=DataClassification.CONFIDENTIAL))
    before = {record.id: points_of(storage, record.id) for record in (kept, doomed, secret)}
    delete(storage, doomed)
    delete(storage, secret)
    policy = "TrainingRun=30,*/confidential=365"

    early = erase(storage, policy, NOW + timedelta(days=29)) + erase(storage, "default=999999", NOW)
    due = erase(storage, policy, NOW + timedelta(days=31))
    again = erase(storage, policy, NOW + timedelta(days=31))

    left = {record.id: points_of(storage, record.id) for record in (kept, doomed, secret)}
    assert (early, due > 0, again) == (0, True, 0)
    assert left == {**before, doomed.id: 0}
    assert erase(storage, policy, NOW + timedelta(days=366)) > 0
    assert (points_of(storage, secret.id), points_of(storage, kept.id)) == (0, before[kept.id])


def test_what_was_measured_of_a_deleted_record_under_hold_stays_until_it_is_released(storage: Storage) -> None:
    doomed = measured(storage, run(new_id()))
    delete(storage, doomed)
    hold = place_hold(storage, str(doomed.id), "a lawsuit", context=COUNSEL)

    assert erase(storage, "", NOW + timedelta(days=1)) == 0
    release_hold(storage, hold.hold_id, "settled", context=COUNSEL)
    assert erase(storage, "", NOW + timedelta(days=1)) > 0
    assert points_of(storage, doomed.id) == 0


def test_who_places_a_hold_waits_for_the_erasure_under_way(storage: Storage) -> None:
    doomed = measured(storage, run(new_id()))
    delete(storage, doomed)
    placing = threading.Thread(target=lambda: place_hold(storage, str(doomed.id), "a lawsuit", context=COUNSEL))
    late = time.monotonic() + 20

    with as_owner(storage) as connection:
        assert erase_measures_of_deleted(connection, parse_retention(""), NOW + timedelta(days=1)) > 0
        placing.start()
        while not lock_waits(connection):
            assert time.monotonic() < late
    placing.join(20)

    assert [hold.subject for hold in list_holds(storage, context=COUNSEL)] == [str(doomed.id)]


def test_a_deleted_record_is_near_to_nothing_and_adjacent_to_nothing_but_its_lineage_is_told(storage: Storage) -> None:
    first, second = (SOMNeuron(tenant_id="north", layer_id=new_id(), prototype_vector=(0.0, 1.0)) for _ in range(2))
    first, second = create(storage, first), create(storage, second)
    doomed = create(storage, artifact())
    source, doomed_node = Node("TrainingRun", new_id()), Node("ModelArtifact", doomed.id)
    with storage.transaction() as work:
        graph = GraphStore(work.connection, "north")
        graph.connect(
            Edge(EdgeKind.PRODUCED, source, doomed_node),
            Edge(EdgeKind.ADJACENT_TO, Node("SOMNeuron", first.id), Node("SOMNeuron", second.id)),
            Edge(EdgeKind.ACTIVATES, Node("SOMNeuron", second.id), doomed_node),
        )
        elsewhere = VectorStore(work.connection, "north", "elsewhere")
        elsewhere.upsert([VectorPoint(id=record.id, embedding=(1.0, 2.0)) for record in (doomed, first)])

    delete(storage, first)
    delete(storage, doomed)

    with storage.transaction() as work:
        graph = GraphStore(work.connection, "north")
        elsewhere = VectorStore(work.connection, "north", "elsewhere")
        prototypes = VectorStore(work.connection, "north", collection_of(first.layer_id))
        later = {"at": datetime.now(UTC) + timedelta(days=1)}
        near = graph.neighbours(Node("SOMNeuron", second.id), kinds={EdgeKind.ADJACENT_TO, EdgeKind.ACTIVATES}, **later)
        story = graph.traverse(source, Direction.DOWNSTREAM, **later)
        assert (elsewhere.nearest((1.0, 2.0), 5).neighbours, prototypes.nearest((0.0, 1.0), 5).neighbours) == ((), ())
        assert ([node.id for node in near.nodes], near.edges) == ([second.id], ())
        assert [edge.target for edge in story.edges] == [doomed_node]


def delete_twice(neurons: UnifiedCRUD[SOMNeuron], neuron: SOMNeuron) -> None:
    for _ in range(2):
        neurons.delete(neuron, context=ADMIN)


def test_a_deletion_that_is_refused_or_rolled_back_takes_nothing_along(storage: Storage) -> None:
    neuron = create(storage, SOMNeuron(tenant_id="north", layer_id=new_id(), prototype_vector=(0.0, 1.0)))
    stale = neuron.model_copy(update={"revision": 7})

    with pytest.raises(RecordConflictError), storage.transaction() as work:
        work.get_crud(SOMNeuron).delete(stale, context=ADMIN)
    with pytest.raises(RecordNotFoundError), storage.transaction() as work:
        delete_twice(work.get_crud(SOMNeuron), neuron)

    with storage.transaction() as work:
        vectors = VectorStore(work.connection, "north", collection_of(neuron.layer_id))
        assert [each.id for each in vectors.nearest((0.0, 1.0)).neighbours] == [neuron.id]
        assert work.get_crud(SOMNeuron).read(neuron.id, context=ADMIN) == neuron
