-- name: has_unsealed_leaves
-- Asked first, without a lock: a round that has nothing to do writes nothing.
select exists (
    select from audit_leaf l
    where (xid, audit_ref) > ((select sealed_xid from audit_log), (select sealed_ref from audit_log))
        and xid < pg_snapshot_xmin(pg_current_snapshot())
        and not exists (select from audit_position p where p.audit_ref = l.audit_ref)
) or (
    select sealed_xid >= pg_snapshot_xmax(pg_current_snapshot()) or cluster_id <> current_cluster() from audit_log
) as has_any

-- name: bound_round
-- A sealer that is frozen in the middle of a round must not hold the row for ever.
select set_config('idle_in_transaction_session_timeout', :milliseconds, true)

-- name: take_lease
-- Locks the row until the round is over: of two sealers one waits, and then finds that the lease is another's.
-- Who has the lease keeps it though it ran out, as long as nobody else took it.
update audit_log
set epoch = epoch + case when holder = :holder then 0 else 1 end,
    holder = :holder, lease_until = engine_now() + make_interval(secs => :lease_seconds)
where holder = :holder or lease_until is null or lease_until < engine_now()
returning log_id, epoch, cast(sealed_xid as text) as sealed_xid, sealed_ref, engine_now() as now

-- name: horizon
-- Asked with the row in hand: the snapshot of the statement that waited for it is older than what the row then says.
-- A restored database may have caught up before anybody sealed: hence also the cluster, of which a dump says the former.
select sealed_xid >= pg_snapshot_xmax(snapshot) or cluster_id <> current_cluster() as is_restored,
    cast(pg_snapshot_xmin(snapshot) as text) as oldest_xid
from audit_log, pg_current_snapshot() as snapshot

-- name: lease_holder
select holder from audit_log

-- name: release_lease
update audit_log set lease_until = null where holder = :holder

-- name: lock_log
select log_id from audit_log for update

-- name: unsealed_leaves
-- Below the snapshot's oldest running transaction nothing can still appear, so whoever commits late is not passed over.
-- Leaves that a restored database has from its former life are sealed already, whatever their transaction's number.
-- What is hashed, with the prefix of RFC 6962, 2.1, is what stands there, whatever its writer meant to write.
select audit_ref, tenant_id, sha256(cast('\x00' as bytea) || l.canonical_bytes) as leaf_hash,
    cast(xid as text) as transaction_number
from audit_leaf l
where (xid, audit_ref) > (cast(:sealed_xid as xid8), cast(:sealed_ref as uuid))
    and xid < pg_snapshot_xmin(pg_current_snapshot())
    and not exists (select from audit_position p where p.audit_ref = l.audit_ref)
order by xid, audit_ref limit :limit

-- name: unsealed_leaves_after_restore
-- Transactions count from the beginning again in a database that was restored from a dump: what has a number that has
-- not been reached yet was committed in its former life.
select audit_ref, tenant_id, sha256(cast('\x00' as bytea) || l.canonical_bytes) as leaf_hash,
    cast(xid as text) as transaction_number
from audit_leaf l
where (xid < pg_snapshot_xmin(pg_current_snapshot()) or xid >= pg_snapshot_xmax(pg_current_snapshot()))
    and not exists (select from audit_position p where p.audit_ref = l.audit_ref)
order by xid, audit_ref limit :limit

-- name: advance
update audit_log set sealed_xid = cast(:sealed_xid as xid8), sealed_ref = :sealed_ref

-- name: begin_after_restore
-- At what was settled before the leaves were read: what was committed while they were sealed is still to come.
update audit_log set sealed_xid = cast(:oldest_xid as xid8), cluster_id = current_cluster(),
    sealed_ref = '00000000-0000-0000-0000-000000000000'

-- name: newest_checkpoints
select c.tree, c.size, c.root from unnest(cast(:trees as text[])) as asked (tree)
cross join lateral (
    select tree, size, root from audit_checkpoint where audit_checkpoint.tree = asked.tree order by size desc limit 1
) c

-- name: read_tiles
select tree, level, number, hashes from audit_tile
join unnest(cast(:trees as text[]), cast(:levels as smallint[]), cast(:numbers as bigint[])) as asked (tree, level, number)
    using (tree, level, number)

-- name: write_tiles
insert into audit_tile (tree, level, number, hashes)
select * from unnest(cast(:trees as text[]), cast(:levels as smallint[]), cast(:numbers as bigint[]),
    cast(:hashes as bytea[]))
on conflict (tree, level, number) do update set hashes = excluded.hashes

-- name: write_positions
insert into audit_position (tenant_id, position, audit_ref)
select * from unnest(cast(:tenant_ids as text[]), cast(:positions as bigint[]), cast(:audit_refs as uuid[]))

-- name: write_heads
insert into audit_head (position, tenant_id, size, root)
select * from unnest(cast(:positions as bigint[]), cast(:tenant_ids as text[]), cast(:sizes as bigint[]),
    cast(:roots as bytea[]))

-- name: write_checkpoints
insert into audit_checkpoint (tree, size, root, note, signed_at)
select tree, size, root, note, :signed_at
from unnest(cast(:trees as text[]), cast(:sizes as bigint[]), cast(:roots as bytea[]), cast(:notes as text[]))
    as signed (tree, size, root, note)

-- name: newest_key
select number, verifier from audit_key order by number desc limit 1

-- name: all_keys
select verifier, endorsement from audit_key order by number

-- name: insert_key
insert into audit_key (number, verifier, endorsement) values (:number, :verifier, :endorsement)

-- name: uncopied_checkpoints
-- The newest of each tree that has grown lately: what it signs includes all before.
select n.tree, n.size, n.note from (
    select distinct on (tree) tree, size, note from audit_checkpoint
    where signed_at >= :since order by tree, size desc
) n
where not exists (select from audit_checkpoint_copy c where c.tree = n.tree and c.size = n.size)
order by n.tree

-- name: write_copy
insert into audit_checkpoint_copy (tree, size, uri) values (:tree, :size, :uri) on conflict do nothing

-- name: erase_person
delete from audit_personal where tenant_id = :tenant_id and person = :person returning audit_ref

-- name: erase_leaf
delete from audit_personal where tenant_id = :tenant_id and audit_ref = :audit_ref returning audit_ref
