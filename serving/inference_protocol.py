"""The Open Inference Protocol, version 2: its documents, and the way from tensors to rows and back. Pure functions.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`. JSON tensors
only; its binary data extension is not offered.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from domain_sdk.json_values import JsonObject, JsonScalar
from domain_sdk.tabular_classification import InputField, ModelSignature
from serving.errors import InferenceRequestInvalidError, InferenceRequestTooLargeError

FEATURES_TENSOR = "features"
MAXIMUM_ROWS = 10_000

_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_NUMBERS = _INTEGERS | {"FP16", "FP32", "FP64"}
_ACCEPTED: dict[str, frozenset[str]] = {
    "FP64": _NUMBERS,
    "INT64": _INTEGERS,
    "BOOL": frozenset({"BOOL"}),
    "BYTES": frozenset({"BYTES"}),
}


class RequestTensor(BaseModel):
    """One input tensor; `data` is flat in row-major order, or nested as `shape` says."""

    model_config = ConfigDict(frozen=True)

    name: str
    shape: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=2)]
    datatype: str
    data: list[JsonValue]


class RequestedOutput(BaseModel):
    """The name of an output that the caller wants."""

    model_config = ConfigDict(frozen=True)

    name: str


class InferenceRequest(BaseModel):
    """The body of an inference request; fields of extensions that are not offered are ignored."""

    model_config = ConfigDict(frozen=True)

    id: str | None = None
    inputs: Annotated[tuple[RequestTensor, ...], Field(min_length=1)]
    outputs: tuple[RequestedOutput, ...] = ()


class ResponseTensor(BaseModel):
    """One output tensor; `data` is flat in row-major order."""

    model_config = ConfigDict(frozen=True)

    name: str
    shape: tuple[int, ...]
    datatype: Literal["FP64", "INT64", "BOOL", "BYTES"]
    data: list[JsonScalar]


def parse_request(body: bytes) -> InferenceRequest:
    """Return the request in the body.

    Raises:
        InferenceRequestInvalidError: The body is not one.
    """
    try:
        return InferenceRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InferenceRequestInvalidError(field=field, reason=first["msg"]) from error


def rows_of(request: InferenceRequest, signature: ModelSignature) -> list[dict[str, JsonValue]]:
    """Return the rows that the request's tensors hold: one tensor a column, or one `features` matrix for all.

    Raises:
        InferenceRequestInvalidError: Names, shapes or datatypes do not fit the signature.
        InferenceRequestTooLargeError: There are more than `MAXIMUM_ROWS` rows.
    """
    _require_distinct_names(request)
    row_count = request.inputs[0].shape[0]
    if row_count > MAXIMUM_ROWS:
        raise InferenceRequestTooLargeError(limit=MAXIMUM_ROWS, unit="rows")
    if row_count == 0:
        raise InferenceRequestInvalidError(field=request.inputs[0].name, reason="it has no rows")
    if _is_features_matrix(request, signature):
        return _rows_of_matrix(request.inputs[0], signature)
    return _rows_of_columns(request, signature, row_count)


def describe_inputs(signature: ModelSignature) -> list[JsonObject]:
    """Return the `inputs` of the model's metadata: `features` alone where all inputs are numbers, else one a column.

    The matrix has its columns' names, in order, as a parameter.
    """
    if signature.is_all_numeric:
        columns: list[JsonValue] = [field.name for field in signature.inputs]
        matrix: JsonObject = {"name": FEATURES_TENSOR, "datatype": "FP64", "shape": [-1, len(columns)]}
        return [{**matrix, "parameters": {"columns": columns}}]
    return [{"name": field.name, "datatype": field.datatype, "shape": [-1]} for field in signature.inputs]


def describe_outputs(signature: ModelSignature) -> list[JsonObject]:
    """Return the `outputs` of the model's metadata."""
    return [{"name": field.name, "datatype": field.datatype, "shape": list(field.shape)} for field in signature.outputs]


