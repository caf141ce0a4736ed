-- name: insert_timers
-- The notification wakes a scheduler that sleeps towards a later time.
with stored as (
    insert into timer (timer_id, process_instance_id, task_id, tenant_id, element_id, due_at, cycle, remaining)
    select timer_id, process_instance_id, task_id, tenant_id, element_id, due_at, cycle, remaining
    from jsonb_to_recordset(cast(:timers as jsonb)) as t (
        timer_id uuid, process_instance_id uuid, task_id uuid, tenant_id text, element_id text, due_at timestamptz,
        cycle text, remaining integer)
    returning timer_id
)
select pg_notify(:channel, '') from stored limit 1

-- name: close_timers
delete from timer where process_instance_id = :process_instance_id and task_id = any(:task_ids)

-- name: claim_due_timers
-- SKIP LOCKED: another scheduler is firing those. A timer fires for as long as its row is there: once.
select * from timer where due_at <= engine_now() order by due_at for update skip locked limit :limit

-- name: trigger_due_timers
-- One job for each timer that fired. A cycle whose last job waits for a person, because its instance is suspended or
-- the job has an incident, adds none. Instances that have ended need none.
with fired as (
    select * from jsonb_to_recordset(cast(:jobs as jsonb)) as f (
        job_id uuid, process_instance_id uuid, task_id uuid, tenant_id text, element_id text, cycle text)
)
insert into job (job_id, process_instance_id, task_id, element_id, type, tenant_id, input, payload, attempt,
                 max_attempts, status, available_at)
select f.job_id, f.process_instance_id, f.task_id, f.element_id, :type, f.tenant_id, '{}',
    jsonb_build_object('kind', 'timer', 'variables', jsonb_build_object()), 1, :max_attempts,
    case i.status when 'suspended' then 'suspended' else 'available' end, engine_now()
from fired f join process_instance i using (process_instance_id)
where i.status in ('running', 'suspended')
  and (f.cycle is null or not exists (
      select from job j
      where j.process_instance_id = f.process_instance_id and j.task_id = f.task_id and j.type = :type
        and j.status in ('suspended', 'failed')))

-- name: delete_timers
delete from timer where timer_id = any(:timer_ids)

-- name: rearm_timers
update timer set due_at = r.due_at, remaining = r.remaining
from jsonb_to_recordset(cast(:timers as jsonb)) as r (timer_id uuid, due_at timestamptz, remaining integer)
where timer.timer_id = r.timer_id

-- name: seconds_until_next_timer
select extract(epoch from min(due_at) - engine_now()) as seconds from timer

-- name: timers_of_process
select t.* from timer t join process_instance i using (process_instance_id)
where t.tenant_id = :tenant_id and i.process_id = :process_id
order by t.due_at, t.timer_id limit :limit

-- name: timers_of_instance
select * from timer where process_instance_id = :process_instance_id order by due_at, timer_id
