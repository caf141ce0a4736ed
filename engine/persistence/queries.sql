-- name: definition_by_digest
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_id = :process_id and sha256 = :sha256

-- name: newest_definition
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_id = :process_id order by version desc limit 1

-- name: newest_tagged_definition
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_id = :process_id and version_tag = :version_tag order by version desc limit 1

-- name: newest_definition_when_deployed
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_id = :process_id
    and deployed_at <= (select deployed_at from process_definition where process_definition_id = :deployed_id)
order by version desc limit 1

-- name: version_tags
select process_id, array_agg(distinct version_tag) as version_tags from process_definition
where version_tag is not null group by process_id

-- name: definition_of_version
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_id = :process_id and version = :version

-- name: definition_xml
select xml from process_definition where process_definition_id = :process_definition_id

-- name: definitions_by_id
select process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256
from process_definition
where process_definition_id = any(:process_definition_ids) order by process_id

-- name: newest_definitions
select distinct on (process_id) process_definition_id, process_id, version, version_tag, name, sha256,
    canonical_sha256
from process_definition order by process_id, version desc

-- name: insert_definition
insert into process_definition
    (process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256, xml, deployed_by,
     deployed_at)
values (:process_definition_id, :process_id, :version, :version_tag, :name, :sha256, :canonical_sha256, :xml,
    :deployed_by, coalesce(:deployed_at, clock_timestamp()))

-- name: lock_deployments
-- One deployment at a time, so that versions have no gaps and no twins.
select pg_advisory_xact_lock(hashtextextended('process_definition', 0))

-- name: time_of_deployment
-- Read behind the lock: who deploys later has a later time.
select clock_timestamp() as deployed_at

-- name: instance_by_idempotency_key
select * from process_instance where tenant_id = :tenant_id and idempotency_key = :idempotency_key

-- name: lock_instance
-- Every step that runs handlers takes this lock first: steps of one instance never interleave.
select version from process_instance where process_instance_id = :process_instance_id for update

-- name: lock_for_steps
-- Several instances and the jobs that steps of theirs finish, in one order; with the time, because handlers ask for it.
select * from lock_for_steps(cast(:instance_ids as uuid[]), cast(:job_ids as uuid[]), cast(:epochs as bigint[]))

-- name: read_instance
select i.*, (select sha256 from process_definition d where d.process_definition_id = i.process_definition_id)
    as definition_sha256
from process_instance i
where process_instance_id = :process_instance_id
  and (cast(:tenant_id as text) is null or tenant_id = cast(:tenant_id as text))

-- name: instances_by_business_key
select process_instance_id from process_instance
where tenant_id = :tenant_id and business_key = :business_key order by started_at

-- name: live_instances_of_definition
select process_instance_id from process_instance
where process_definition_id = :process_definition_id and tenant_id = :tenant_id
  and status in ('running', 'suspended')
  and (cast(:after as uuid) is null or process_instance_id > cast(:after as uuid))
order by process_instance_id limit cast(:limit as bigint)

-- name: instances_page
-- An instance with an open incident runs, but is not shown as running.
select * from process_instance
where tenant_id = :tenant_id
  and (cast(:process_id as text) is null or process_id = cast(:process_id as text))
  and (cast(:business_key as text) is null or business_key = cast(:business_key as text))
  and (cast(:statuses as text[]) is null or
       case when status = 'running' and open_incidents > 0 then 'incident' else status end
           = any(cast(:statuses as text[])))
  and (cast(:before as uuid) is null or process_instance_id < cast(:before as uuid))
order by process_instance_id desc limit :limit

-- name: instance_state
-- One round trip. Only after the instance is locked, or where the version is compared when writing.
select
    (select jsonb_agg(jsonb_build_object('task_id', task_id, 'parent_id', parent_id, 'process_id', process_id,
                                         'spec', spec, 'state', state, 'position', position, 'internal', internal))
     from task where process_instance_id = :process_instance_id) as tasks,
    (select jsonb_agg(jsonb_build_object('scope_id', scope_id, 'name', name, 'value', value))
     from variable where process_instance_id = :process_instance_id) as variables

