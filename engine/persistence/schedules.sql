-- name: insert_schedule
insert into schedule
    (schedule_id, tenant_id, process_id, variables, definition, anchor_at, next_fire_at, due_at, started_by,
     start_event_id, process_definition_id)
values
    (:schedule_id, :tenant_id, :process_id, cast(:variables as jsonb), cast(:definition as jsonb), :anchor_at,
     :next_fire_at, :next_fire_at, cast(:started_by as jsonb), :start_event_id, :process_definition_id)

-- name: claim_due_schedule
-- SKIP LOCKED: another scheduler is firing that row right now. The lock lasts until the fire is settled.
select * from schedule where status = 'active' and due_at <= engine_now()
order by due_at for update skip locked limit 1

-- name: record_fire
-- No row: the fire was settled before, and nothing may start for it.
insert into schedule_fire (schedule_id, fire_at, outcome, reason, error, lateness_seconds, is_sla_breached)
values (:schedule_id, :fire_at, :outcome, :reason, cast(:error as jsonb), :lateness_seconds, :is_sla_breached)
on conflict (schedule_id, fire_at) do nothing

-- name: record_instance
update schedule_fire set process_instance_id = :process_instance_id
where schedule_id = :schedule_id and fire_at = :fire_at

-- name: count_fire
update schedule
set started = started + case :outcome when 'started' then 1 else 0 end,
    skipped = skipped + case :outcome when 'skipped' then 1 else 0 end,
    failed = failed + case :outcome when 'failed' then 1 else 0 end,
    sla_breaches = sla_breaches + case when :is_sla_breached then 1 else 0 end
where schedule_id = :schedule_id

-- name: forget_fires
delete from schedule_fire
where schedule_id = :schedule_id and fire_at < engine_now() - make_interval(days => :keep_days)

-- name: advance_schedule
-- A fire that is overdue already lines up behind the other schedules, so that one with many does not hold them up.
update schedule
set last_fire_at = :fire_at, next_fire_at = cast(:next_fire_at as timestamptz),
    due_at = greatest(cast(:next_fire_at as timestamptz), case when cast(:next_fire_at as timestamptz) is not null
        then engine_now() end),
    status = case when cast(:next_fire_at as timestamptz) is null then 'ended' else status end, failures = 0,
    last_error = cast(:last_error as jsonb)
where schedule_id = :schedule_id

-- name: defer_schedule
update schedule set due_at = :due_at where schedule_id = :schedule_id

-- name: lock_fire
-- No row: another scheduler has settled the fire meanwhile, or the schedule was paused or ended.
select * from schedule
where schedule_id = :schedule_id and next_fire_at = :fire_at and status = 'active' for update

-- name: postpone_schedule
update schedule
set due_at = engine_now() + make_interval(secs => :delay_seconds), failures = failures + 1,
    last_error = cast(:last_error as jsonb)
where schedule_id = :schedule_id

-- name: seconds_until_next_fire
select extract(epoch from min(due_at) - engine_now()) as seconds from schedule where status = 'active'

-- name: lock_schedule
select * from schedule where schedule_id = :schedule_id and tenant_id = :tenant_id for update

-- name: read_schedule
select * from schedule where schedule_id = :schedule_id and tenant_id = :tenant_id

-- name: set_schedule_status
update schedule
set status = :status, next_fire_at = cast(:next_fire_at as timestamptz), due_at = cast(:next_fire_at as timestamptz),
    failures = 0
where schedule_id = :schedule_id

-- name: schedules_of_tenant
select * from schedule
where tenant_id = :tenant_id and (cast(:process_id as text) is null or process_id = cast(:process_id as text))
order by schedule_id

-- name: lock_schedules_of_start_events
-- Of the platform, whose administrators deploy; the newest version alone starts. What has ended of this version has ended
-- for good.
select * from schedule
where process_id = :process_id and start_event_id is not null
  and (status <> 'ended' or process_definition_id = :process_definition_id)
order by schedule_id for update

-- name: adopt_schedule
update schedule set process_definition_id = :process_definition_id, started_by = cast(:started_by as jsonb)
where schedule_id = :schedule_id

-- name: fires
select f.*, s.process_id from schedule_fire f join schedule s using (schedule_id)
where s.tenant_id = :tenant_id
  and (cast(:process_id as text) is null or s.process_id = cast(:process_id as text))
  and (cast(:schedule_id as uuid) is null or f.schedule_id = cast(:schedule_id as uuid))
  and (cast(:process_instance_id as uuid) is null or f.process_instance_id = cast(:process_instance_id as uuid))
  and (cast(:outcomes as text[]) is null or f.outcome = any(cast(:outcomes as text[])))
order by f.fire_at desc, f.schedule_id limit :limit

-- name: notify
select pg_notify(:channel, '')

-- name: fire_counts
select process_id, sum(started) as started, sum(skipped) as skipped, sum(failed) as failed,
    sum(sla_breaches) as sla_breaches
from schedule group by process_id

-- name: longest_delay
select extract(epoch from engine_now() - least(
    (select min(due_at) from schedule where status = 'active' and due_at <= engine_now()),
    (select min(due_at) from timer where due_at <= engine_now()))) as seconds
