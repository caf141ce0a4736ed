"""Documents, audit leaves, and the engine's definitions, instances, jobs, user tasks and events."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
create table document (
    id uuid primary key,
    model text not null,
    tenant_id text not null,
    data_classification text not null,
    body jsonb not null,
    revision integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
create index document_by_model on document (tenant_id, model, id desc) where deleted_at is null;
create unique index document_model_version on document (tenant_id, (body ->> 'name'), ((body ->> 'version')::integer))
    where model = 'ModelArtifact' and deleted_at is null;
create unique index document_dataset_version on document ((body ->> 'dataset_id'), ((body ->> 'version')::integer))
    where model = 'DatasetVersion' and deleted_at is null;
create index document_by_body on document using gin (body jsonb_path_ops);

create table audit_leaf (
    audit_ref uuid primary key,
    tenant_id text not null,
    canonical_bytes bytea not null,
    leaf_hash bytea not null,
    xid xid8 not null default pg_current_xact_id()
);

create table process_definition (
    process_definition_id uuid primary key,
    process_id text not null,
    version integer not null,
    version_tag text,
    name text not null,
    sha256 text not null,
    xml bytea not null,
    deployed_by text not null,
    deployed_at timestamptz not null default clock_timestamp(),
    unique (process_id, version),
    unique (process_id, sha256)
);

create table process_instance (
    process_instance_id uuid primary key,
    process_definition_id uuid not null references process_definition,
    pinned_definitions jsonb not null,
    start_event_id text not null,
    tenant_id text not null,
    business_key text,
    idempotency_key text,
    started_by jsonb not null,
    status text not null,
    state jsonb not null,
    incident jsonb,
    revision integer not null default 1,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    unique (tenant_id, idempotency_key)
);
create index process_instance_by_business_key on process_instance (tenant_id, business_key);

create index process_instance_live on process_instance (status) where status in ('running', 'incident');

create table job (
    job_id uuid primary key,
    process_instance_id uuid not null references process_instance,
    task_id uuid not null unique,
    element_id text not null,
    type text not null,
    input jsonb not null,
    status text not null default 'available',
    attempt integer not null default 0,
    max_attempts integer not null,
    epoch bigint not null default 0,
    lease_until timestamptz,
    lease_owner text,
    available_at timestamptz not null default clock_timestamp(),
    last_error jsonb,
    created_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
create index job_claimable on job (available_at) where status in ('available', 'running');
create index job_by_instance on job (process_instance_id);

create table user_task (
    user_task_id uuid primary key,
    process_instance_id uuid not null references process_instance,
    task_id uuid not null unique,
    element_id text not null,
    name text not null,
    lane text,
    form_id text,
    candidate_groups jsonb not null,
    excluded_principals jsonb not null,
    context jsonb not null,
    tenant_id text not null,
    status text not null default 'open',
    submission jsonb,
    completed_by text,
    created_at timestamptz not null default clock_timestamp(),
    completed_at timestamptz
);
create index user_task_open on user_task (tenant_id, created_at) where status = 'open';
create index user_task_by_instance on user_task (process_instance_id);

create table event (
    sequence bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    tenant_id text not null,
    process_instance_id uuid not null references process_instance,
    business_key text,
    kind text not null,
    element_id text,
    payload jsonb not null,
    occurred_at timestamptz not null default clock_timestamp()
);
create index event_order on event (xid, sequence);
create index event_by_instance on event (process_instance_id, xid, sequence);
create index event_by_business_key on event (tenant_id, business_key, xid, sequence);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% rows are immutable', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger audit_leaf_is_immutable before update or delete on audit_leaf
    for each row execute function refuse_change();
create trigger process_definition_is_immutable before update or delete on process_definition
    for each row execute function refuse_change();
create trigger event_is_immutable before update or delete on event
    for each row execute function refuse_change();
create trigger audit_leaf_is_kept before truncate on audit_leaf execute function refuse_change();
create trigger process_definition_is_kept before truncate on process_definition execute function refuse_change();
create trigger event_is_kept before truncate on event execute function refuse_change();
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("""
        drop table event, user_task, job, process_instance, process_definition, audit_leaf, document;
        drop function refuse_change();
    """)
