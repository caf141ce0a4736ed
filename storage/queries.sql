-- name: append_audit_leaves
-- The function hashes each leaf with the prefix of RFC 6962, 2.1.
select append_audit_leaves(cast(:leaves as jsonb))

-- name: read_audit_leaf
select canonical_bytes from audit_leaf where audit_ref = :audit_ref and tenant_id = :tenant_id

-- name: lock_name
-- Held until the transaction ends; serialises "next version of this name".
select pg_advisory_xact_lock(hashtextextended(:name, 0))

-- name: database_time
select engine_now() as now
