-- name: queue_depths
-- What is due, and waits for a worker or a scheduler.
select 'jobs' as queue, count(*) as depth from job where status = 'available' and available_at <= (select engine_now())
union all
select 'timers', count(*) from timer where due_at <= (select engine_now())
union all
select 'schedules', count(*) from schedule where status = 'active' and due_at <= (select engine_now())

-- name: count_events
-- From one horizon to the next, each event is counted once: the horizon is the oldest transaction that still runs, and
-- no event of an older one can appear later. Without a horizon to begin with, nothing is counted.
with horizon as (select pg_snapshot_xmin(pg_current_snapshot()) as xid)
select cast(h.xid as text) as horizon, c.process_id, c.kind, c.number, c.retried
from horizon h left join lateral (
    select i.process_id, e.kind, count(*) as number,
        -- Where no attempt is left, the failure raises an incident in the same transaction.
        count(*) filter (where e.kind = 'job.failed' and not exists (
            select from event r
            where r.process_instance_id = e.process_instance_id and r.xid = e.xid and r.kind = 'incident.raised'
        )) as retried
    from event e join process_instance i using (process_instance_id)
    where e.xid >= cast(cast(:since as text) as xid8) and e.xid < h.xid
    group by i.process_id, e.kind
) c on true

-- name: process_instances
select count(*) filter (where started_at >= since) as started,
    count(*) filter (where status = 'completed' and ended_at >= since) as completed,
    count(*) filter (where status = 'cancelled' and ended_at >= since) as cancelled,
    count(*) filter (where status = 'running') as running,
    count(*) filter (where status = 'suspended') as suspended,
    count(*) filter (where status in ('running', 'suspended') and open_incidents > 0) as with_incident,
    avg(extract(epoch from ended_at - started_at)) filter (where status = 'completed' and ended_at >= since)
        as mean_duration_seconds,
    percentile_cont(0.95) within group (order by extract(epoch from ended_at - started_at))
        filter (where status = 'completed' and ended_at >= since) as slow_duration_seconds
from process_instance, (select engine_now() - make_interval(secs => :window_seconds) as since) clock
where tenant_id = :tenant_id and process_id = :process_id

-- name: process_incidents
select count(*) filter (where c.raised_at >= since) as raised, count(*) filter (where c.resolved_at >= since) as resolved
from incident c join process_instance i using (process_instance_id),
    (select engine_now() - make_interval(secs => :window_seconds) as since) clock
where c.tenant_id = :tenant_id and i.process_id = :process_id
  and (c.raised_at >= since or c.resolved_at >= since)

-- name: process_user_tasks
select count(*) filter (where status = 'open') as open,
    count(*) filter (where status = 'open' and due_at < engine_now()) as overdue,
    count(*) filter (where status = 'completed' and completed_at >= since) as completed
from user_task, (select engine_now() - make_interval(secs => :window_seconds) as since) clock
where tenant_id = :tenant_id and process_id = :process_id

-- name: process_fires
select count(*) filter (where f.outcome = 'started') as started, count(*) filter (where f.outcome = 'skipped') as skipped,
    count(*) filter (where f.outcome = 'failed') as failed, count(*) filter (where f.is_sla_breached) as sla_breaches
from schedule_fire f join schedule s using (schedule_id)
where s.tenant_id = :tenant_id and s.process_id = :process_id
  and f.fire_at >= engine_now() - make_interval(secs => :window_seconds)
