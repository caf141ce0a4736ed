-- name: append_audit_leaves
-- The function keeps what is about persons beside each leaf.
select append_audit_leaves(cast(:leaves as jsonb))

-- name: append_audit_leaf
-- The most frequent case by itself, because it is a third cheaper: one leaf, with nothing beside it.
insert into audit_leaf (audit_ref, tenant_id, canonical_bytes)
values (:audit_ref, :tenant_id, :canonical_bytes)

-- name: read_audit_leaf
select l.canonical_bytes, p.content from audit_leaf l left join audit_personal p using (audit_ref)
where l.audit_ref = :audit_ref and l.tenant_id = :tenant_id
