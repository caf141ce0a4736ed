"""The validation rules: what a profile must satisfy before anybody trains on the data. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from handlers.dataset_profile import DatasetProfile
from handlers.severity import Severity
from handlers.validation_rules import RuleResult

MINIMUM_ROWS = 10
MINIMUM_ROWS_PER_CLASS = 2
MAXIMUM_CLASSES = 100
IMBALANCE_RATIO = 0.05
MISSING_RATIO = 0.5


__all__ = ["RuleFinding", "Severity", "check_profile"]


class RuleFinding(BaseModel):
    """What one rule says of a dataset version."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    message: str
    hint: str


def check_profile(profile: DatasetProfile) -> tuple[RuleFinding, ...]:
    """Return what the rules say; without an error among them the version is fit for training."""
    findings = (*_rows(profile), *_target(profile), *_features(profile), *_duplicates(profile), *_declared(profile))
    if profile.obstacle is None or any(finding.severity is Severity.ERROR for finding in findings):
        return findings
    # No rule of ours names it, but training would stop at it.
    return (_error(profile.obstacle.code, profile.obstacle.message, profile.obstacle.hint), *findings)


def _rows(profile: DatasetProfile) -> Iterator[RuleFinding]:
    if profile.row_count < MINIMUM_ROWS:
        yield _error(
            "DATASET_TOO_FEW_ROWS",
            f"{profile.row_count} rows are too few to train and evaluate on.",
            f"Give at least {MINIMUM_ROWS} rows.",
        )


def _target(profile: DatasetProfile) -> Iterator[RuleFinding]:
    counts, target = profile.class_counts, profile.target
    if profile.missing_target_count:
        yield _error(
            "DATASET_TARGET_MISSING_VALUES",
            f"The target {target!r} is missing or NaN in {profile.missing_target_count} rows.",
            "Remove these rows or label them.",
        )
    if len(counts) == 1:
        yield _error(
            "DATASET_SINGLE_CLASS",
            f"Every row has the same {target!r}; there is nothing to tell apart.",
            "Give rows of at least two classes, or name another target column.",
        )
    if len(counts) > min(MAXIMUM_CLASSES, profile.row_count // 2):
        yield _error(
            "DATASET_TOO_MANY_CLASSES",
            f"The target {target!r} has {len(counts)} different values in {profile.row_count} rows.",
            "Name a column of classes; a quantity has to be put into classes first.",
        )
    elif len(counts) > 1:
        yield from _balance(counts, target)


def _balance(counts: dict[str, int], target: str) -> Iterator[RuleFinding]:
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < MINIMUM_ROWS_PER_CLASS:
        yield _error(
            "DATASET_CLASS_TOO_SMALL",
            f"Class {rarest!r} of {target!r} has {counts[rarest]} row.",
            f"Give every class at least {MINIMUM_ROWS_PER_CLASS} rows, or remove the class.",
        )
    elif counts[rarest] < IMBALANCE_RATIO * max(counts.values()):
        yield _warning(
            "DATASET_IMBALANCED",
            f"Class {rarest!r} has {counts[rarest]} rows, the commonest has {max(counts.values())}.",
            "Look at the metrics of each class, not only at the accuracy.",
        )


def _features(profile: DatasetProfile) -> Iterator[RuleFinding]:
    features = [column for column in profile.columns if column.name != profile.target]
    if not any(column.distinct > 1 for column in features):
        yield _error(
            "DATASET_NO_FEATURES",
            "No column besides the target has more than one value.",
            "Give columns from which the target can be learned.",
        )
    sparse = [column.name for column in features if column.missing > MISSING_RATIO * profile.row_count]
    if sparse:
        yield _warning(
            "DATASET_SPARSE_COLUMNS",
            f"More than half of the rows have no value in: {', '.join(sparse[:10])}.",
            "Missing numbers are replaced by the column's mean; consider removing the columns.",
        )


def _duplicates(profile: DatasetProfile) -> Iterator[RuleFinding]:
    if profile.duplicate_row_count:
        yield _warning(
            "DATASET_DUPLICATE_ROWS",
            f"{profile.duplicate_row_count} rows repeat an earlier row.",
            "Duplicates on both sides of the split flatter the evaluation; consider removing them.",
        )


def _declared(profile: DatasetProfile) -> Iterator[RuleFinding]:
    for result in profile.rule_results:
        if not result.passed:
            hint = "Mend the rows, or register the data with another rule."
            yield RuleFinding(code="DATASET_RULE_BROKEN", severity=result.severity, message=_broken(result), hint=hint)


def _broken(result: RuleResult) -> str:
    if result.reason is not None:
        return f"The rule {result.name!r} does not hold: {result.reason}."
    rows = ", ".join(_described(example.row, example.value) for example in result.examples)
    shown = f", the first being {rows}" if rows else ""
    return f"The rule {result.name!r} does not hold for {result.failed} of {result.checked} rows{shown}."


def _described(row: int, value: str | None) -> str:
    return f"row {row}" if value is None else f"row {row} ({value!r})"


def _error(code: str, message: str, hint: str) -> RuleFinding:
    return RuleFinding(code=code, severity=Severity.ERROR, message=message, hint=hint)


def _warning(code: str, message: str, hint: str) -> RuleFinding:
    return RuleFinding(code=code, severity=Severity.WARNING, message=message, hint=hint)
