"""The closed vocabularies that records share."""

from __future__ import annotations

from enum import StrEnum


class StorageType(StrEnum):
    """The kinds of store a model can be kept in."""

    RELATIONAL = "relational"
    DOCUMENT = "document"
    TIMESERIES = "timeseries"
    VECTOR = "vector"
    GRAPH = "graph"
    CACHE = "cache"
    FILE = "file"


class Permission(StrEnum):
    """What a principal may do with a resource."""

    READ = "read"
    WRITE = "write"
    MODIFY = "modify"
    DELETE = "delete"
    EXECUTE = "execute"
    ADMIN = "admin"


class RoleType(StrEnum):
    """A principal's standing in its tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    GUEST = "guest"
    SERVICE = "service"


class DataClassification(StrEnum):
    """How far a record may travel."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


class ComplianceStatus(StrEnum):
    """Where a record stands with compliance."""

    PENDING = "pending"
    IN_REVIEW = "in_review"
    COMPLIANT = "compliant"
    NON_COMPLIANT = "non_compliant"
    WAIVED = "waived"


class RiskSeverity(StrEnum):
    """How bad a risk is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class ComputeProfile(StrEnum):
    """The hardware a job asks for (`AMI_COMPUTE_PROFILE`)."""

    CPU = "cpu"
    NVIDIA = "nvidia"
    INTEL = "intel"
    AMD = "amd"


class ValidationStatus(StrEnum):
    """What the dataset-validation process said of a dataset version."""

    PENDING = "pending"
    VALIDATED = "validated"
    REJECTED = "rejected"


class ExperimentStatus(StrEnum):
    """Where an experiment is in its life; cancelled, once its process was."""

    RUNNING = "running"
    AWAITING_REVIEW = "awaiting_review"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunStage(StrEnum):
    """Which stage of an experiment a training run records."""

    PREPROCESS = "preprocess"
    TRAIN = "train"
    EVAL = "eval"
    DEPLOY = "deploy"


class ModelStatus(StrEnum):
    """A registered model version's standing."""

    REGISTERED = "registered"
    PRODUCTION = "production"
    REJECTED = "rejected"
    ARCHIVED = "archived"


class EndpointState(StrEnum):
    """A serving endpoint's health."""

    STARTING = "starting"
    HEALTHY = "healthy"
    RETIRED = "retired"
    FAILED = "failed"


class PrincipalType(StrEnum):
    """Whom an entry of an access control list names."""

    USER = "user"
    ROLE = "role"
    GROUP = "group"
    SERVICE = "service"


class Framework(StrEnum):
    """What a model was built with."""

    PYTORCH = "pytorch"
    LIGHTNING = "lightning"


class ModelFormat(StrEnum):
    """What a model file from outside is."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    EXPORTED_PROGRAM = "torch.export"


class BreachState(StrEnum):
    """How a metric stands to its threshold."""

    NONE = "none"
    WARNING = "warning"
    BREACHED = "breached"


class RecommendedAction(StrEnum):
    """What a drift report advises."""

    NONE = "none"
    INVESTIGATE = "investigate"
    RETRAIN = "retrain"
    ROLL_BACK = "roll_back"


class Mutation(StrEnum):
    """What happened to a record."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class NeuronStatus(StrEnum):
    """Where a neuron of the map is in its life."""

    ACTIVE = "active"
    STALE = "stale"
    PRUNED = "pruned"
