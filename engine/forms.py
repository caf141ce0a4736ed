"""The forms of user tasks: pydantic models that draw a form by their JSON Schema and check what is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from engine.errors import FormInvalidError, FormMissingError


class FormCatalogue:
    """The forms of a deployment, by the id that diagrams give them."""

    def __init__(self, forms: Mapping[str, type[BaseModel]]) -> None:
        self._forms = forms

    def __contains__(self, form_id: str) -> bool:
        return form_id in self._forms

    def schema(self, form_id: str) -> dict[str, Any]:
        """Return the JSON Schema that draws the form.

        Raises:
            FormMissingError: There is no such form.
        """
        return _schema(self._model(form_id))

    def parse(self, form_id: str, submission: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Return the submitted values as the form's model gives them: defaults filled in, JSON values only.

        Raises:
            FormMissingError: There is no such form.
            FormInvalidError: They do not fit it; every field is named.
        """
        try:
            return self._model(form_id).model_validate(dict(submission)).model_dump(mode="json")
        except ValidationError as error:
            fields = {".".join(map(str, item["loc"])): item["msg"] for item in error.errors()}
            raise FormInvalidError(form_id=form_id, fields=fields) from error

    def free_text(self, form_id: str) -> frozenset[str]:
        """Return the fields into which people can write what they like.

        Raises:
            FormMissingError: There is no such form.
        """
        fields = self.schema(form_id).get("properties", {})
        return frozenset(name for name, field in fields.items() if _is_free(field))

    def _model(self, form_id: str) -> type[BaseModel]:
        try:
            return self._forms[form_id]
        except KeyError:
            raise FormMissingError(form_id=form_id) from None


def _is_free(field: Mapping[str, Any]) -> bool:
    """Return whether a field takes more than numbers, booleans and words that the form lists."""
    if "anyOf" in field:
        return any(map(_is_free, field["anyOf"]))
    if field.keys() & {"enum", "const", "$ref"}:
        return False
    return field.get("type") not in {"boolean", "integer", "number", "null"}


@lru_cache(maxsize=256)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
