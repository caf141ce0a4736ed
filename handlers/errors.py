"""Errors of the service layer.

HandlerError
├── SourceNotAllowedError          DATASET_SOURCE_NOT_ALLOWED
├── SourceAddressRefusedError      DATASET_SOURCE_ADDRESS_REFUSED
├── SourceUnreachableError         DATASET_SOURCE_UNREACHABLE
├── DatasetRejectedError           DATASET_REJECTED
│   ├── SingleClassError           DATASET_SINGLE_CLASS
│   ├── MissingTargetValuesError   DATASET_TARGET_MISSING_VALUES
│   ├── TooManyClassesError        DATASET_TOO_MANY_CLASSES
│   ├── ClassTooSmallError         DATASET_CLASS_TOO_SMALL
│   ├── TooFewRowsError            DATASET_TOO_FEW_ROWS
│   ├── NoFeaturesError            DATASET_NO_FEATURES
│   └── RuleBrokenError            DATASET_RULE_BROKEN
├── ValidationIncidentError        DATASET_VALIDATION_INCIDENT
├── ClassificationConflictError    DATASET_CLASSIFICATION_CONFLICT
├── DatasetNotValidatedError       DATASET_NOT_VALIDATED
├── DatasetNotTrainableError       DATASET_NOT_TRAINABLE
├── ProfileNotAllowedError         COMPUTE_PROFILE_NOT_ALLOWED
├── JobFailedError                 JOB_FAILED
├── ModelNameTakenError            MODEL_NAME_TAKEN
├── ModelLineMixedError            MODEL_LINE_MIXED
├── ModelClassificationError       MODEL_CLASSIFICATION_TOO_LOW
├── ModelRegisteredOtherwiseError  MODEL_REGISTERED_OTHERWISE
├── ModelNotServableError          MODEL_NOT_SERVABLE
├── EndpointNotFoundError          ENDPOINT_NOT_FOUND
└── GrantRefusedError              GRANT_REFUSED
    ├── GrantExceedsOwnError       GRANT_EXCEEDS_OWN
    ├── GrantToOneselfError        GRANT_TO_ONESELF
    ├── GrantOverError             GRANT_OVER
    ├── GrantsFullError            GRANTS_FULL
    └── LastAdministratorError     GRANT_LAST_ADMINISTRATOR
"""

from __future__ import annotations

from handlers.source_names import without_credentials
from storage import ReportedError
from storage.models import JsonObject


class HandlerError(ReportedError):
    """Base of the service layer's errors."""

    code = "HANDLER"


class SourceNotAllowedError(HandlerError):
    """The source of a dataset or of a model, from which this server does not read.

    Attributes:
        source_uri: Without users, passwords, query and fragment.
    """

    code = "DATASET_SOURCE_NOT_ALLOWED"

    def __init__(self, *, source_uri: str, roots: tuple[str, ...] = (), origins: tuple[str, ...] = ()) -> None:
        self.source_uri = without_credentials(source_uri)
        self.hint = f"Put the file below {' or '.join(roots)} and name it as file:///absolute/path."
        if not roots:
            named = " or ".join(origins) or "no web server"
            self.hint = f"LEARNING_SOURCE_ORIGINS names {named}; put the file into an import folder instead."
        super().__init__(f"The source {self.source_uri!r} is in no place from which this server reads files.")


class SourceAddressRefusedError(HandlerError):
    """The name of an allowed server leads to an address that is not on the public internet."""

    code = "DATASET_SOURCE_ADDRESS_REFUSED"
    hint = "If this server may be reached in your own network, add the network to LEARNING_SOURCE_NETWORKS."

    def __init__(self, *, host: str, address: str) -> None:
        self.host = host
        self.address = address
        super().__init__(f"The host {host!r} leads to the address {address}, to which no source may lead.")


class SourceUnreachableError(HandlerError):
    """An allowed server did not give us the file."""

    code = "DATASET_SOURCE_UNREACHABLE"
    hint = "Check the address with the server's owner, or put the file into an import folder."
    retryable = True

    def __init__(self, *, source_uri: str, reason: str) -> None:
        self.source_uri = source_uri[:500]
        self.reason = reason
        super().__init__(f"The source {self.source_uri!r} could not be fetched: {reason}.")


class DatasetRejectedError(HandlerError):
    """The dataset-validation process rejected the version; nothing of it stays registered.

    Attributes:
        findings: Every finding, the one that gave this error its class first.
    """

    code = "DATASET_REJECTED"

    def __init__(self, findings: tuple[JsonObject, ...]) -> None:
        self.findings = findings
        self.hint = str(findings[0]["hint"])
        super().__init__(str(findings[0]["message"]))


class SingleClassError(DatasetRejectedError):
    """The target has one class only."""

    code = "DATASET_SINGLE_CLASS"


