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

    def _model(self, form_id: str) -> type[BaseModel]:
        try:
            return self._forms[form_id]
        except KeyError:
            raise FormMissingError(form_id=form_id) from None


@lru_cache(maxsize=256)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