def outputs_of(
    request: InferenceRequest,
    signature: ModelSignature,
    labels: list[JsonScalar],
    probabilities: NDArray[np.float64],
) -> tuple[ResponseTensor, ...]:
    """Return the outputs that the request wants, all of them where it names none.

    Raises:
        InferenceRequestInvalidError: It names an output twice, or one that the model does not have.
    """
    shapes = {"label": (len(labels),), "probabilities": probabilities.shape}
    data = {"label": labels, "probabilities": probabilities.ravel().tolist()}
    tensors = {
        field.name: ResponseTensor(
            name=field.name, shape=shapes[field.name], datatype=field.datatype, data=data[field.name]
        )
        for field in signature.outputs
    }
    wanted = [output.name for output in request.outputs] or list(tensors)
    # Each naming would be a copy of the whole tensor in the answer.
    if len(set(wanted)) != len(wanted):
        raise InferenceRequestInvalidError(field="outputs", reason="an output is named twice")
    for name in wanted:
        if name not in tensors:
            raise InferenceRequestInvalidError(field=f"outputs.{name}"[:100], reason="the model has no such output")
    return tuple(tensors[name] for name in wanted)


def _require_distinct_names(request: InferenceRequest) -> None:
    names = [tensor.name for tensor in request.inputs]
    if len(set(names)) != len(names):
        raise InferenceRequestInvalidError(field="inputs", reason="two tensors have the same name")


def _is_features_matrix(request: InferenceRequest, signature: ModelSignature) -> bool:
    is_a_column = any(field.name == FEATURES_TENSOR for field in signature.inputs)
    return signature.is_all_numeric and not is_a_column and request.inputs[0].name == FEATURES_TENSOR


def _rows_of_matrix(tensor: RequestTensor, signature: ModelSignature) -> list[dict[str, JsonValue]]:
    names = [field.name for field in signature.inputs]
    if tensor.datatype not in _NUMBERS:
        raise InferenceRequestInvalidError(field=tensor.name, reason=f"its datatype is {tensor.datatype}, not FP64")
    if len(tensor.shape) == 1 or tensor.shape[1] != len(names):
        raise InferenceRequestInvalidError(field=tensor.name, reason=f"its shape must be [rows, {len(names)}]")
    values = _flat(tensor)
    starts = range(0, len(values), len(names))
    return [dict(zip(names, values[start : start + len(names)], strict=True)) for start in starts]


def _rows_of_columns(
    request: InferenceRequest, signature: ModelSignature, row_count: int
) -> list[dict[str, JsonValue]]:
    fields = {field.name: field for field in signature.inputs}
    columns: dict[str, list[JsonValue]] = {}
    for tensor in request.inputs:
        if tensor.shape not in {(row_count,), (row_count, 1)}:
            raise InferenceRequestInvalidError(field=tensor.name, reason=f"its shape must be [{row_count}]")
        _require_datatype(tensor, fields.get(tensor.name))
        columns[tensor.name] = _flat(tensor)
    return [{name: values[row] for name, values in columns.items()} for row in range(row_count)]


def _require_datatype(tensor: RequestTensor, field: InputField | None) -> None:
    # A name that is no input is left to the model, which knows what it ignores and names all that is wrong at once.
    if field is not None and tensor.datatype not in _ACCEPTED[field.datatype]:
        reason = f"its datatype is {tensor.datatype}, not {field.datatype}"
        raise InferenceRequestInvalidError(field=tensor.name, reason=reason)


def _flat(tensor: RequestTensor) -> list[JsonValue]:
    values: list[JsonValue] = []
    for value in tensor.data:
        values.extend(value if isinstance(value, list) else [value])
    if len(values) != math.prod(tensor.shape):
        reason = f"it has {len(values)} values where its shape has {math.prod(tensor.shape)}"
        raise InferenceRequestInvalidError(field=tensor.name, reason=reason)
    return values
