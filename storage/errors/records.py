"""Errors of records, and questions for them."""

from __future__ import annotations

from storage.errors.base import StorageError, printable


class RecordNotFoundError(StorageError):
    """No such record, or none that the caller may know of."""

    code = "RECORD_NOT_FOUND"
    hint = "Check the id; records of another tenant, and restricted ones without a grant, are not visible."

    def __init__(self, *, model: str, record_id: object) -> None:
        self.model = model
        self.record_id = str(record_id)
        super().__init__(f"{model} {record_id} does not exist.")


class RecordConflictError(StorageError):
    """Somebody else changed the record since it was read."""

    code = "RECORD_CONFLICT"
    hint = "Read the record again and repeat the change."
    retryable = True

    def __init__(self, *, model: str, record_id: object, expected_revision: int) -> None:
        self.model = model
        self.record_id = str(record_id)
        self.expected_revision = expected_revision
        super().__init__(f"{model} {record_id} is no longer at revision {expected_revision}.")


class RecordHeldError(StorageError):
    """A record that was to be deleted is under a legal hold, or names an object that is."""

    code = "RECORD_HELD"

    def __init__(self, *, model: str, record_id: object, hold_id: object, placed_by: str) -> None:
        self.model = model
        self.record_id = str(record_id)
        self.hold_id = str(hold_id)
        self.placed_by = placed_by
        self.hint = f"Ask {placed_by}; once the reason is gone, run 'ami-learning artifacts release {hold_id}'."
        super().__init__(f"{model} {record_id} is under hold {hold_id}, which {placed_by} has placed.")


class RecordInProductionError(StorageError):
    """A record that was to be deleted is a model in service, or one that it came of.

    Attributes:
        served_model, served_version: What is in service.
    """

    code = "RECORD_IN_PRODUCTION"

    def __init__(self, *, model: str, record_id: object, served_model: str, served_version: int) -> None:
        self.model = model
        self.record_id = str(record_id)
        self.served_model = served_model
        self.served_version = served_version
        self.hint = f"Put another version of {served_model} into service first, or take this one out of it."
        super().__init__(f"{model} {record_id} is needed by {served_model} version {served_version}, in production.")


class RecordTextError(StorageError):
    """A text that the database cannot hold."""

    code = "RECORD_TEXT_INVALID"
    hint = "Remove NUL characters and unpaired surrogates from the text."

    def __init__(self, *, model: str, field: str, reason: str) -> None:
        self.model = model
        self.field = printable(field)
        self.reason = reason
        super().__init__(f"{model} cannot be stored: {self.field} holds {reason}.")


class RecordNumberError(StorageError):
    """A number that JSON does not have."""

    code = "RECORD_NUMBER_INVALID"
    hint = "Give a finite number, or no value."

    def __init__(self, *, model: str, field: str, value: float | str) -> None:
        self.model = model
        self.field = printable(field)
        self.value = str(value)
        super().__init__(f"{model} cannot be stored: {self.field} is {self.value}.")


class UnknownFieldError(StorageError):
    """A filter or patch names a field that the model does not have."""

    code = "UNKNOWN_FIELD"

    def __init__(self, *, model: str, field: str, known: tuple[str, ...]) -> None:
        self.model = model
        self.field = field
        self.hint = f"Known fields: {', '.join(known)}."
        super().__init__(f"{model} has no field {field!r}.")


class FixedFieldError(StorageError):
    """A patch names a field that says which record it is."""

    code = "FIELD_FIXED"
    hint = "Create another record instead."

    def __init__(self, *, model: str, field: str) -> None:
        self.model = model
        self.field = field
        super().__init__(f"{model}.{field} is fixed when the record is created.")


class DuplicateRecordError(StorageError):
    """A new record is there already, by its id or by a name or number that has to be unique."""

    code = "RECORD_DUPLICATE"
    hint = "Read the record that is there, or choose another name or number."

    def __init__(self, *, model: str, constraint: str) -> None:
        self.model = model
        self.constraint = constraint
        super().__init__(f"{model} exists already ({constraint}).")


class StatusTransitionError(StorageError):
    """A status that cannot follow the one that the record has."""

    code = "STATUS_TRANSITION_ILLEGAL"

    def __init__(self, *, model: str, field: str, state: str, asked_for: str, legal: tuple[str, ...]) -> None:
        self.model = model
        self.field = field
        self.state = state
        self.asked_for = asked_for
        self.legal = legal
        self.hint = f"From {state} it can become {', '.join(legal)}." if legal else f"{state} is final."
        super().__init__(f"{model}.{field} is {state} and cannot become {asked_for}.")


class FilterInvalidError(StorageError):
    """A filter compares a field with what it cannot be compared with."""

    code = "FILTER_INVALID"
    hint = "Compare the field with a value of its own type; docs/reference/models/README.md lists the operators."

    def __init__(self, *, model: str, field: str, reason: str) -> None:
        self.model = model
        self.field = field
        self.reason = reason
        super().__init__(f"The filter on {model}.{field} cannot be applied: {reason}.")


class CursorInvalidError(StorageError):
    """A cursor that this query did not give."""

    code = "CURSOR_INVALID"
    hint = "Start again without a cursor, and pass on the one that the last page gave, for the same question."

    def __init__(self, *, cursor: str) -> None:
        self.cursor = printable(cursor)
        super().__init__(f"{self.cursor!r} is no cursor of this query.")


class WithoutDocumentError(StorageError):
    """Points in time cannot be read one by one, changed or deleted."""

    code = "RECORD_WITHOUT_DOCUMENT"
    hint = "Read a series of points from the time series store; points are kept until their month is dropped."

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"{model} is kept as points in time, without a record of its own.")


class WrittenByPlatformError(StorageError):
    """Observations are written beside every change of a record, and never created, changed or deleted by anybody."""

    code = "RECORD_WRITTEN_BY_PLATFORM"
    hint = "Read and query them; keep what you make of them in records of your own."

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"{model} is written by the platform alone.")
