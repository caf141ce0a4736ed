-- name: record_point
-- One statement for tenant, point and change: one round trip. Where the point is there already, nothing changes.
with tenant as materialized (select set_config('learning.tenant_id', :tenant_id, true) as tenant_id),
new as (
    insert into metric_point
        (tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source)
    select tenant.tenant_id, :entity_id, :metric_name, cast(:at as timestamptz), cast(:step as bigint), :value,
        cast(:threshold as double precision), :breach_state, :source
    from tenant
    on conflict (tenant_id, entity_id, metric_name, at, step) do nothing
    returning entity_id, metric_name, at
),
changed as (
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select :tenant_id, entity_id, metric_name, 'minute', date_trunc('minute', at, 'UTC') from new
)
select count(*) as written from new

-- name: create_staging
create temporary table if not exists metric_staging (
    position bigint, entity_id uuid, metric_name text, at timestamptz, step bigint, value double precision,
    threshold double precision, breach_state text, source text
) on commit delete rows

-- name: record_staged_as_new
-- Fails where one point is there already; it takes a quarter less than to expect that of each.
with staged as (delete from metric_staging returning *),
new as (
    insert into metric_point
        (tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source)
    select :tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source from staged
    order by entity_id, metric_name, at, step, position
    returning entity_id, metric_name, at
),
changed as (
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select distinct cast(:tenant_id as text), entity_id, metric_name, 'minute', date_trunc('minute', at, 'UTC') from new
)
select count(*) as written from new

-- name: record_staged
-- In one order, so that two batches with the same points wait for each other and not in a ring; of equal ones the first.
-- The staged rows go as they are taken, for another batch of the same transaction.
with staged as (delete from metric_staging returning *),
new as (
    insert into metric_point
        (tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source)
    select :tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source from staged
    order by entity_id, metric_name, at, step, position
    on conflict (tenant_id, entity_id, metric_name, at, step) do nothing
    returning entity_id, metric_name, at
),
changed as (
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select distinct cast(:tenant_id as text), entity_id, metric_name, 'minute', date_trunc('minute', at, 'UTC') from new
)
select count(*) as written from new

-- name: points
select entity_id, metric_name, at, step, value, threshold, breach_state, source from metric_point
where tenant_id = :tenant_id and entity_id = :entity_id and metric_name = :metric_name
    and at >= :begin and at < :end
order by at, step nulls first
limit cast(:limit as bigint)

-- name: metric_names
-- Roll-ups are kept longer than the points they were made of.
select metric_name from metric_point
where tenant_id = :tenant_id and entity_id = :entity_id and at >= :begin and at < :end
union
select metric_name from metric_rollup
where tenant_id = :tenant_id and entity_id = :entity_id and resolution = 'day'
    and bucket_at >= date_trunc('day', cast(:begin as timestamptz), 'UTC') and bucket_at < :end
order by metric_name

-- name: rollups
-- A bucket whose roll-up does not know everything yet is computed from its points.
with stale as materialized (
    select distinct date_trunc(:resolution, bucket_at, 'UTC') as bucket_at from metric_change
    where tenant_id = :tenant_id and entity_id = :entity_id and metric_name = :metric_name
        and bucket_at >= :begin and bucket_at < :end
),
known as (
    select bucket_at, count, sum, minimum, maximum, first_at, first_value, last_at, last_value, breaches, digest
    from metric_rollup
    where tenant_id = :tenant_id and entity_id = :entity_id and metric_name = :metric_name and resolution = :resolution
        and bucket_at >= :begin and bucket_at < :end and bucket_at not in (select bucket_at from stale)
)
select * from known
union all
select stale.bucket_at, computed.* from stale
cross join lateral (
    select count(*) as count, metric_total(sum(p.value) filter (where not is_large_metric(p.value)),
            sum(p.value / power(2.0, 100)) filter (where is_large_metric(p.value))) as sum,
        min(p.value) as minimum, max(p.value) as maximum,
        min(p.at) as first_at, (array_agg(p.value order by p.at, p.step nulls first))[1] as first_value,
        max(p.at) as last_at, (array_agg(p.value order by p.at desc, p.step desc nulls last))[1] as last_value,
        count(*) filter (where p.breach_state = 'breached') as breaches,
        (select jsonb_object_agg(counted.bucket, counted.number) from (
            select metric_bucket(q.value) as bucket, count(*) as number from metric_point q
            where q.tenant_id = :tenant_id and q.entity_id = :entity_id and q.metric_name = :metric_name
                and q.at >= stale.bucket_at and q.at < stale.bucket_at + make_interval(secs => :seconds)
            group by 1
        ) counted) as digest
    from metric_point p
    where p.tenant_id = :tenant_id and p.entity_id = :entity_id and p.metric_name = :metric_name
        and p.at >= stale.bucket_at and p.at < stale.bucket_at + make_interval(secs => :seconds)
    having count(*) > 0
) computed
order by bucket_at
