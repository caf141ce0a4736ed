from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient
from trained_package import TrainedPackage

from domain_sdk.tables import read_table
from serving import open_inference
from serving.errors import InferenceRequestInvalidError, ModelNotDeployedError
from serving.inference_protocol import MAXIMUM_ROWS
from serving.loading import LoadedModel, load_model
from serving.open_inference import DeployedModel, OpenInference
from serving.packages import publish_package
from storage.errors import AccessDeniedError, AuthenticationError, RecordNotFoundError
from storage.objects import FolderObjectStore


@pytest.fixture
def digits(objects: FolderObjectStore, trained_digits: TrainedPackage) -> LoadedModel:
    return load_model(objects, publish_package(objects, trained_digits.package_dir).uri)


@pytest.fixture
def visits(objects: FolderObjectStore, trained_visits: TrainedPackage) -> LoadedModel:
    return load_model(objects, publish_package(objects, trained_visits.package_dir).uri)


@pytest.fixture
def client(digits: LoadedModel, visits: LoadedModel) -> Iterator[TestClient]:
    refusals = {
        "nobody": AuthenticationError(reason="no token"),
        "foreign": RecordNotFoundError(model="ServingEndpoint", record_id=1),
        "secret": AccessDeniedError(user_id="eve", permission="execute", resource="secret", reason="restricted"),
    }
    models = {"digits": DeployedModel("digits", "3", digits), "visits": DeployedModel("visits", "1", visits)}

    def resolve(_request: Request, name: str) -> DeployedModel:
        if name in refusals:
            raise refusals[name]
        if name not in models:
            raise ModelNotDeployedError(name=name)
        return models[name]

    server = OpenInference(version="0.1.0", resolve=resolve, is_ready=lambda: True)
    with TestClient(Starlette(routes=server.routes())) as test_client:
        yield test_client


@pytest.fixture
def five_digits(digits: LoadedModel, trained_digits: TrainedPackage) -> pa.Table:
    table = read_table(trained_digits.specification.dataset_path).slice(0, 5)
    return table.select([field.name for field in digits.signature.inputs])


def features(table: pa.Table, **change: Any) -> dict[str, Any]:
    matrix = [list(row.values()) for row in table.to_pylist()]
    tensor = {"name": "features", "shape": [5, len(matrix[0])], "datatype": "FP64", "data": matrix}
    return {"inputs": [{**tensor, **change}]}


def test_the_server_says_what_it_is_and_that_it_lives(client: TestClient) -> None:
    assert client.get("/v2").json() == {"name": "ami-learning", "version": "0.1.0", "extensions": []}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/digits/ready").json() == {"name": "digits", "ready": True}


def test_a_server_that_is_not_ready_says_so_in_its_status(digits: LoadedModel) -> None:
    server = OpenInference("0.1.0", lambda _request, name: DeployedModel(name, "1", digits), lambda: False)
    answer = TestClient(Starlette(routes=server.routes())).get("/v2/health/ready")

    assert (answer.status_code, answer.json()) == (503, {"ready": False})


def test_metadata_of_a_numeric_model_has_one_features_tensor(client: TestClient, digits: LoadedModel) -> None:
    assert client.get("/v2/models/digits").json() == {
        "name": "digits",
        "versions": ["3"],
        "platform": "pytorch_safetensors",
        "inputs": [
            {
                "name": "features",
                "datatype": "FP64",
                "shape": [-1, len(digits.signature.inputs)],
                "parameters": {"columns": [field.name for field in digits.signature.inputs]},
            }
        ],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 10]},
        ],
    }


def test_metadata_of_a_mixed_model_has_one_tensor_a_column(client: TestClient) -> None:
    assert client.get("/v2/models/visits").json()["inputs"] == [
        {"name": "age", "datatype": "INT64", "shape": [-1]},
        {"name": "city", "datatype": "BYTES", "shape": [-1]},
        {"name": "member", "datatype": "BOOL", "shape": [-1]},
        {"name": "weight", "datatype": "FP64", "shape": [-1]},
    ]


def test_matrix_and_columns_flat_and_nested_give_the_same_answer(
    client: TestClient, digits: LoadedModel, five_digits: pa.Table
) -> None:
    nested = features(five_digits)
    flat = features(five_digits, data=[value for row in nested["inputs"][0]["data"] for value in row], datatype="FP32")
    columns = {
        "inputs": [
            {"name": name, "shape": [5, 1], "datatype": "FP64", "data": five_digits.column(name).to_pylist()}
            for name in five_digits.column_names
        ]
    }
    probabilities = digits.predict_probabilities(five_digits.to_pylist())
    expected = {
        "model_name": "digits",
        "model_version": "3",
        "outputs": [
            {"name": "label", "shape": [5], "datatype": "INT64", "data": [0, 1, 2, 3, 4]},
            {"name": "probabilities", "shape": [5, 10], "datatype": "FP64"},
        ],
    }

    for request in (nested, flat, columns):
        answer = client.post("/v2/models/digits/infer", json=request).json()
        # Another thread may add in another order: equal to the last bits of float32, not beyond.
        assert answer["outputs"][1].pop("data") == pytest.approx(probabilities.ravel().tolist(), abs=1e-6)
        assert answer == expected