-- name: instances_with_state
-- Several instances and all that is alive in them, for whoever compares versions when writing.
select i.*,
    (select sha256 from process_definition d where d.process_definition_id = i.process_definition_id)
        as definition_sha256,
    (select jsonb_agg(jsonb_build_object('task_id', task_id, 'parent_id', parent_id, 'process_id', t.process_id,
                                         'spec', spec, 'state', state, 'position', position, 'internal', internal))
     from task t where t.process_instance_id = i.process_instance_id) as tasks,
    (select jsonb_agg(jsonb_build_object('scope_id', scope_id, 'name', name, 'value', value))
     from variable v where v.process_instance_id = i.process_instance_id) as variables
from process_instance i where i.process_instance_id = any(:process_instance_ids)

-- name: ids_named_by_instances
-- Wherever an instance keeps what it knows: what could be an id, whoever's. A draft is not yet its knowledge.
with said as (
    select process_instance_id, business_key as content from process_instance
    where process_instance_id = any(:process_instance_ids)
    union all
    select process_instance_id, cast(value as text) from variable where process_instance_id = any(:process_instance_ids)
    union all
    select process_instance_id, concat(context, submission)
    from user_task where process_instance_id = any(:process_instance_ids)
    union all
    select process_instance_id, cast(input as text) from job where process_instance_id = any(:process_instance_ids)
    union all
    select process_instance_id, message from incident where process_instance_id = any(:process_instance_ids)
)
select distinct said.process_instance_id, cast(found[1] as uuid) as named
from said join process_instance i using (process_instance_id),
     regexp_matches(said.content, '(' || :id_pattern || ')', 'gi') as found
where i.tenant_id = :tenant_id

-- name: variables_of_scope
select name, value from variable
where process_instance_id = :process_instance_id and scope_id = :scope_id order by name

-- name: write_step
select write_step(cast(:step as jsonb))

-- name: write_steps
select write_steps(cast(:steps as jsonb))

-- name: claim_jobs
-- Fair between tenants: each has its first turn before any has its second, and who has jobs running has had as many; in
-- a tenant the priority decides, then age.
-- Of the types that may take long, or are limited, one job at most; as of those whose worker vanished, or the one that
-- ends its workers would take those along that are claimed with it. SKIP LOCKED: a second worker must not wait for the
-- first. An expired lease makes a running job claimable again; the epoch tells its new owner's writes from the old one's.
with recursive tenants as (
    (select tenant_id from job where status = 'available' order by tenant_id limit 1)
    union all
    select (select j.tenant_id from job j
            where j.status = 'available' and j.tenant_id > t.tenant_id order by j.tenant_id limit 1)
    from tenants t where t.tenant_id is not null
),
busy as (
    select tenant_id, count(*) as running from job where status = 'running' group by tenant_id
),
offered as (
    select c.*, coalesce(b.running, 0)
        + row_number() over (partition by c.tenant_id order by c.priority desc, c.available_at) as turn
    from tenants t left join busy b on b.tenant_id = t.tenant_id cross join lateral (
        select job_id, tenant_id, priority, available_at, type = any(:single_types) or lost_leases > 0 as is_single
        from job
        where status = 'available' and tenant_id = t.tenant_id and type = any(:types)
          and available_at <= engine_now()
        order by priority desc, available_at limit :candidates
    ) c
),
expired as (
    select job_id, true as is_single from job
    where status = 'running' and lease_until < (select engine_now()) and type = any(:types)
    order by lease_until limit :candidates
),
candidates as (
    select job_id, is_single, row_number() over () as place from (
        select job_id, is_single from expired
        union all
        (select job_id, is_single from offered order by turn, priority desc, available_at)
    ) both_kinds
),
-- No row is locked that is not taken: a worker that claims at the same time would find nothing.
single as materialized (
    select j.job_id from candidates c join job j using (job_id)
    where c.is_single and ((j.status = 'available' and j.available_at <= engine_now())
                           or (j.status = 'running' and j.lease_until < engine_now()))
    order by c.place
    for update of j skip locked
    limit 1
),
short as materialized (
    select j.job_id from candidates c join job j using (job_id)
    where not c.is_single and ((j.status = 'available' and j.available_at <= engine_now())
                               or (j.status = 'running' and j.lease_until < engine_now()))
    order by c.place
    for update of j skip locked
    limit :number
),
chosen as (select job_id from single union all select job_id from short)
update job
set lost_leases = lost_leases + case status when 'running' then 1 else 0 end,
    status = 'running', epoch = epoch + 1, lease_owner = :worker_id,
    lease_until = engine_now() + make_interval(secs => :lease_seconds)
