"""Floor 1: what the platform knows, who may see it, and the record of what was done.

The only package that talks to SQL databases and object stores (the engine's persistence shares its transaction).
"""

from storage.access import Decision, Resource, decide, require
from storage.audit import AuditEntry, AuditLeaf, AuditTrail, make_leaf
from storage.errors import ReportedError, StorageError
from storage.objects import FolderObjectStore, ObjectStore, SealingObjectStore, StoredObject
from storage.security import SecurityContext
from storage.storage import Storage, UnitOfWork
from storage.unified_crud import UnifiedCRUD

__all__ = [
    "AuditEntry",
    "AuditLeaf",
    "AuditTrail",
    "Decision",
    "FolderObjectStore",
    "ObjectStore",
    "ReportedError",
    "Resource",
    "SealingObjectStore",
    "SecurityContext",
    "Storage",
    "StorageError",
    "StoredObject",
    "UnifiedCRUD",
    "UnitOfWork",
    "decide",
    "make_leaf",
    "require",
]
