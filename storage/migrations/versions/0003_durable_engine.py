"""The durable engine: one row for each live task and variable, timers, subscriptions, incidents, operations."""

from alembic import op

revision = "0003"
down_revision = "0002"

# The engine's clock. Everything that decides about leases, due times and expiry asks it and nothing else. Volatile, so
# that it is inlined; an index condition takes it as (select engine_now()).
_CLOCK = """
create function engine_now() returns timestamptz language sql volatile as 'select clock_timestamp()';
"""

_INSTANCES = """
alter table process_instance rename column revision to version;
alter table process_instance alter column version type bigint;
alter table process_instance drop column state, drop column incident;
alter table process_instance
    add column process_id text,
    add column positions bigint not null default 0,
    add column open_incidents integer not null default 0,
    add column suspended_at timestamptz;
update process_instance i set process_id = d.process_id
from process_definition d where d.process_definition_id = i.process_definition_id;
alter table process_instance alter column process_id set not null;
drop index process_instance_live;
create index process_instance_live on process_instance (status, process_id) where status in ('running', 'suspended');

-- Live tasks: a token, or an activity around tokens. What is over leaves the table; the event log has its history.
create table task (
    task_id uuid primary key,
    process_instance_id uuid not null,
    parent_id uuid not null,
    process_id text not null,
    spec text not null,
    state integer not null,
    position bigint not null,
    internal jsonb not null default '{}'
);
create index task_by_instance on task (process_instance_id);

create table variable (
    process_instance_id uuid not null,
    scope_id uuid not null,
    name text not null,
    value jsonb not null,
    primary key (process_instance_id, scope_id, name)
);
"""

_JOBS = """
-- No foreign keys on what is written in every step: the step's own lock on the instance guards it.
alter table job drop constraint job_process_instance_id_fkey, drop constraint job_task_id_key;
alter table event drop constraint event_process_instance_id_fkey;
delete from job where status not in ('available', 'running', 'failed');
alter table job
    add column tenant_id text,
    add column priority integer not null default 0,
    add column lost_leases integer not null default 0,
    add column payload jsonb,
    add column result jsonb;
update job j set tenant_id = i.tenant_id from process_instance i where i.process_instance_id = j.process_instance_id;
alter table job alter column tenant_id set not null, drop column finished_at;
drop index job_claimable;
create index job_available on job (tenant_id, priority desc, available_at) where status = 'available';
create index job_leased on job (lease_until) where status = 'running';

create table worker (
    worker_id text primary key,
    host text not null,
    process_number integer not null,
    task_types jsonb not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    is_draining boolean not null default false
);
"""

_PEOPLE = """
alter table user_task drop constraint user_task_task_id_key, drop constraint user_task_process_instance_id_fkey;
alter table user_task
    add column process_id text,
    add column candidate_users jsonb not null default '[]',
    add column assignee text,
    add column delegated_by text,
    add column priority integer not null default 50,
    add column due_at timestamptz,
    add column follow_up_at timestamptz,
    add column draft jsonb,
    add column excluded jsonb not null default '[]',
    alter column created_at set default engine_now();
update user_task t set process_id = i.process_id
from process_instance i where i.process_instance_id = t.process_instance_id;
alter table user_task alter column process_id set not null;
drop index user_task_open;
-- The order of the inbox, most urgent first, then oldest first: for a large group one page is one range of this index.
create index user_task_open on user_task (tenant_id, (-priority), user_task_id) where status = 'open';
-- For small groups and single persons, whose tasks lie far apart in that order.
create index user_task_candidates on user_task using gin (candidate_groups, candidate_users) where status = 'open';
create index user_task_assignee on user_task (assignee) where status = 'open' and assignee is not null;
-- Who did what in an instance: separation of duties asks it of every task of a page.
create index user_task_performer on user_task (process_instance_id, completed_by, element_id)
    where status = 'completed';

create table user_task_comment (
    comment_id uuid primary key,
    user_task_id uuid not null references user_task,
    author text not null,
    content text not null,
    created_at timestamptz not null default engine_now()
);
create index user_task_comment_by_task on user_task_comment (user_task_id, comment_id);
"""