from chosen where job.job_id = chosen.job_id
returning job.job_id, process_instance_id, task_id, element_id, type, input, attempt, max_attempts, epoch, tenant_id,
    priority, lost_leases, payload, result

-- name: lock_job_type
-- Claims of a limited type are counted one after another.
select pg_advisory_xact_lock(hashtextextended('job type ' || :type, 0))

-- name: running_jobs_of_type
select count(*) as number from job where status = 'running' and lease_until >= (select engine_now()) and type = :type

-- name: seconds_until_next_job
select extract(epoch from least(
    (select min(available_at) from job where status = 'available' and type = any(:types)),
    (select min(lease_until) from job where status = 'running' and type = any(:types))
) - engine_now()) as seconds

-- name: extend_leases
update job set lease_until = engine_now() + make_interval(secs => :lease_seconds)
from unnest(cast(:job_ids as uuid[]), cast(:epochs as bigint[])) as held (held_id, held_epoch)
where job_id = held_id and epoch = held_epoch and status = 'running'
returning job_id

-- name: lock_job
select job_id from job where job_id = :job_id and epoch = :epoch and status = 'running' for update

-- name: finish_job
delete from job where job_id = :job_id and epoch = :epoch and status = 'running'

-- name: release_jobs
-- Gives jobs back, unharmed; those of a suspended instance wait for it.
update job
set status = case when (select status from process_instance i where i.process_instance_id = job.process_instance_id)
                       = 'suspended' then 'suspended' else 'available' end,
    lease_until = null, lease_owner = null
from unnest(cast(:job_ids as uuid[]), cast(:epochs as bigint[])) as held (held_id, held_epoch)
where job_id = held_id and epoch = held_epoch and status = 'running'

-- name: retry_job
update job
set status = case when (select status from process_instance i where i.process_instance_id = job.process_instance_id)
                       = 'suspended' then 'suspended' else 'available' end,
    attempt = attempt + 1, lease_until = null, lease_owner = null, last_error = cast(:last_error as jsonb),
    available_at = engine_now() + make_interval(secs => :delay_seconds)
where job_id = :job_id

-- name: fail_job
update job set status = 'failed', lease_until = null, lease_owner = null, last_error = cast(:last_error as jsonb),
    result = coalesce(cast(:result as jsonb), result)
where job_id = :job_id

-- name: park_job
-- Its instance is, or was a moment ago, suspended: what the handler brought is kept until it runs.
update job
set status = case when (select status from process_instance i where i.process_instance_id = job.process_instance_id)
                       = 'suspended' then 'suspended' else 'available' end,
    lease_until = null, lease_owner = null, result = cast(:result as jsonb)
where job_id = :job_id and epoch = :epoch and status = 'running'

-- name: revive_job
update job set status = 'available', attempt = 1, lost_leases = 0, max_attempts = greatest(:retries, 1),
    available_at = engine_now(), result = case when :keep_result then result end
where job_id = :job_id and status = 'failed'

-- name: suspend_jobs
update job set status = 'suspended' where process_instance_id = :process_instance_id and status = 'available'

-- name: resume_jobs
update job set status = 'available' where process_instance_id = :process_instance_id and status = 'suspended'

-- name: job_of_task
select job_id, status from job where process_instance_id = :process_instance_id and task_id = :task_id

-- name: register_worker
insert into worker (worker_id, host, process_number, task_types, started_at, seen_at)
values (:worker_id, :host, :process_number, cast(:task_types as jsonb), engine_now(), engine_now())
on conflict (worker_id) do update set seen_at = engine_now(), is_draining = :is_draining

