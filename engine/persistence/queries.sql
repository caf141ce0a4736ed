-- name: definition_by_digest
select process_definition_id, process_id, version, version_tag, name, sha256 from process_definition
where process_id = :process_id and sha256 = :sha256

-- name: newest_definition
select process_definition_id, process_id, version, version_tag, name, sha256 from process_definition
where process_id = :process_id order by version desc limit 1

-- name: definition_xml
select xml from process_definition where process_definition_id = :process_definition_id

-- name: definitions_by_id
select process_definition_id, process_id, version, version_tag, name, sha256 from process_definition
where process_definition_id = any(:process_definition_ids) order by process_id

-- name: newest_definitions
select distinct on (process_id) process_definition_id, process_id, version, version_tag, name, sha256
from process_definition order by process_id, version desc

-- name: insert_definition
insert into process_definition
    (process_definition_id, process_id, version, version_tag, name, sha256, xml, deployed_by)
values (:process_definition_id, :process_id, :version, :version_tag, :name, :sha256, :xml, :deployed_by)

-- name: lock_deployments
-- One deployment at a time, so that versions have no gaps and no twins.
select pg_advisory_xact_lock(hashtextextended('process_definition', 0))

-- name: instance_by_idempotency_key
select process_instance_id, process_definition_id, business_key from process_instance
where tenant_id = :tenant_id and idempotency_key = :idempotency_key

-- name: insert_instance
insert into process_instance
    (process_instance_id, process_definition_id, pinned_definitions, start_event_id, tenant_id, business_key,
     idempotency_key, started_by, status, state)
values
    (:process_instance_id, :process_definition_id, cast(:pinned_definitions as jsonb), :start_event_id, :tenant_id,
     :business_key, :idempotency_key, cast(:started_by as jsonb), :status, cast(:state as jsonb))

-- name: lock_instance
-- Every step of an instance takes this lock first: steps of one instance never interleave.
select * from process_instance where process_instance_id = :process_instance_id for update

-- name: read_instance
select * from process_instance where process_instance_id = :process_instance_id and tenant_id = :tenant_id

-- name: instances_by_business_key
select process_instance_id from process_instance
where tenant_id = :tenant_id and business_key = :business_key order by started_at

-- name: save_instance
update process_instance
set state = cast(:state as jsonb), status = :status, incident = cast(:incident as jsonb), revision = revision + 1,
    ended_at = case when :has_ended then clock_timestamp() end
where process_instance_id = :process_instance_id

-- name: insert_job
insert into job (job_id, process_instance_id, task_id, element_id, type, input, max_attempts)
values (:job_id, :process_instance_id, :task_id, :element_id, :type, cast(:input as jsonb), :max_attempts)

-- name: claim_job
-- SKIP LOCKED: a second worker must not wait for the first. An expired lease makes a running job claimable again; the
-- epoch tells the new owner's writes from the old one's.
update job
set status = 'running', epoch = epoch + 1, attempt = attempt + 1, lease_owner = :worker_id,
    lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
where job_id = (
    select job_id from job
    where type = any(:types)
      and ((status = 'available' and available_at <= clock_timestamp())
           or (status = 'running' and lease_until < clock_timestamp()))
    order by available_at
    for update skip locked
    limit 1
)
returning job_id, process_instance_id, task_id, element_id, type, input, attempt, max_attempts, epoch

-- name: seconds_until_next_job
select extract(epoch from min(case status when 'available' then available_at else lease_until end) - clock_timestamp())
    as seconds
from job where status in ('available', 'running') and type = any(:types)

-- name: extend_lease
update job set lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
where job_id = :job_id and epoch = :epoch and status = 'running'

-- name: lock_job
select job_id from job where job_id = :job_id and epoch = :epoch and status = 'running' for update

-- name: finish_job
update job set status = 'done', finished_at = clock_timestamp(), lease_until = null where job_id = :job_id

-- name: release_job
-- Gives a job back, unharmed: the attempt does not count.
update job set status = 'available', attempt = attempt - 1, lease_until = null, lease_owner = null
where job_id = :job_id and epoch = :epoch and status = 'running'

-- name: retry_job
update job
set status = 'available', lease_until = null, lease_owner = null, last_error = cast(:last_error as jsonb),
    available_at = clock_timestamp() + make_interval(secs => :delay_seconds)
where job_id = :job_id

-- name: fail_job
update job set status = 'failed', finished_at = clock_timestamp(), lease_until = null,
    last_error = cast(:last_error as jsonb)
where job_id = :job_id

-- name: cancel_task
update job set status = 'cancelled', finished_at = clock_timestamp(), lease_until = null
where task_id = :task_id and status in ('available', 'running')

-- name: cancel_user_task
update user_task set status = 'cancelled', completed_at = clock_timestamp()
where task_id = :task_id and status = 'open'

-- name: tasks_with_rows
select task_id from job where process_instance_id = :process_instance_id
union all
select task_id from user_task where process_instance_id = :process_instance_id

