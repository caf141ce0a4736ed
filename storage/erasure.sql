-- name: tombstones
-- Kinds of deleted records of which something that was measured may be left.
select distinct model, data_classification from document
where deleted_at is not null and measures_erased_at is null

-- name: lock_removals
-- Whoever places a hold waits for the erasure under way; statements after this one see the holds that were placed.
select pg_advisory_xact_lock(hashtextextended('removals', 0))

-- name: erase_measures
-- Records on hold keep theirs, whoever deleted them before they were held.
with due as materialized (
    select d.id, d.tenant_id from document d
    where d.model = :model and d.data_classification = :data_classification
        and d.deleted_at <= :deleted_until and d.measures_erased_at is null
        and not exists (
            select from object_hold h
            where h.tenant_id = d.tenant_id and h.subject = cast(d.id as text) and h.released_at is null
        )
    order by d.deleted_at limit :limit for update of d
),
points as (
    delete from metric_point p using due where p.tenant_id = due.tenant_id and p.entity_id = due.id returning 1
),
changes as (
    delete from metric_change c using due where c.tenant_id = due.tenant_id and c.entity_id = due.id
),
rollups as (
    delete from metric_rollup r using due where r.tenant_id = due.tenant_id and r.entity_id = due.id returning 1
),
looked_at as (
    update document d set measures_erased_at = :now from due where d.id = due.id returning 1
)
select (select count(*) from looked_at) as records,
    (select count(*) from points) + (select count(*) from rollups) as erased
