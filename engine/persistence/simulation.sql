-- name: make_clock
create table simulated_clock (shows timestamptz not null)

-- name: obey_clock
create or replace function engine_now() returns timestamptz
language sql volatile as 'select shows from simulated_clock'

-- name: allow_no_other_clock
do $$ declare c record; begin
    for c in select table_name, column_name from information_schema.columns
             where table_schema = current_schema() and column_default like '%clock_timestamp()%' loop
        execute format('alter table %I alter column %I set default engine_now()', c.table_name, c.column_name);
    end loop;
end $$

-- name: be_quick
-- Nothing in a throw-away database has to outlive a crash.
do $$ begin
    execute format('alter database %I set synchronous_commit = off', current_database());
end $$

-- name: start_clock
insert into simulated_clock values (:shows)

-- name: set_clock
update simulated_clock set shows = :shows

-- name: offered_jobs
-- The job of a worker that crashed is offered again when its lease expires.
select job_id, process_instance_id, task_id, element_id, type, attempt,
    case status when 'running' then lease_until else available_at end as available_at
from job where status in ('available', 'running') order by job_id

-- name: claim_job
-- Of several that are due it is the simulation that chooses.
update job set lost_leases = lost_leases + case status when 'running' then 1 else 0 end,
    status = 'running', epoch = epoch + 1, lease_owner = :worker_id,
    lease_until = engine_now() + make_interval(secs => :lease_seconds)
where job_id = :job_id and status in ('available', 'running')
returning job_id, process_instance_id, task_id, element_id, type, input, attempt, max_attempts, epoch, tenant_id,
    priority, lost_leases, payload, result

-- name: open_user_tasks
select user_task_id, process_instance_id, task_id, element_id, candidate_groups, candidate_users, assignee
from user_task where status = 'open' order by user_task_id

-- name: awaited_messages
select task_id, process_instance_id, element_id, kind, name, correlation_key, is_repeating
from subscription where task_id is not null order by subscription_id

-- name: start_subscriptions
select element_id, process_id, kind, name from subscription where task_id is null order by subscription_id

-- name: next_fire
select least((select min(due_at) from timer), (select min(due_at) from schedule where status = 'active')) as due_at

-- name: timers_running
select process_instance_id, element_id, due_at from timer order by due_at, timer_id

-- name: schedules_running
select process_id, start_event_id as element_id, due_at from schedule
where status = 'active' and start_event_id is not null order by due_at, schedule_id

-- name: stop_schedules
update schedule set status = 'ended', next_fire_at = null, due_at = null
where cast(:spared as text) is null or process_id <> :spared

-- name: prepare_schedules
update schedule set variables = cast(:variables as jsonb) where process_id = :process_id

-- name: count_events
select count(*) as number from event
where element_id = :element_id and kind = :kind and payload ->> 'kind' is distinct from 'MultiInstanceBody'

-- name: instances_begun
select process_instance_id, process_id, status from process_instance order by process_instance_id

-- name: all_events
select sequence, process_instance_id, business_key, kind, element_id, payload, occurred_at from event
order by xid, sequence