-- name: insert_user_task
insert into user_task
    (user_task_id, process_instance_id, task_id, element_id, name, lane, form_id, candidate_groups,
     excluded_principals, context, tenant_id)
values
    (:user_task_id, :process_instance_id, :task_id, :element_id, :name, :lane, :form_id,
     cast(:candidate_groups as jsonb), cast(:excluded_principals as jsonb), cast(:context as jsonb), :tenant_id)

-- name: open_user_tasks
select * from user_task
where tenant_id = :tenant_id and status = 'open' and candidate_groups ?| cast(:groups as text[])
order by created_at limit :limit

-- name: instance_of_user_task
select process_instance_id from user_task where user_task_id = :user_task_id and tenant_id = :tenant_id

-- name: lock_user_task
select * from user_task where user_task_id = :user_task_id and tenant_id = :tenant_id for update

-- name: user_tasks_of_instance
select * from user_task where process_instance_id = :process_instance_id order by created_at

-- name: complete_user_task
update user_task
set status = 'completed', submission = cast(:submission as jsonb), completed_by = :completed_by,
    completed_at = clock_timestamp()
where user_task_id = :user_task_id

-- name: insert_event
insert into event (tenant_id, process_instance_id, business_key, kind, element_id, payload)
values (:tenant_id, :process_instance_id, :business_key, :kind, :element_id, cast(:payload as jsonb))

-- name: notify
select pg_notify(:channel, :payload)

-- name: event_exists
select sequence from event where sequence = :sequence and tenant_id = :tenant_id

-- name: events_after
-- Transactions commit out of order, so sequence numbers appear out of order. Reading in order of transaction, and only
-- transactions older than every running one, no event can appear behind a cursor that has passed it.
select sequence, process_instance_id, business_key, kind, element_id, payload, occurred_at from event
where tenant_id = :tenant_id
  and (cast(:process_instance_id as uuid) is null or process_instance_id = cast(:process_instance_id as uuid))
  and (cast(:business_key as text) is null or business_key = cast(:business_key as text))
  and xid < pg_snapshot_xmin(pg_current_snapshot())
  and (:sequence = 0 or (xid, sequence) > (select e.xid, e.sequence from event e where e.sequence = :sequence))
order by xid, sequence limit :limit

-- name: has_unsettled_events
-- Committed, but younger than a transaction that still runs somewhere in the cluster: visible to events_after soon.
select exists (
    select 1 from event
    where tenant_id = :tenant_id
      and (cast(:process_instance_id as uuid) is null or process_instance_id = cast(:process_instance_id as uuid))
      and (cast(:business_key as text) is null or business_key = cast(:business_key as text))
      and xid >= pg_snapshot_xmin(pg_current_snapshot())
) as unsettled

-- name: events_of_instance
select sequence, process_instance_id, business_key, kind, element_id, payload, occurred_at from event
where process_instance_id = :process_instance_id order by sequence

-- name: insert_schedule
insert into schedule
    (schedule_id, tenant_id, process_id, variables, interval_seconds, missed_fires, next_fire_at, due_at, started_by)
values
    (:schedule_id, :tenant_id, :process_id, cast(:variables as jsonb), :interval_seconds, :missed_fires, :next_fire_at,
     :next_fire_at, cast(:started_by as jsonb))

-- name: claim_due_schedule
-- SKIP LOCKED: another scheduler is firing that row right now. The lock lasts until the fire time has moved on.
select * from schedule where is_active and due_at <= clock_timestamp()
order by due_at for update skip locked limit 1

-- name: advance_schedule
update schedule
set last_fire_at = next_fire_at, next_fire_at = :next_fire_at, due_at = :next_fire_at, failures = 0, last_error = null
where schedule_id = :schedule_id

-- name: postpone_schedule
-- Guarded by the fire time: if another scheduler has fired it meanwhile, there is nothing to postpone.
update schedule
set due_at = clock_timestamp() + make_interval(secs => :delay_seconds), failures = failures + 1,
    last_error = cast(:last_error as jsonb)
where schedule_id = :schedule_id and next_fire_at = :fire_at

-- name: seconds_until_next_fire
select extract(epoch from min(due_at) - clock_timestamp()) as seconds from schedule where is_active

-- name: deactivate_schedule
update schedule set is_active = false where schedule_id = :schedule_id and tenant_id = :tenant_id

-- name: schedules_of_tenant
select * from schedule where tenant_id = :tenant_id order by schedule_id

-- name: live_instances
select d.process_id, i.status, count(*) as number
from process_instance i join process_definition d using (process_definition_id)
where i.status in ('running', 'incident') group by d.process_id, i.status

-- name: live_jobs
select type, status, count(*) as number from job
where status in ('available', 'running') group by type, status

-- name: open_user_task_counts
select name, count(*) as number from user_task where status = 'open' group by name

-- name: longest_job_wait
select extract(epoch from clock_timestamp() - min(available_at)) as seconds from job
where status = 'available' and available_at <= clock_timestamp()
