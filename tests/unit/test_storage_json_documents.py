"""What `jsonb` can hold, and which errors say that it cannot."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from storage.errors import RecordNumberError, RecordTextError
from storage.json_documents import jsonb_text


@pytest.mark.parametrize(
    "document",
    [
        {"text": "Zürich \N{GRINNING FACE}", "empty": "", "nothing": None, "flags": [True, False]},
        {"large": 2**200, "small": -1e-300, "list": [[], {}]},
        {"fractions": [1e23, -1.7976931348623157e308, 1e16, {"nested": [2.5e100]}], "text": "1e+23", "whole": 10**23},
        {"an escape, not the character": r"\u0000 \ud800", "words": "NaN Infinity -Infinity"},
    ],
)
def test_what_json_can_say_comes_back_unchanged(document: JsonValue) -> None:
    assert json.loads(jsonb_text(document, model="Note")) == document


@pytest.mark.parametrize("value", [1e16, 1e23, -1e308, 2.5])
def test_a_fraction_is_written_as_one_however_large(value: float) -> None:
    """Else the database keeps a whole number, which is another one."""
    written = jsonb_text({"loss": [value]}, model="Note")

    assert written.endswith((".0]}", ".5]}"))
    assert "e" not in written


def test_a_whole_number_of_endless_digits_is_named() -> None:
    with pytest.raises(RecordNumberError) as error:
        jsonb_text({"metrics": [{"count": 10**5_000}]}, model="Note")

    assert error.value.field == "metrics[0].count"


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        ({"name": "a\0b"}, "name", "a NUL character"),
        ({"config": {"tags": ["fine", "\0"]}}, "config.tags[1]", "a NUL character"),
        ({"config": {"a\0b": 1}}, "config", "a NUL character"),
        ({"name": "\ud800"}, "name", "half of a surrogate pair"),
        ({"\udfff": 1}, "a name", "half of a surrogate pair"),
    ],
)
def test_text_that_the_database_cannot_hold_is_named(document: JsonValue, field: str, reason: str) -> None:
    with pytest.raises(RecordTextError) as error:
        jsonb_text(document, model="Note")

    assert vars(error.value) == {"model": "Note", "field": field, "reason": reason}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_named(value: float) -> None:
    with pytest.raises(RecordNumberError) as error:
        jsonb_text({"metrics": [{"loss": value}]}, model="Note")

    assert vars(error.value) == {"model": "Note", "field": "metrics[0].loss", "value": str(value)}
