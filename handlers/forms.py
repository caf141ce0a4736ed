"""The forms of user tasks: the model that validates a submission also draws the form."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Decision(StrEnum):
    """A reviewer's verdict."""

    APPROVE = "approve"
    REJECT = "reject"


class ModelReview(BaseModel):
    """The review of a trained model before it may be promoted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Decision
    comment: Annotated[str, Field(max_length=4_000)] = ""


FORMS: dict[str, type[BaseModel]] = {"model-review": ModelReview}
