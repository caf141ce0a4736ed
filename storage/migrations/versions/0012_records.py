"""Records: typed columns for what is queried, grants in the database's own words, and an observation of each change."""

from alembic import op

revision = "0012"
down_revision = "0011"

# Comparisons of these columns count as unable to leak, so their indexes serve below row-level security.
_COLUMNS = """
alter table document
    add column name text generated always as (
        body ->> case model when 'Experiment' then 'model_name' when 'ActivationModelState' then 'target_signal'
            else 'name' end
    ) stored,
    add column status text generated always as (
        body ->> case model when 'Dataset' then 'validation_status' when 'DatasetVersion' then 'validation_status'
            when 'ServingEndpoint' then 'health_state' when 'TrainingRun' then 'stage'
            when 'DriftReport' then 'severity' else 'status' end
    ) stored,
    add column parent_id uuid generated always as (
        cast(body ->> case model when 'DatasetVersion' then 'dataset_id' when 'Experiment' then 'dataset_version_id'
            when 'TrainingRun' then 'experiment_id' when 'SOMNeuron' then 'layer_id' else 'model_id' end as uuid)
    ) stored,
    add column version integer generated always as (cast(body ->> 'version' as integer)) stored;
create index document_by_name on document (tenant_id, model, name, id desc) where deleted_at is null;
create index document_by_parent on document (tenant_id, parent_id, id desc)
    where deleted_at is null and parent_id is not null;
create index document_by_status on document (tenant_id, model, status, id desc) where deleted_at is null;
"""

# What storage.access.decide says of grants, for the rows of a query.
_GRANTS = """
create function is_granted(acl jsonb, permission text, principals text[], claims jsonb, address inet, at timestamptz)
returns boolean language sql stable as $$
    select exists (
        select from jsonb_array_elements(acl) as entry
        where entry -> 'permissions' ? permission
          and (entry ->> 'principal_type') || ':' || (entry ->> 'principal') = any(principals)
          and coalesce(cast(entry ->> 'expires_at' as timestamptz) > at, true)
          and coalesce(cast(entry #>> '{conditions,not_before}' as timestamptz) <= at, true)
          and claims @> (entry #> '{conditions,claims}')
          and (
              entry #> '{conditions,networks}' = '[]'
              or exists (
                  select from jsonb_array_elements_text(entry #> '{conditions,networks}') as network
                  where address <<= cast(network as inet)
              )
          )
    )
$$;
"""

_OBSERVATIONS = """
create table process_observation (
    id uuid primary key,
    model text not null,
    tenant_id text not null check (tenant_id <> ''),
    data_classification text not null,
    body jsonb not null,
    revision integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
create index process_observation_by_tenant on process_observation (tenant_id, id);
alter table process_observation enable row level security;
create policy process_observation_of_tenant on process_observation
    using (tenant_id = current_setting('learning.tenant_id', true));
revoke update, delete on process_observation from ami_application;
"""

# One statement for a change: it enters the tenant, and writes rows, leaves and observations.
_WRITES = """
create function create_records(tenant text, records jsonb, observations jsonb, leaves jsonb) returns void
language plpgsql as $$
begin
    perform set_config('learning.tenant_id', tenant, true);
    insert into document (id, model, tenant_id, data_classification, body, revision, created_at, updated_at)
    select id, model, tenant, data_classification, body, 1, created_at, updated_at
    from jsonb_to_recordset(records) as r (
        id uuid, model text, data_classification text, body jsonb, created_at timestamptz, updated_at timestamptz);
    perform observe(tenant, observations);
    perform append_audit_leaves(leaves);
end $$;

-- The revision in the condition makes a lost update impossible: no row, no write.
create function change_record(
    tenant text, record jsonb, is_deleted boolean, observations jsonb, leaves jsonb
) returns boolean language plpgsql as $$
begin
    perform set_config('learning.tenant_id', tenant, true);
    update document d
    set body = coalesce(r.body, d.body),
        data_classification = coalesce(r.data_classification, d.data_classification),
        updated_at = r.updated_at,
        revision = d.revision + 1,
        deleted_at = case when is_deleted then clock_timestamp() end
    from jsonb_to_record(record) as r (
        id uuid, model text, data_classification text, body jsonb, revision integer, updated_at timestamptz)
    where d.id = r.id and d.model = r.model and d.tenant_id = tenant and d.revision = r.revision
        and d.deleted_at is null;
    if not found then
        return false;
    end if;
    perform observe(tenant, observations);
    perform append_audit_leaves(leaves);
    return true;
end $$;

create function observe(tenant text, observations jsonb) returns void language sql as $$
    insert into process_observation
        (id, model, tenant_id, data_classification, body, revision, created_at, updated_at)
    select cast(body ->> 'id' as uuid), 'ProcessObservation', tenant, body ->> 'data_classification', body, 1,
        cast(body ->> 'created_at' as timestamptz), cast(body ->> 'updated_at' as timestamptz)
    from jsonb_array_elements(observations) as body
$$;

-- Points have no document: series, time and step identify them, and of two that agree in these the first is kept.
create function record_metrics(tenant text, points json, observations jsonb, leaves jsonb) returns void
language plpgsql as $$
begin
    perform set_config('learning.tenant_id', tenant, true);
    with new as (
        insert into metric_point
            (tenant_id, entity_id, metric_name, at, step, value, threshold, breach_state, source)
        select tenant, entity_id, metric_name, "timestamp", step, value, threshold, breach_state, source
        from json_to_recordset(points) as p (
            entity_id uuid, metric_name text, "timestamp" timestamptz, step bigint, value double precision,
            threshold double precision, breach_state text, source text)
        order by entity_id, metric_name, "timestamp", step
        on conflict (tenant_id, entity_id, metric_name, at, step) do nothing
        returning entity_id, metric_name, at
    )
    insert into metric_change (tenant_id, entity_id, metric_name, resolution, bucket_at)
    select distinct tenant, entity_id, metric_name, 'minute', date_trunc('minute', at, 'UTC') from new;
    perform observe(tenant, observations);
    perform append_audit_leaves(leaves);
end $$;

create function read_record(wanted uuid, kind text, tenant text)
returns table (body jsonb, revision integer) language plpgsql as $$
begin
    perform set_config('learning.tenant_id', tenant, true);
    return query
    select d.body, d.revision from document d
    where d.id = wanted and d.model = kind and d.tenant_id = tenant and d.deleted_at is null;
end $$;
"""

_BACK = """
drop function read_record(uuid, text, text), record_metrics(text, json, jsonb, jsonb),
    change_record(text, jsonb, boolean, jsonb, jsonb),
    create_records(text, jsonb, jsonb, jsonb), observe(text, jsonb),
    is_granted(jsonb, text, text[], jsonb, inet, timestamptz);
drop table process_observation;
drop index document_by_name, document_by_parent, document_by_status;
alter table document drop column name, drop column status, drop column parent_id, drop column version;
"""


def upgrade() -> None:
    for statements in (_COLUMNS, _GRANTS, _OBSERVATIONS, _WRITES):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_BACK)