class MissingTargetValuesError(DatasetRejectedError):
    """The target is missing or NaN in some rows."""

    code = "DATASET_TARGET_MISSING_VALUES"


class TooManyClassesError(DatasetRejectedError):
    """The target looks like a quantity, not like classes."""

    code = "DATASET_TOO_MANY_CLASSES"


class ClassTooSmallError(DatasetRejectedError):
    """A class has too few rows to be learned and held back."""

    code = "DATASET_CLASS_TOO_SMALL"


class TooFewRowsError(DatasetRejectedError):
    """There are too few rows to train and evaluate on."""

    code = "DATASET_TOO_FEW_ROWS"


class NoFeaturesError(DatasetRejectedError):
    """No column is left to learn from."""

    code = "DATASET_NO_FEATURES"


class RuleBrokenError(DatasetRejectedError):
    """A rule that was declared for the dataset does not hold."""

    code = "DATASET_RULE_BROKEN"


def rejection(findings: tuple[JsonObject, ...]) -> DatasetRejectedError:
    """Return the error for a rejected version: the class of its first finding of severity error."""
    blocking = [finding for finding in findings if finding["severity"] == "error"]
    ordered = (*blocking, *(finding for finding in findings if finding not in blocking))
    kinds = {kind.code: kind for kind in DatasetRejectedError.__subclasses__()}
    return kinds.get(str(ordered[0]["code"]), DatasetRejectedError)(ordered)


class ValidationIncidentError(HandlerError):
    """The dataset-validation process stopped at an incident before it came to a verdict."""

    code = "DATASET_VALIDATION_INCIDENT"
    hint = "Ask the operator to look at the process instance's incident."

    def __init__(self, *, process_instance_id: object, reason: str) -> None:
        self.process_instance_id = str(process_instance_id)
        self.reason = reason
        super().__init__(f"Process instance {process_instance_id} stopped: {reason}")


class ClassificationConflictError(HandlerError):
    """The same content is registered already, under another classification."""

    code = "DATASET_CLASSIFICATION_CONFLICT"
    hint = "Register it under the same classification, or under another name."

    def __init__(self, *, dataset: str, version: int, registered: str, asked_for: str) -> None:
        self.dataset = dataset
        self.version = version
        self.registered = registered
        self.asked_for = asked_for
        super().__init__(f"{dataset}@{version} has this content as {registered}, not as {asked_for}.")


class DatasetNotValidatedError(HandlerError):
    """An experiment was asked for on a version that is not validated."""

    code = "DATASET_NOT_VALIDATED"
    hint = "Start process dataset-validation for it, or choose a validated version."

    def __init__(self, *, dataset: str, version: int, status: str) -> None:
        self.dataset = dataset
        self.version = version
        self.status = status
        super().__init__(f"Dataset {dataset}@{version} is {status}, not validated.")


class DatasetNotTrainableError(HandlerError):
    """An experiment was asked for that cannot learn from what the dataset holds."""

    code = "DATASET_NOT_TRAINABLE"
    hint = "Launch it on a dataset of rows; images are kept for trainers of your own, who read them with their digests."

    def __init__(self, *, dataset: str, version: int, file_format: str, task_name: str) -> None:
        self.dataset = dataset
        self.version = version
        self.file_format = file_format
        self.task_name = task_name
        super().__init__(f"Dataset {dataset}@{version} holds {file_format}, and {task_name} learns from tables.")


class ProfileNotAllowedError(HandlerError):
    """A compute profile outside `LEARNING_ALLOWED_PROFILES`."""

    code = "COMPUTE_PROFILE_NOT_ALLOWED"

    def __init__(self, *, profile: str, allowed: tuple[str, ...]) -> None:
        self.profile = profile
        self.allowed = allowed
        self.hint = f"Choose one of: {', '.join(allowed)}."
        super().__init__(f"The compute profile {profile!r} may not be used on this server.")


class JobFailedError(HandlerError):
    """A job ended without a result in a way that another attempt may mend."""

    code = "JOB_FAILED"
    hint = "The engine tries again; after the last attempt the process instance shows an incident."
    retryable = True

    def __init__(self, *, module: str, ending: str, exit_code: int, log_tail: str) -> None:
        self.module = module
        self.ending = ending
        self.exit_code = exit_code
        self.log_tail = log_tail
        super().__init__(f"{module} {ending} (exit code {exit_code}). {log_tail[-500:]}".strip())


class ModelNameTakenError(HandlerError):
    """A model's name, under which there is a version that the caller may not read."""

    code = "MODEL_NAME_TAKEN"
    hint = "Choose another name, or ask its owner for a grant."

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"The model name {model!r} is taken.")