def test_a_mixed_model_takes_text_gaps_and_booleans(client: TestClient, visits: LoadedModel) -> None:
    row: dict[str, Any] = {"age": None, "city": "Bern", "member": True, "weight": 61}
    tensors = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [row[name]]}
        for name, datatype in {"age": "INT64", "city": "BYTES", "member": "BOOL", "weight": "FP32"}.items()
    ]

    answer = client.post(
        "/v2/models/visits/infer", json={"id": "42", "inputs": tensors, "outputs": [{"name": "label"}]}
    )

    [prediction] = visits.predict([row])
    assert answer.json() == {
        "id": "42",
        "model_name": "visits",
        "model_version": "1",
        "outputs": [{"name": "label", "shape": [1], "datatype": "BYTES", "data": [prediction.label]}],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [5, 3]},
        {"shape": [5]},
        {"shape": [0, 3]},
        {"shape": [-1, 3]},
        {"data": [1.0]},
        {"datatype": "BYTES"},
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(
    client: TestClient, five_digits: pa.Table, change: dict[str, Any]
) -> None:
    answer = client.post("/v2/models/digits/infer", json=features(five_digits, **change))

    assert (answer.status_code, answer.json()["code"]) == (400, "INFERENCE_REQUEST_INVALID")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"not json", b'{"inputs": []}', b"[" * 100_000, b'{"inputs": [{"name": "features"}]}', b"\xff"],
)
def test_a_body_that_is_no_request_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/v2/models/digits/infer", content=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "INFERENCE_REQUEST_INVALID")
    assert answer.json().keys() == {"error", "code", "hint"}


def test_two_tensors_of_one_name_unknown_outputs_and_binary_data_are_refused(
    client: TestClient, five_digits: pa.Table
) -> None:
    request = features(five_digits)
    answers = [
        client.post("/v2/models/digits/infer", json={"inputs": request["inputs"] * 2}),
        client.post("/v2/models/digits/infer", json={**request, "outputs": [{"name": "logits"}]}),
        client.post("/v2/models/digits/infer", json=request, headers={"Inference-Header-Content-Length": "10"}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (400, "INFERENCE_REQUEST_INVALID")
    ] * 3


def test_an_output_named_twice_is_refused(client: TestClient, five_digits: pa.Table) -> None:
    outputs = [{"name": "probabilities"}, {"name": "label"}, {"name": "probabilities"}]
    answer = client.post("/v2/models/digits/infer", json={**features(five_digits), "outputs": outputs})

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "The inference request is invalid at outputs: an output is named twice.",
            "code": InferenceRequestInvalidError.code,
            "hint": InferenceRequestInvalidError.hint,
        },
    )


def test_input_of_the_wrong_type_is_refused_by_field(client: TestClient) -> None:
    tensor = {"name": "weight", "shape": [1], "datatype": "FP64", "data": ["heavy"]}
    answer = client.post("/v2/models/visits/infer", json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert answer.json()["code"] == "INPUT_SCHEMA_MISMATCH"
    assert "'age' is absent" in answer.json()["error"]


def test_more_rows_than_the_limit_are_refused(client: TestClient, five_digits: pa.Table) -> None:
    request = features(five_digits, shape=[MAXIMUM_ROWS + 1, 3])
    answer = client.post("/v2/models/digits/infer", json=request)

    assert (answer.status_code, answer.json()["code"]) == (413, "INFERENCE_REQUEST_TOO_LARGE")


def test_a_body_over_the_limit_is_refused_before_it_is_all_read(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_inference, "MAXIMUM_BODY_BYTES", 1000)

    answer = client.post("/v2/models/digits/infer", content=b" " * 1001)

    assert (answer.status_code, answer.json()["code"]) == (413, "INFERENCE_REQUEST_TOO_LARGE")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unknown", 404, "MODEL_NOT_DEPLOYED"),
        ("nobody", 401, "AUTHENTICATION_REQUIRED"),
        ("foreign", 404, "RECORD_NOT_FOUND"),
        ("secret", 403, "FORBIDDEN"),
    ],
)
def test_what_the_resolver_refuses_is_refused_on_every_route(
    client: TestClient, name: str, status: int, code: str
) -> None:
    answers = [
        client.get(f"/v2/models/{name}"),
        client.get(f"/v2/models/{name}/ready"),
        client.post(f"/v2/models/{name}/infer", content=b"{}"),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(status, code)] * 3