_EVENTS = """
-- Timers of waiting events. A fired timer that does not repeat is gone; its trigger job tells the instance.
create table timer (
    timer_id uuid primary key,
    process_instance_id uuid not null,
    task_id uuid not null,
    tenant_id text not null,
    element_id text not null,
    due_at timestamptz not null,
    cycle text,
    remaining integer
);
create index timer_due on timer (due_at);
create index timer_by_instance on timer (process_instance_id);

-- Who waits for a message or a signal: a task of an instance, or the start event of a newest definition.
create table subscription (
    subscription_id uuid primary key,
    kind text not null,
    name text not null,
    correlation_key text,
    tenant_id text,
    process_instance_id uuid,
    task_id uuid,
    element_id text not null,
    process_id text not null,
    process_definition_id uuid,
    is_repeating boolean not null,
    created_at timestamptz not null default engine_now()
);
create index subscription_by_name on subscription (tenant_id, kind, name, correlation_key, created_at);
create index subscription_by_instance on subscription (process_instance_id, task_id);

create table message (
    message_id uuid primary key,
    tenant_id text not null,
    name text not null,
    correlation_key text not null,
    deduplication_id text,
    payload jsonb not null,
    published_by jsonb not null,
    published_at timestamptz not null default engine_now(),
    expires_at timestamptz not null,
    kept_until timestamptz not null,
    status text not null,
    receivers jsonb not null default '[]',
    result jsonb
);
create unique index message_once on message (tenant_id, name, deduplication_id) where deduplication_id is not null;
create index message_buffered on message (tenant_id, name, correlation_key, published_at) where status = 'buffered';
create index message_expiry on message (expires_at) where status = 'buffered';
create index message_retention on message (kept_until);
"""

_OPERATIONS = """
create table incident (
    incident_id uuid primary key,
    process_instance_id uuid not null,
    tenant_id text not null,
    task_id uuid not null,
    job_id uuid not null,
    element_id text not null,
    code text not null,
    message text not null,
    status text not null,
    raised_at timestamptz not null default engine_now(),
    resolved_at timestamptz,
    resolved_by text,
    retries integer not null default 0
);
create index incident_by_instance on incident (process_instance_id);
create index incident_by_job on incident (job_id) where status <> 'resolved';
create index incident_open on incident (tenant_id, incident_id) where status <> 'resolved';

create table operation (
    tenant_id text not null,
    idempotency_key text not null,
    kind text not null,
    subject text not null,
    request_sha256 text not null,
    result jsonb not null,
    performed_by text not null,
    performed_at timestamptz not null default engine_now(),
    primary key (tenant_id, idempotency_key)
);
"""