class ModelLineMixedError(HandlerError):
    """A version of a model that is RESTRICTED where the others are not, or the other way round.

    Attributes:
        asked_for: The classification of the version that was to be.
        registered: That of one that there is.
    """

    code = "MODEL_LINE_MIXED"

    def __init__(self, *, model: str, asked_for: str, registered: str) -> None:
        self.model = model
        self.asked_for = asked_for
        self.registered = registered
        self.hint = f"Give the {asked_for} model a name of its own."
        super().__init__(f"Versions of model {model} are {registered}; none beside them can be {asked_for}.")


class ModelClassificationError(HandlerError):
    """A model from outside would be less protected than the data that it was made of."""

    code = "MODEL_CLASSIFICATION_TOO_LOW"

    def __init__(self, *, model: str, asked_for: str, least: str) -> None:
        self.model = model
        self.asked_for = asked_for
        self.least = least
        self.hint = f"Register it as {least}, or leave data_classification out."
        super().__init__(f"Model {model} comes of data that are {least}; it cannot be {asked_for}.")


class ModelRegisteredOtherwiseError(HandlerError):
    """The same model file is registered already, and something else was said of it.

    Attributes:
        fields: In which what is said differs.
    """

    code = "MODEL_REGISTERED_OTHERWISE"
    hint = "Register it as before, or under another name."

    def __init__(self, *, model: str, version: int, fields: tuple[str, ...]) -> None:
        self.model = model
        self.version = version
        self.fields = fields
        super().__init__(f"{model} version {version} is this file, registered with another {', '.join(fields)}.")


class ModelNotServableError(HandlerError):
    """A model from outside was to be put into service."""

    code = "MODEL_NOT_SERVABLE"
    hint = "Serve its file elsewhere, or train a version of the model here and have that reviewed and promoted."

    def __init__(self, *, model: str, version: int, target_runtime: str) -> None:
        self.model = model
        self.version = version
        self.target_runtime = target_runtime
        super().__init__(f"{model} version {version} has the runtime {target_runtime!r}: it is kept, not served.")


class EndpointNotFoundError(HandlerError):
    """No healthy endpoint answers for what was asked."""

    code = "ENDPOINT_NOT_FOUND"
    hint = "A model answers once it is promoted and its endpoint is healthy; one from outside never does."

    def __init__(self, *, asked_for: str) -> None:
        self.asked_for = asked_for
        super().__init__(f"No healthy endpoint serves {asked_for}.")


class GrantRefusedError(HandlerError):
    """Grants of a record that are not changed so."""

    code = "GRANT_REFUSED"


class GrantExceedsOwnError(GrantRefusedError):
    """A grant of more than the granter holds, or for longer, or with fewer conditions.

    Attributes:
        permissions: Those that the granter does not hold so.
    """

    code = "GRANT_EXCEEDS_OWN"
    hint = "Grant what you hold, within the time, networks and claims to which your own grant is bound."

    def __init__(self, *, user_id: str, permissions: tuple[str, ...]) -> None:
        self.user_id = user_id
        self.permissions = permissions
        super().__init__(f"{user_id} does not hold {', '.join(permissions)} as widely as the grant would give it.")


class GrantToOneselfError(GrantRefusedError):
    """A grant to the granter, which would outlast the role or ownership that allows it."""

    code = "GRANT_TO_ONESELF"
    hint = "Ask somebody else who may grant the record."

    def __init__(self, *, user_id: str) -> None:
        self.user_id = user_id
        super().__init__(f"{user_id} cannot grant anything to {user_id}.")


class GrantOverError(GrantRefusedError):
    """A grant that would never count: it ends before it begins, or has ended."""

    code = "GRANT_OVER"
    hint = "Let expires_at lie in the future, and behind not_before."

    def __init__(self, *, expires_at: str) -> None:
        self.expires_at = expires_at
        super().__init__(f"A grant until {expires_at} would never count.")


class GrantsFullError(GrantRefusedError):
    """A record has as many grants as it can have: everybody reads them with it.

    Attributes:
        grants: How many there are.
    """

    code = "GRANTS_FULL"
    hint = "Grant a group instead of its people, or revoke what is over; fewer networks and claims take less room."

    def __init__(self, *, record: str, grants: int, limit_bytes: int) -> None:
        self.record = record
        self.grants = grants
        self.limit_bytes = limit_bytes
        super().__init__(f"{record} has {grants} grants; with another they would take more than {limit_bytes} bytes.")


class LastAdministratorError(GrantRefusedError):
    """Without this grant nobody could grant a RESTRICTED record any more."""

    code = "GRANT_LAST_ADMINISTRATOR"
    hint = "Grant read and admin on the record to somebody else first, without end and conditions."

    def __init__(self, *, record: str) -> None:
        self.record = record
        super().__init__(f"Nobody else is granted both read and admin on {record} for good.")
