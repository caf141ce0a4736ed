-- name: lock_rolling_up
select pg_advisory_xact_lock(hashtextextended('metric maintenance', 0))

-- name: roll_up_minutes
-- Changes and points are read in one snapshot: a point that is not seen leaves a change that is not taken.
with taken as (
    delete from metric_change where metric_change_id in (
        select metric_change_id from metric_change where resolution = 'minute' order by metric_change_id limit :limit)
    returning tenant_id, entity_id, metric_name, bucket_at
),
touched as (select distinct tenant_id, entity_id, metric_name, bucket_at from taken),
written as (
    insert into metric_rollup
        (tenant_id, entity_id, metric_name, resolution, bucket_at, count, sum, minimum, maximum,
         first_at, first_value, last_at, last_value, breaches, digest)
    select t.tenant_id, t.entity_id, t.metric_name, 'minute', t.bucket_at, c.*
    from touched t
    cross join lateral (
        select count(*), metric_total(sum(p.value) filter (where not is_large_metric(p.value)),
            sum(p.value / power(2.0, 100)) filter (where is_large_metric(p.value))),
            min(p.value), max(p.value),
            min(p.at), (array_agg(p.value order by p.at, p.step nulls first))[1],
            max(p.at), (array_agg(p.value order by p.at desc, p.step desc nulls last))[1],
            count(*) filter (where p.breach_state = 'breached'),
            (select jsonb_object_agg(counted.bucket, counted.number) from (
                select metric_bucket(q.value) as bucket, count(*) as number from metric_point q
                where q.tenant_id = t.tenant_id and q.entity_id = t.entity_id and q.metric_name = t.metric_name
                    and q.at >= t.bucket_at and q.at < t.bucket_at + interval '1 minute'
                group by 1
            ) counted)
        from metric_point p
        where p.tenant_id = t.tenant_id and p.entity_id = t.entity_id and p.metric_name = t.metric_name
            and p.at >= t.bucket_at and p.at < t.bucket_at + interval '1 minute'
        having count(*) > 0
    ) c
    on conflict (tenant_id, entity_id, metric_name, resolution, bucket_at) do update set
        count = excluded.count, sum = excluded.sum, minimum = excluded.minimum, maximum = excluded.maximum,
        first_at = excluded.first_at, first_value = excluded.first_value, last_at = excluded.last_at,
        last_value = excluded.last_value, breaches = excluded.breaches, digest = excluded.digest
),
onwards as (
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select distinct tenant_id, entity_id, metric_name, 'hour', date_trunc('hour', bucket_at, 'UTC') from touched
)
select count(*) as changes from taken

-- name: roll_up_buckets
-- Hours of minutes, days of hours.
with taken as (
    delete from metric_change where metric_change_id in (
        select metric_change_id from metric_change where resolution = :resolution order by metric_change_id limit :limit)
    returning tenant_id, entity_id, metric_name, bucket_at
),
touched as (select distinct tenant_id, entity_id, metric_name, bucket_at from taken),
written as (
    insert into metric_rollup
        (tenant_id, entity_id, metric_name, resolution, bucket_at, count, sum, minimum, maximum,
         first_at, first_value, last_at, last_value, breaches, digest)
    select t.tenant_id, t.entity_id, t.metric_name, :resolution, t.bucket_at, c.*
    from touched t
    cross join lateral (
        select sum(r.count), metric_total(sum(r.sum) filter (where not is_large_metric(r.sum)),
            sum(r.sum / power(2.0, 100)) filter (where is_large_metric(r.sum))),
            min(r.minimum), max(r.maximum),
            min(r.first_at), (array_agg(r.first_value order by r.first_at))[1],
            max(r.last_at), (array_agg(r.last_value order by r.last_at desc))[1],
            sum(r.breaches),
            (select jsonb_object_agg(counted.bucket, counted.number) from (
                select d.key as bucket, sum(cast(d.value as bigint)) as number
                from metric_rollup f cross join lateral jsonb_each_text(f.digest) d
                where f.tenant_id = t.tenant_id and f.entity_id = t.entity_id and f.metric_name = t.metric_name
                    and f.resolution = :finer and f.bucket_at >= t.bucket_at
                    and f.bucket_at < t.bucket_at + make_interval(secs => :seconds)
                group by 1
            ) counted)
        from metric_rollup r
        where r.tenant_id = t.tenant_id and r.entity_id = t.entity_id and r.metric_name = t.metric_name
            and r.resolution = :finer and r.bucket_at >= t.bucket_at
            and r.bucket_at < t.bucket_at + make_interval(secs => :seconds)
        having count(*) > 0
    ) c
    on conflict (tenant_id, entity_id, metric_name, resolution, bucket_at) do update set
        count = excluded.count, sum = excluded.sum, minimum = excluded.minimum, maximum = excluded.maximum,
        first_at = excluded.first_at, first_value = excluded.first_value, last_at = excluded.last_at,
        last_value = excluded.last_value, breaches = excluded.breaches, digest = excluded.digest
),
onwards as (
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select distinct tenant_id, entity_id, metric_name, cast(:coarser as text), date_trunc(:coarser, bucket_at, 'UTC')
    from touched where cast(:coarser as text) is not null
)
select count(*) as changes from taken

-- name: create_partition
select create_metric_partition(cast(:month as date)) as name

-- name: partitions
select c.relname as name, greatest(cast(c.reltuples as bigint), 0) as estimated_points
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = cast('metric_point' as regclass)
order by c.relname

-- name: old_rollups
select count(*) as number from metric_rollup where resolution = :resolution and bucket_at < :before

-- name: drop_old_rollups
delete from metric_rollup where resolution = :resolution and bucket_at < :before
