-- name: append_audit_leaves
-- The function hashes each leaf with the prefix of RFC 6962, 2.1, and keeps what is about persons beside it.
select append_audit_leaves(cast(:leaves as jsonb))

-- name: append_audit_leaf
-- The most frequent case by itself, because it is a third cheaper: one leaf, with nothing beside it.
insert into audit_leaf (audit_ref, tenant_id, canonical_bytes, leaf_hash)
values (:audit_ref, :tenant_id, :canonical_bytes, :leaf_hash)

-- name: read_audit_leaf
select l.canonical_bytes, p.content from audit_leaf l left join audit_personal p using (audit_ref)
where l.audit_ref = :audit_ref and l.tenant_id = :tenant_id