# One call writes everything that a step changed. Versions and epochs are compared here, in the transaction that
# writes: a step computed from an outdated instance, or under a lost lease, changes nothing.
_STEP = """
create function append_audit_leaves(leaves jsonb) returns void language sql as $$
    insert into audit_leaf (audit_ref, tenant_id, canonical_bytes, leaf_hash)
    select audit_ref, tenant_id, convert_to(leaf, 'UTF8'), sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))
    from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, leaf text)
$$;

create function write_step(step jsonb) returns void language plpgsql as $$
declare
    instance_id constant uuid := step ->> 'process_instance_id';
    at constant timestamptz := engine_now();
begin
    if step ? 'start' then
        insert into process_instance
            (process_instance_id, process_definition_id, process_id, pinned_definitions, start_event_id, tenant_id,
             business_key, idempotency_key, started_by, status, positions, started_at, ended_at, version)
        select instance_id, process_definition_id, process_id, pinned_definitions, start_event_id, tenant_id,
               business_key, idempotency_key, started_by, step ->> 'status', (step ->> 'positions')::bigint, at,
               case when step ? 'ended' then at end, 1
        from jsonb_to_record(step -> 'start') as s (
            process_definition_id uuid, process_id text, pinned_definitions jsonb, start_event_id text,
            tenant_id text, business_key text, idempotency_key text, started_by jsonb);
    else
        update process_instance
        set version = version + 1,
            status = step ->> 'status',
            positions = (step ->> 'positions')::bigint,
            open_incidents = open_incidents + coalesce((step ->> 'incidents')::integer, 0),
            ended_at = case when step ? 'ended' then at end
        where process_instance_id = instance_id and version = (step ->> 'version')::bigint;
        if not found then
            raise exception 'the instance has changed' using errcode = 'AM001';
        end if;
    end if;
    if step ? 'job_id' then
        delete from job
        where job_id = (step ->> 'job_id')::uuid and epoch = (step ->> 'epoch')::bigint and status = 'running';
        if not found then
            raise exception 'the lease is lost' using errcode = 'AM002';
        end if;
    end if;
    if step ? 'closed' then
        delete from job
        where process_instance_id = instance_id
          and task_id = any(array(select jsonb_array_elements_text(step -> 'closed'))::uuid[]);
    end if;
    if step ? 'removed' then
        delete from task where task_id = any(array(select jsonb_array_elements_text(step -> 'removed'))::uuid[]);
    end if;
    if step ? 'dropped_scopes' then
        delete from variable
        where process_instance_id = instance_id
          and scope_id = any(array(select jsonb_array_elements_text(step -> 'dropped_scopes'))::uuid[]);
    end if;
    if step ? 'tasks' then
        insert into task (task_id, process_instance_id, parent_id, process_id, spec, state, position, internal)
        select task_id, instance_id, parent_id, process_id, spec, state, position, internal
        from jsonb_to_recordset(step -> 'tasks') as t (
            task_id uuid, parent_id uuid, process_id text, spec text, state integer, position bigint, internal jsonb)
        on conflict (task_id) do update set state = excluded.state, internal = excluded.internal;
    end if;
    if step ? 'variables' then
        insert into variable (process_instance_id, scope_id, name, value)
        select instance_id, scope_id, name, coalesce(value, 'null'::jsonb)
        from jsonb_to_recordset(step -> 'variables') as v (scope_id uuid, name text, value jsonb)
        on conflict (process_instance_id, scope_id, name) do update set value = excluded.value;
    end if;
    if step ? 'jobs' then
        insert into job
            (job_id, process_instance_id, task_id, element_id, type, input, max_attempts, tenant_id, priority, status,
             attempt, epoch, lease_owner, lease_until, available_at, created_at)
        select job_id, instance_id, task_id, element_id, type, input, max_attempts, step ->> 'tenant_id', priority,
               status, 1, epoch, lease_owner, at + make_interval(secs => lease_seconds), at, at
        from jsonb_to_recordset(step -> 'jobs') as j (
            job_id uuid, task_id uuid, element_id text, type text, input jsonb, max_attempts integer, priority integer,
            status text, epoch bigint, lease_owner text, lease_seconds double precision);
    end if;
    if step ? 'events' then
        insert into event (tenant_id, process_instance_id, business_key, kind, element_id, payload, occurred_at)
        select step ->> 'tenant_id', instance_id, step ->> 'business_key', kind, element_id, payload, at
        from jsonb_to_recordset(step -> 'events') as e (kind text, element_id text, payload jsonb);
    end if;
    if step ? 'leaves' then
        perform append_audit_leaves(step -> 'leaves');
    end if;
    if step ? 'notify' then
        perform pg_notify(channel, '') from jsonb_array_elements_text(step -> 'notify') as channel;
    end if;
end $$;
"""


# Whole-instance states and rows of single tasks do not translate into each other: what is alive has to end first.
_NOTHING_ALIVE = """
do $$ begin
    if exists (select 1 from process_instance where status in ('running', 'incident', 'suspended')) then
        raise exception 'process instances are alive: let them end under the version that started them';
    end if;
end $$;
"""

_BACK = """
drop function write_step(jsonb);
drop function append_audit_leaves(jsonb);
drop table operation, incident, message, subscription, timer, user_task_comment, worker, variable, task;

alter table user_task drop column candidate_users, drop column assignee, drop column delegated_by,
    drop column priority, drop column due_at, drop column follow_up_at, drop column draft, drop column excluded,
    drop column process_id;
alter table user_task alter column created_at set default clock_timestamp();
drop index if exists user_task_open, user_task_performer, user_task_candidates, user_task_assignee;
alter table user_task add unique (task_id),
    add foreign key (process_instance_id) references process_instance;
create index user_task_open on user_task (tenant_id, created_at) where status = 'open';

drop index job_available, job_leased;
alter table job drop column tenant_id, drop column priority, drop column lost_leases, drop column payload,
    drop column result, add column finished_at timestamptz;
alter table job add unique (task_id), add foreign key (process_instance_id) references process_instance;
create index job_claimable on job (available_at) where status in ('available', 'running');
alter table event add foreign key (process_instance_id) references process_instance;

drop index process_instance_live;
alter table process_instance drop column process_id, drop column positions, drop column open_incidents,
    drop column suspended_at, add column state jsonb not null default '{}', add column incident jsonb;
alter table process_instance alter column state drop default;
alter table process_instance alter column version type integer;
alter table process_instance rename column version to revision;
create index process_instance_live on process_instance (status) where status in ('running', 'incident');
drop function engine_now();
"""


def upgrade() -> None:
    for statements in (_NOTHING_ALIVE, _CLOCK, _INSTANCES, _JOBS, _PEOPLE, _EVENTS, _OPERATIONS, _STEP):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_NOTHING_ALIVE)
    op.execute(_BACK)
