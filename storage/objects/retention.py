"""How long the objects of a deleted record are kept, by the record's kind and classification."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from storage.errors import RetentionPolicyError
from storage.models.enums import DataClassification

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_CLASSIFICATIONS = "|".join(DataClassification)
_RULE = re.compile(rf"(default|[A-Z][A-Za-z]{{0,60}}|\*)(?:/({_CLASSIFICATIONS}))?=(\d{{1,6}})")


class RetentionRule(BaseModel):
    """Days that the objects of a deleted record are kept.

    Attributes:
        model: The record's model; `None` for all.
        data_classification: The record's classification; `None` for all.
    """

    model_config = ConfigDict(frozen=True)

    days: int
    model: str | None = None
    data_classification: DataClassification | None = None

    def matches(self, model: str, data_classification: str) -> bool:
        """Return whether the rule speaks of such a record."""
        return self.model in {None, model} and self.data_classification in {None, data_classification}


class RetentionPolicy(BaseModel):
    """Rules, of which the longest that speaks of a record holds."""

    model_config = ConfigDict(frozen=True)

    rules: tuple[RetentionRule, ...] = ()

    def retained_until(self, model: str, data_classification: str, deleted_at: datetime) -> datetime:
        """Return when the objects of a deleted record may go."""
        return deleted_at + self._period(model, data_classification)

    def retained_since(self, model: str, data_classification: str, now: datetime) -> datetime:
        """Return the moment since when such records must have been deleted to be retained still."""
        period = self._period(model, data_classification)
        return now - period if period < now - _BEGINNING else _BEGINNING

    def _period(self, model: str, data_classification: str) -> timedelta:
        days = (rule.days for rule in self.rules if rule.matches(model, data_classification))
        return timedelta(days=max(days, default=0))


def parse_retention(text: str) -> RetentionPolicy:
    """Return the policy in a text such as `default=30,ModelArtifact=365,*/restricted=3650`.

    Raises:
        RetentionPolicyError: A rule cannot be understood.
    """
    return RetentionPolicy(rules=tuple(_parse_rule(rule.strip()) for rule in text.split(",") if rule.strip()))


def _parse_rule(rule: str) -> RetentionRule:
    match = _RULE.fullmatch(rule)
    if match is None:
        raise RetentionPolicyError(rule=rule)
    model, classification, days = match.groups()
    return RetentionRule(
        days=int(days),
        model=None if model in {"default", "*"} else model,
        data_classification=None if classification is None else DataClassification(classification),
    )
