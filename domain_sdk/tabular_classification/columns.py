"""The two kinds of input column, and how their values become numbers.

Each kind reads values from an Arrow column (training, evaluation) and from JSON (prediction) into one inner form, and
encodes only that form. So a served model cannot see a value otherwise than the trained one did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

# A value 10 000 deviations from the mean says no more than one at 20 000, but would overflow a float32 network.
_CLIPPED_DEVIATIONS = 10_000.0

_JSON_TYPES: dict[str, tuple[frozenset[type], str]] = {
    "FP64": (frozenset({int, float}), "a number"),
    "INT64": (frozenset({int, float}), "a whole number"),
    "BOOL": (frozenset({bool}), "true or false"),
}


class NumericColumn(BaseModel):
    """A number or boolean, standardised; a missing value becomes `fill`.

    Attributes:
        mean: Of the training rows' known values.
        scale: Their standard deviation, greater than 0.
        fill: What a missing value is taken for.
        nullable: Whether the dataset has missing values here, and so a prediction may.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["numeric"] = "numeric"
    name: str
    datatype: Literal["FP64", "INT64", "BOOL"]
    mean: float
    scale: Annotated[float, Field(gt=0)]
    fill: float
    nullable: bool

    @property
    def width(self) -> int:
        """Columns of the encoded block."""
        return 1

    def encode_arrow(self, values: pa.ChunkedArray[Any]) -> NDArray[np.float32]:
        """Return float32 `[rows, 1]`.

        Raises:
            ValueError: The column's type is not numeric.
        """
        if not is_numeric(values.type):
            raise ValueError(f"is of type {values.type}, not numeric")
        return self._encode(numeric_values(values))

    def encode_json(self, values: Sequence[JsonValue]) -> NDArray[np.float32]:
        """Return float32 `[rows, 1]`.

        Raises:
            ValueError: A value has the wrong type, or is missing though the column is not nullable.
        """
        accepted, wanted = _JSON_TYPES[self.datatype]
        _refuse_other_types(values, accepted, nullable=self.nullable, wanted=wanted)
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError as error:
            raise ValueError("holds a number too large for 64 bits") from error
        numbers[~np.isfinite(numbers)] = np.nan
        if not self.nullable and np.isnan(numbers).any():
            raise ValueError(_misfit(int(np.isnan(numbers).argmax()), wanted, None))
        if self.datatype == "INT64":
            _refuse_fractions(numbers)
        return self._encode(numbers)

    def _encode(self, numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        known = np.where(np.isnan(numbers), self.fill, numbers)
        # Divided before subtracting, so that the largest float64 values do not overflow on the way.
        with np.errstate(over="ignore"):
            deviations = known / self.scale - self.mean / self.scale
        return np.clip(deviations, -_CLIPPED_DEVIATIONS, _CLIPPED_DEVIATIONS).astype(np.float32)[:, None]


class CategoricalColumn(BaseModel):
    """Text from a small vocabulary, one-hot; a missing or unknown value becomes all zeros.

    Attributes:
        categories: Distinct values of the training rows, sorted.
        nullable: Whether the dataset has missing values here, and so a prediction may.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["categorical"] = "categorical"
    name: str
    categories: Annotated[tuple[str, ...], Field(min_length=1)]
    nullable: bool

    @property
    def width(self) -> int:
        """Columns of the encoded block."""
        return len(self.categories)

    def encode_arrow(self, values: pa.ChunkedArray[Any]) -> NDArray[np.float32]:
        """Return float32 `[rows, categories]`.

        Raises:
            ValueError: The column's type is not text.
        """
        if not is_text(values.type):
            raise ValueError(f"is of type {values.type}, not text")
        return self._encode(text_values(values))

    def encode_json(self, values: Sequence[JsonValue]) -> NDArray[np.float32]:
        """Return float32 `[rows, categories]`.

        Raises:
            ValueError: A value is not text, or is missing though the column is not nullable.
        """
        _refuse_other_types(values, frozenset({str}), nullable=self.nullable, wanted="text")
        return self._encode([value if isinstance(value, str) else None for value in values])

    def _encode(self, texts: Sequence[str | None]) -> NDArray[np.float32]:
        position = {category: index for index, category in enumerate(self.categories)}
        codes = np.array([-1 if text is None else position.get(text, -1) for text in texts], dtype=np.int64)
        return np.equal(codes[:, None], np.arange(self.width)[None, :]).astype(np.float32)


InputColumn = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]


def is_numeric(datatype: pa.DataType) -> bool:
    """Return whether values of the Arrow type are numbers or booleans."""
    types = pa.types
    return (
        types.is_integer(datatype)
        or types.is_floating(datatype)
        or types.is_boolean(datatype)
        or types.is_decimal(datatype)
    )


def is_text(datatype: pa.DataType) -> bool:
    """Return whether values of the Arrow type are strings, dictionary-encoded or not."""
    types = pa.types
    if isinstance(datatype, pa.DictionaryType):
        return is_text(datatype.value_type)
    return types.is_string(datatype) or types.is_large_string(datatype) or types.is_string_view(datatype)


def numeric_values(values: pa.ChunkedArray[Any]) -> NDArray[np.float64]:
    """Return float64 `[rows]` in which NaN stands for null, NaN and both infinities."""
    numbers = np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def text_values(values: pa.ChunkedArray[Any]) -> list[str | None]:
    """Return the strings of a text column, None for null."""
    texts: list[str | None] = values.cast(pa.large_string()).to_pylist()
    return texts


def _refuse_other_types(values: Sequence[JsonValue], accepted: frozenset[type], *, nullable: bool, wanted: str) -> None:
    allowed = accepted | {type(None)} if nullable else accepted
    # bool is a subclass of int, so types are compared and not instances.
    if {type(value) for value in values} <= allowed:
        return
    row = next(index for index, value in enumerate(values) if type(value) not in allowed)
    raise ValueError(_misfit(row, wanted, values[row]))


def _refuse_fractions(numbers: NDArray[np.float64]) -> None:
    fractions = np.isfinite(numbers) & (numbers != np.floor(numbers))
    if fractions.any():
        row = int(fractions.argmax())
        raise ValueError(_misfit(row, "a whole number", float(numbers[row])))


def _misfit(row: int, wanted: str, value: JsonValue) -> str:
    shown = "nothing" if value is None or (isinstance(value, float) and math.isnan(value)) else repr(value)[:40]
    return f"must be {wanted}, but row {row} has {shown}"