-- name: forget_worker
delete from worker where worker_id = :worker_id

-- name: forget_silent_workers
delete from worker where seen_at < engine_now() - make_interval(secs => :silent_seconds)

-- name: workers
select * from worker order by started_at, worker_id

-- name: raise_incident
insert into incident
    (incident_id, process_instance_id, tenant_id, task_id, job_id, element_id, code, message, status)
values (:incident_id, :process_instance_id, :tenant_id, :task_id, :job_id, :element_id, :code, :message, 'open')

-- name: count_incidents
-- The version grows, so that no warm copy of the instance misses the incident.
update process_instance set open_incidents = open_incidents + :number, version = version + 1
where process_instance_id = :process_instance_id

-- name: incident_of_job
select * from incident where job_id = :job_id and status <> 'resolved'

-- name: reopen_incident
update incident set status = 'open', code = :code, message = :message, raised_at = engine_now()
where incident_id = :incident_id

-- name: retry_incident
update incident set status = 'retrying', retries = retries + 1 where incident_id = :incident_id and status = 'open'

-- name: resolve_incident
update incident set status = 'resolved', resolved_at = engine_now(), resolved_by = :resolved_by
where incident_id = :incident_id and status <> 'resolved'

-- name: lock_incident
select * from incident where incident_id = :incident_id and tenant_id = :tenant_id for update

-- name: read_incident
select * from incident where incident_id = :incident_id and tenant_id = :tenant_id

-- name: incidents_of_instance
select * from incident where process_instance_id = :process_instance_id order by incident_id

-- name: open_incidents
select * from incident where tenant_id = :tenant_id and status <> 'resolved' order by incident_id limit :limit

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

-- name: compensated_events
select sequence, process_instance_id, business_key, kind, element_id, payload, occurred_at from event
where process_instance_id = :process_instance_id and kind = 'element.compensated'
    and payload ->> 'thrown_by' = :thrown_by
order by sequence

-- name: insert_schedule
insert into schedule
    (schedule_id, tenant_id, process_id, variables, interval_seconds, missed_fires, next_fire_at, due_at, started_by)
values
    (:schedule_id, :tenant_id, :process_id, cast(:variables as jsonb), :interval_seconds, :missed_fires, :next_fire_at,
     :next_fire_at, cast(:started_by as jsonb))

-- name: claim_due_schedule
-- SKIP LOCKED: another scheduler is firing that row right now. The lock lasts until the fire time has moved on.
select * from schedule where is_active and due_at <= engine_now()
order by due_at for update skip locked limit 1

-- name: advance_schedule
update schedule
set last_fire_at = next_fire_at, next_fire_at = :next_fire_at, due_at = :next_fire_at, failures = 0, last_error = null
where schedule_id = :schedule_id

-- name: postpone_schedule
-- Guarded by the fire time: if another scheduler has fired it meanwhile, there is nothing to postpone.
update schedule
set due_at = engine_now() + make_interval(secs => :delay_seconds), failures = failures + 1,
    last_error = cast(:last_error as jsonb)
where schedule_id = :schedule_id and next_fire_at = :fire_at

-- name: seconds_until_next_fire
select extract(epoch from min(due_at) - engine_now()) as seconds from schedule where is_active

-- name: deactivate_schedule
update schedule set is_active = false where schedule_id = :schedule_id and tenant_id = :tenant_id

-- name: schedules_of_tenant
select * from schedule where tenant_id = :tenant_id order by schedule_id

-- name: live_instances
select d.process_id, i.status, count(*) as number
from process_instance i join process_definition d using (process_definition_id)
where i.status in ('running', 'suspended') group by d.process_id, i.status

-- name: live_jobs
select type, status, count(*) as number from job
where status in ('available', 'running', 'failed', 'suspended') group by type, status

-- name: open_user_task_counts
select name, count(*) as number from user_task where status = 'open' group by name

-- name: longest_job_wait
select extract(epoch from engine_now() - min(available_at)) as seconds from job
where status = 'available' and available_at <= engine_now()
