-- name: leaf_position
select p.position, sha256(cast('\x00' as bytea) || l.canonical_bytes) as leaf_hash
from audit_position p join audit_leaf l using (audit_ref)
where p.audit_ref = :audit_ref and p.tenant_id = :tenant_id

-- name: is_recorded
select exists (select from audit_leaf where audit_ref = :audit_ref and tenant_id = :tenant_id) as is_recorded

-- name: newest_checkpoint
select size, note, signed_at from audit_checkpoint where tree = :tree order by size desc limit 1

-- name: checkpoint_notes
-- Evenly chosen where there are more than asked for.
select note from (
    select note, size, row_number() over (order by size) as number, count(*) over () as total
    from audit_checkpoint where tree = :tree and size <= :size
) c
where number % greatest(1, total / cast(:most as bigint)) = 0 or number = total order by size

-- name: head
select position from audit_head where tenant_id = :tenant_id and size = :size

-- name: leaves_in_order
select l.canonical_bytes from audit_position p join audit_leaf l using (audit_ref)
where p.tenant_id = :tenant_id and p.position < :size order by p.position

-- name: personal_in_order
select p.audit_ref, d.salt, d.content from audit_position p join audit_personal d using (audit_ref)
where p.tenant_id = :tenant_id and p.position < :size order by p.position

-- name: read_as_of_now
-- All that follows in this transaction sees one moment; it has to be the first statement.
set transaction isolation level repeatable read

-- name: has_unsealed_erasure
select exists (
    select from audit_leaf l
    where l.tenant_id = :tenant_id and position(cast('"action":"audit.erased"' as bytea) in l.canonical_bytes) > 0
        and not exists (select from audit_position p where p.audit_ref = l.audit_ref and p.position < :size)
) as has_any

-- name: log_id
select log_id from audit_log
