"""What a model takes and gives, in the datatypes of the Open Inference Protocol, version 2."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain_sdk.tabular_classification.columns import CategoricalColumn, NumericColumn
from domain_sdk.tabular_classification.encoding import TabularEncoding
from domain_sdk.tabular_classification.target import LabelKind

Datatype = Literal["FP64", "INT64", "BOOL", "BYTES"]

_LABEL_DATATYPES: dict[LabelKind, Datatype] = {
    LabelKind.STRING: "BYTES",
    LabelKind.INTEGER: "INT64",
    LabelKind.NUMBER: "FP64",
    LabelKind.BOOLEAN: "BOOL",
}


class InputField(BaseModel):
    """One named input value per row.

    Attributes:
        categories: The values seen in training, where the input is text; others are taken as unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    datatype: Datatype
    nullable: bool
    categories: tuple[str, ...] | None = None


class OutputField(BaseModel):
    """One output tensor; its first dimension is the batch (-1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class ModelSignature(BaseModel):
    """Inputs by name and order, outputs by name and shape.

    Attributes:
        classes: The labels as text, in the order of the `probabilities` output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    classes: tuple[str, ...]

    @property
    def is_all_numeric(self) -> bool:
        """Whether a row can be sent as one vector of numbers."""
        return all(field.datatype in {"FP64", "INT64"} for field in self.inputs)


def describe_signature(encoding: TabularEncoding) -> ModelSignature:
    """Return the signature of a model that is fed through `encoding`."""
    classes = encoding.target.classes
    label = OutputField(name="label", datatype=_LABEL_DATATYPES[encoding.target.kind], shape=(-1,))
    probabilities = OutputField(name="probabilities", datatype="FP64", shape=(-1, len(classes)))
    inputs = tuple(_input_field(column) for column in encoding.columns)
    return ModelSignature(inputs=inputs, outputs=(label, probabilities), classes=classes)


def _input_field(column: NumericColumn | CategoricalColumn) -> InputField:
    match column:
        case NumericColumn():
            return InputField(name=column.name, datatype=column.datatype, nullable=column.nullable)
        case CategoricalColumn():
            return InputField(
                name=column.name, datatype="BYTES", nullable=column.nullable, categories=column.categories
            )
