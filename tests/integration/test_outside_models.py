"""Trained models from outside, through the door: what may come in is a version with its origin, nothing else stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import outside_models as made
import pytest
from handlers_platform import ADA, ADMIN, STRANGER, VIEWER, Workshop, two_clusters
from open_door import Door
from rows_and_objects import holdings
from shop_floor import WHY

from engine import InstanceStatus
from handlers.datasets import DatasetPayload, register_dataset
from handlers.process_starts import StartRequest, start_process
from storage.errors import RecordNotFoundError
from storage.models import DataClassification, Experiment, ModelArtifact, ModelStatus, ServingEndpoint
from storage.objects.keys import is_sealed
from storage.stores import Direction, EdgeKind, GraphStore, Node

PEOPLE = {"ada": ADA, "olga": ADMIN, "vera": VIEWER, "sven": STRANGER}
SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
MAKERS: dict[str, Callable[[], bytes]] = {
    "safetensors": made.safetensors,
    "onnx": lambda: made.onnx(made.field(9, bytes(4))),
    "torch.export": made.exported,
}


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


@pytest.fixture
def untouched(shop: Workshop) -> Iterator[None]:
    """Nothing that the test does leaves anything behind, but for what is on the audit trail."""
    before = holdings(shop)
    yield
    assert holdings(shop) == before


def put(shop: Workshop, content: bytes, name: str = "model.bin") -> str:
    (shop.inbox / name).write_bytes(content)
    return (shop.inbox / name).as_uri()


def register(door: Door, who: str = "ada", key: str | None = None, **payload: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"model_payload": payload}
    if key is not None:
        asked["idempotency_key"] = key
    (answer,) = door.ask(who, ("learning.register_model", asked))
    return answer


@pytest.mark.parametrize("file_format", MAKERS)
def test_a_model_of_each_format_becomes_a_version_with_its_origin(door: Door, shop: Workshop, file_format: str) -> None:
    content = MAKERS[file_format]()
    source = put(shop, content, "good.bin")

    answer = register(door, name=f"good {file_format}", artifact_uri=source, signature=SIGNATURE)

    (record,) = shop.records(ModelArtifact, name=f"good {file_format}")
    assert shop.services.storage.objects.read_bytes(record.artifact_uri) == content
    assert (record.status, record.owner, record.version) == (ModelStatus.REGISTERED, "ada", 1)
    assert {name: answer[name] for name in ("model_artifact_id", "model_version", "replayed", "signature")} == {
        "model_artifact_id": str(record.id),
        "model_version": 1,
        "replayed": False,
        "signature": SIGNATURE,
    }
    assert answer["origin"] == {
        "source_uri": source,
        "sha256": shop.services.storage.objects.put_bytes(content).sha256,
        "size_bytes": len(content),
        "file_format": file_format,
        "dataset_version_id": None,
    }
    assert {line["check"]: line["passed"] for line in answer["checklist"]} == {
        "format": True, "storage": True, "signature": True, "data": False, "metrics": False, "service": False,
    }  # fmt: skip


ATTACKS: list[tuple[str, Callable[[Path], bytes], str]] = [
    ("a pickle that is called safetensors", made.pickled, "PICKLE_REFUSED"),
    ("a pickle in an archive", lambda proof: made.packed({"m/data.pkl": made.pickled(proof)}), "PICKLE_REFUSED"),
    ("a pickle among sample inputs", made.pickled_samples, "PICKLE_REFUSED"),
    ("ONNX with its data outside", lambda _: made.onnx(made.OUTSIDE + made.field(14, 1)), "MODEL_FILE_REFUSED"),
    ("ONNX that runs Python", lambda _: made.onnx(node=made.field(7, b"ai.onnx.contrib")), "MODEL_FILE_REFUSED"),
    ("a header of 17 MiB", lambda _: made.header(b"{" + b" " * 17 * 1024**2 + b"}"), "MODEL_FILE_REFUSED"),
    ("a bomb", lambda _: made.bomb(), "MODEL_FILE_REFUSED"),
    ("members over each other", lambda _: made.overlapping(), "MODEL_FILE_REFUSED"),
    ("NUL in a member's name", lambda _: made.with_nul_in_name(), "MODEL_FILE_REFUSED"),
    ("NUL in a tensor's name", lambda _: made.header({"a\0": _tensor()}, bytes(4)), "MODEL_FILE_REFUSED"),
    ("a guard that runs", lambda _: made.with_guard("print(1)"), "MODEL_FILE_REFUSED"),
    ("a size that runs", lambda _: made.with_size("print(1)"), "MODEL_FILE_REFUSED"),
    ("an operator of the system", lambda _: made.with_operator("torch.hub.os.system"), "MODEL_FILE_REFUSED"),
    ("a table", lambda _: b"a,b\n1,2\n", "MODEL_FILE_REFUSED"),
    ("nothing", lambda _: b"", "MODEL_FILE_REFUSED"),
]


def _tensor() -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("make", "code"), [pytest.param(make, code, id=name) for name, make, code in ATTACKS])
def test_a_file_made_to_do_harm_is_refused(
    door: Door, shop: Workshop, tmp_path: Path, make: Callable[[Path], bytes], code: str
) -> None:
    source = put(shop, make(tmp_path / "ran"), "model.safetensors")

    answer = register(door, name="hostile", artifact_uri=source)

    assert (answer["code"], bool(answer["hint"]), bool(answer["audit_ref"])) == (code, True, True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("who", "change", "code"),
    [
        ("ada", {"artifact_uri": "file:///etc/passwd"}, "DATASET_SOURCE_NOT_ALLOWED"),
        ("ada", {"artifact_uri": "http://169.254.169.254/model"}, "DATASET_SOURCE_NOT_ALLOWED"),
        ("ada", {"artifact_uri": "object://sha256/" + "0" * 64}, "DATASET_SOURCE_NOT_ALLOWED"),
        ("ada", {"name": "a\0b"}, "ARGUMENTS_INVALID"),
        ("ada", {"name": "../x"}, "ARGUMENTS_INVALID"),
        ("ada", {"signature": {"inputs": [], "outputs": []}}, "ARGUMENTS_INVALID"),
        ("ada", {"signature": json.loads(json.dumps(SIGNATURE).replace('"x"', '"a\\u0000b"'))}, "RECORD_TEXT_INVALID"),
        ("ada", {"experiment_id": "019a0000-0000-7000-8000-000000000000"}, "RECORD_NOT_FOUND"),
        ("ada", {"dataset_version_id": "019a0000-0000-7000-8000-000000000000"}, "RECORD_NOT_FOUND"),
        ("vera", {}, "FORBIDDEN"),
    ],
)
def test_what_may_not_be_asked_for_leaves_nothing(
    door: Door, shop: Workshop, who: str, change: dict[str, Any], code: str
) -> None:
    source = put(shop, made.safetensors(), "sound.safetensors")

    answer = register(door, who, **{"name": "refused", "artifact_uri": source, **change})

    assert (answer["code"], bool(answer["hint"])) == (code, True)


def test_the_same_file_is_the_same_version_and_said_otherwise_a_conflict(door: Door, shop: Workshop) -> None:
    source = put(shop, made.safetensors(), "again.safetensors")
    first = register(door, name="again", artifact_uri=source)
    before = holdings(shop)

    again = register(door, name="again", artifact_uri=put(shop, made.safetensors(), "renamed"))
    other = register(door, name="again", artifact_uri=source, data_classification="confidential", signature=SIGNATURE)
    left = holdings(shop)

    assert again == {**first, "audit_ref": again["audit_ref"], "replayed": True}
    assert (other["code"], left) == ("MODEL_REGISTERED_OTHERWISE", before)
    second = register(door, name="again", artifact_uri=put(shop, made.header({}), "other"))
    assert (second["model_id"], second["model_version"]) == (first["model_id"], 2)


def test_a_key_gives_the_same_version_again_and_a_conflict_for_another_file(door: Door, shop: Workshop) -> None:
    source = put(shop, made.safetensors(), "keyed")
    first = register(door, key="k1", name="keyed", artifact_uri=source)
    before = holdings(shop)

    again = register(door, key="k1", name="keyed", artifact_uri=source)
    put(shop, made.header({}), "keyed")
    other = register(door, key="k1", name="keyed", artifact_uri=source)

    assert again == {**first, "audit_ref": again["audit_ref"], "replayed": True}
    assert (other["code"], holdings(shop)) == ("IDEMPOTENCY_CONFLICT", before)


def test_what_is_confidential_is_encrypted_and_no_less_protected_than_its_data(door: Door, shop: Workshop) -> None:
    version = shop.register(two_clusters(28), name="secret data").version
    with shop.services.storage.transaction("north") as work:
        patch = {"data_classification": DataClassification.CONFIDENTIAL}
        version = work.get_crud(type(version)).update(version, patch, context=ADMIN)
    content = made.onnx(made.field(12, b"secret"))
    source = put(shop, content, "secret")
    asked = {"name": "secret", "artifact_uri": source, "dataset_version_id": str(version.id)}

    refused = register(door, **asked, data_classification="internal")
    taken = register(door, **asked)

    assert (refused["code"], taken["data_classification"]) == ("MODEL_CLASSIFICATION_TOO_LOW", "confidential")
    assert is_sealed(taken["artifact_uri"])
    assert content not in {path.read_bytes() for path in shop.objects.rglob("*") if path.is_file()}


def test_what_is_said_of_a_model_is_in_its_lineage_with_who_says_so(door: Door, shop: Workshop) -> None:
    registered = shop.register(two_clusters(30), name="stated")
    shop.finish_jobs()
    launched = shop.launch(registered.dataset.id)
    experiment = launched.experiment
    source = put(shop, made.onnx(), "stated.onnx")

    answer = register(
        door, name="stated elsewhere", artifact_uri=source, experiment_id=str(experiment.id),
        dataset_version_id=str(registered.version.id),
    )  # fmt: skip

    with shop.services.storage.transaction("north") as work:
        graph = GraphStore(work.connection, "north")
        start = Node("ModelArtifact", shop.records(ModelArtifact, name="stated elsewhere")[0].id)
        edges = [edge for edge in graph.traverse(start, Direction.UPSTREAM).edges if edge.target == start]
    assert {(edge.kind, edge.source, edge.properties["stated_by"]) for edge in edges} == {
        (EdgeKind.PRODUCED, Node("Experiment", experiment.id), "ada"),
        (EdgeKind.USED_BY, Node("DatasetVersion", registered.version.id), "ada"),
    }
    (downstream,) = door.ask("ada", ("learning.list_downstream", {"dataset_version_id": str(registered.version.id)}))
    assert answer["model_artifact_id"] in {node["id"] for node in downstream["lineage"]["nodes"]}


def test_a_restricted_model_is_granted_to_those_alone_who_are_granted_its_restricted_data(
    door: Door, shop: Workshop
) -> None:
    secret = DatasetPayload(
        name="secret rows", source_uri=shop.put("r.csv", two_clusters(32)), target="kind",
        data_classification=DataClassification.RESTRICTED,
    )  # fmt: skip
    plain = shop.register(two_clusters(34), name="plain rows")
    version = register_dataset(shop.services, secret, context=ADA).version
    shop.finish_jobs()
    experiment = shop.launch(plain.dataset.id).experiment
    for model, record_id, to in (("Experiment", experiment.id, "bob"), ("DatasetVersion", version.id, "eve")):
        asked = {"model": model, "record_id": str(record_id), "principal": to, "permissions": ["read"], "reason": WHY}
        door.ask("ada", ("learning.grant_access", asked))

    register(
        door, name="of both", artifact_uri=put(shop, made.onnx(made.field(12, b"both")), "both"),
        experiment_id=str(experiment.id), dataset_version_id=str(version.id),
    )  # fmt: skip

    (model_version,) = shop.records(ModelArtifact, name="of both")
    assert model_version.data_classification is DataClassification.RESTRICTED
    assert {entry.principal for entry in model_version.acl} == {"ada", "eve"}


def test_nobody_of_another_tenant_finds_it(door: Door, shop: Workshop) -> None:
    answer = register(door, name="north only", artifact_uri=put(shop, made.onnx(made.field(12, b"n")), "north"))
    (record,) = shop.records(ModelArtifact, name="north only")

    with pytest.raises(RecordNotFoundError), shop.services.storage.transaction("south") as work:
        work.get_crud(ModelArtifact).read(record.id, context=STRANGER)

    request = {"model": "ModelArtifact", "record_id": answer["model_artifact_id"], "uri": answer["artifact_uri"]}
    assert door.http("POST", "/artifacts/links", "sven", json=request).status_code == 404
    link = door.http("POST", "/artifacts/links", "ada", json=request).json()
    assert door.http("GET", link["path"], "ada").content == made.onnx(made.field(12, b"n"))


def test_a_promotion_of_it_stops_before_anything_is_deployed(door: Door, shop: Workshop) -> None:
    answer = register(door, name="unservable", artifact_uri=put(shop, made.onnx(made.field(12, b"u")), "unservable"))
    variables = {"model_artifact_id": answer["model_artifact_id"], "approved_by": "olga"}
    request = StartRequest(process_id="promotion", variables=variables)

    started = start_process(shop.services, request, None, context=ADMIN)
    shop.finish_jobs()

    with shop.services.storage.transaction("north") as work:
        instance = shop.services.engine.describe(work, started.process_instance_id, context=ADMIN)
    assert instance.status is InstanceStatus.INCIDENT
    assert instance.incident is not None
    assert instance.incident["code"] == "MODEL_NOT_SERVABLE"
    assert shop.records(ServingEndpoint, name="unservable") == []
    assert shop.records(ModelArtifact, name="unservable")[0].status is ModelStatus.REGISTERED
    assert shop.records(Experiment, model_name="unservable") == []
