"""The audit trail: a record nobody can rewrite.

Each effect commits with its leaf (`leaves`, `trail`). One `sealer` gives the leaves of each tenant their order in a
Merkle tree (`merkle`, `tiles`), puts the trees' roots into a tree over all tenants, and signs both (`checkpoints`,
`keys`). `proofs` and `export` let others check it, with `offline_verifier` and without this program or its database.
`personal_data` erases what is about persons; the trees stay as they are.
"""

from storage.audit.denials import denial_entry, denial_leaves
from storage.audit.leaves import AuditEntry, AuditLeaf, canonical_leaf, make_leaf
from storage.audit.trail import AuditTrail

__all__ = ["AuditEntry", "AuditLeaf", "AuditTrail", "canonical_leaf", "denial_entry", "denial_leaves", "make_leaf"]
