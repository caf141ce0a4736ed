"""The stores beside the documents: graph, aliases, metric points and their roll-ups, vectors."""

from alembic import op

revision = "0009"
down_revision = "0008"

# One open edge of a kind between two nodes. Both directions have an index that finds the edges of a node.
_GRAPH = """
create table graph_edge (
    edge_id bigint generated always as identity primary key,
    tenant_id text not null,
    kind text not null,
    source_model text not null,
    source_id uuid not null,
    target_model text not null,
    target_id uuid not null,
    valid_from timestamptz not null,
    valid_to timestamptz check (valid_to >= valid_from),
    recorded_at timestamptz not null default engine_now(),
    properties jsonb not null default '{}'
);
create unique index graph_edge_open on graph_edge (tenant_id, source_id, kind, target_id) where valid_to is null;
create index graph_edge_downstream on graph_edge (tenant_id, source_id);
create index graph_edge_upstream on graph_edge (tenant_id, target_id);
"""

# Ranges of text, so that a constraint can compare names beside periods without an extension: [a, a] overlaps [b, b]
# where a = b.
_ALIASES = """
create type text_range as range (subtype = text, collation = "C");
create table model_alias (
    alias_period_id uuid primary key,
    tenant_id text not null,
    model_name text not null,
    alias text not null,
    model_artifact_id uuid not null,
    valid tstzrange not null check (not isempty(valid)),
    recorded tstzrange not null check (not isempty(recorded)),
    set_by text not null,
    reason text,
    process_instance_id uuid,
    constraint model_alias_names_one_version exclude using gist (
        text_range(tenant_id, tenant_id, '[]') with &&,
        text_range(model_name, model_name, '[]') with &&,
        text_range(alias, alias, '[]') with &&,
        valid with &&,
        recorded with &&
    )
);
create index model_alias_by_name on model_alias (tenant_id, model_name, alias);
create index model_alias_by_version on model_alias (tenant_id, model_artifact_id);

-- What was believed stays; it can only cease to be believed, once.
create function keep_alias_history() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and upper_inf(old.recorded) and lower(new.recorded) = lower(old.recorded)
        and (to_jsonb(new) - 'recorded') = (to_jsonb(old) - 'recorded') then
        return new;
    end if;
    raise exception 'the history of aliases is kept' using errcode = 'restrict_violation';
end $$;
create trigger model_alias_history before update or delete on model_alias
    for each row execute function keep_alias_history();
create trigger model_alias_is_kept before truncate on model_alias execute function refuse_change();
"""

# No default partition: a point for a month that is not there is refused, not put where nobody looks for it.
# Partitions are read through their parent only: on each row-level security is on and lets nobody pass.
_METRICS = """
create table metric_point (
    tenant_id text not null,
    entity_id uuid not null,
    metric_name text not null,
    at timestamptz not null,
    step bigint,
    value double precision not null,
    threshold double precision,
    breach_state text not null,
    source text not null
) partition by range (at);
create unique index metric_point_once on metric_point (tenant_id, entity_id, metric_name, at, step) nulls not distinct;

-- Buckets of which the roll-ups do not know everything yet. Without a key, so that writers never wait for each other.
create table metric_change (
    metric_change_id bigint generated always as identity primary key,
    tenant_id text not null,
    entity_id uuid not null,
    metric_name text not null,
    resolution text not null,
    bucket_at timestamptz not null
);
create index metric_change_by_metric on metric_change (tenant_id, entity_id, metric_name, bucket_at);
create index metric_change_by_resolution on metric_change (resolution, metric_change_id);

-- `digest` counts values by the bucket that `metric_bucket` names. Digests are merged by adding.
create table metric_rollup (
    tenant_id text not null,
    entity_id uuid not null,
    metric_name text not null,
    resolution text not null,
    bucket_at timestamptz not null,
    count bigint not null,
    sum double precision not null,
    minimum double precision not null,
    maximum double precision not null,
    first_at timestamptz not null,
    first_value double precision not null,
    last_at timestamptz not null,
    last_value double precision not null,
    breaches bigint not null,
    digest jsonb not null,
    primary key (tenant_id, entity_id, metric_name, resolution, bucket_at)
);
create index metric_rollup_by_age on metric_rollup (resolution, bucket_at);

-- DDSketch (Masson, Rim, Lee 2019): a bucket's borders are 2 percent apart, so that its middle is within 1 percent of
-- every value in it; p for positive, n for negative values, 0 for what is next to nothing.
create function metric_bucket(value double precision) returns text language sql immutable parallel safe as $$
    select case
        when abs(value) < 1e-300 then '0'
        else case when value > 0 then 'p' else 'n' end
            || cast(cast(ceil(ln(abs(value)) / ln(1.01 / 0.99)) as integer) as text)
    end
$$;

-- A month whose points were dropped is closed: roll-ups of it would be computed from what comes late alone.
create function create_metric_partition(month date) returns text language plpgsql as $$
declare
    first_day date := date_trunc('month', month);
    name text := 'metric_point_' || to_char(first_day, 'YYYY_MM');
begin
    if to_regclass(name) is not null then
        return null;
    end if;
    if exists (
        select from metric_rollup
        where bucket_at >= first_day::timestamp at time zone 'UTC'
            and bucket_at < (first_day + interval '1 month') at time zone 'UTC'
    ) then
        raise exception 'the points of this month were dropped' using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format(
        'create table %I partition of metric_point for values from (%L) to (%L)', name,
        first_day::text || ' 00:00:00+00', (first_day + interval '1 month')::date::text || ' 00:00:00+00');
    execute format('alter table %I enable row level security', name);
    return name;
end $$;
"""

# A collection is fixed to one dimension and one metric by its first vector. Indexes are made for a dimension and a
# metric when there are enough vectors to need one.
_VECTORS = """
create extension if not exists vector;
create table vector_collection (
    tenant_id text not null,
    collection text not null,
    dimension integer not null check (dimension between 1 and 16000),
    metric text not null,
    primary key (tenant_id, collection)
);
create table vector_point (
    tenant_id text not null,
    collection text not null,
    point_id uuid not null,
    dimension integer not null,
    metric text not null,
    embedding vector not null check (vector_dims(embedding) = dimension),
    properties jsonb not null default '{}',
    updated_at timestamptz not null default engine_now(),
    primary key (tenant_id, collection, point_id),
    foreign key (tenant_id, collection) references vector_collection
);
"""

# The application adds edges and closes them, adds alias periods and ends belief in them, adds points; the rest is kept.
# Months are made and dropped, and points rolled up, by the owner.
_PRIVILEGES = """
revoke update, delete on graph_edge, model_alias, metric_point, metric_change, metric_rollup, vector_collection
    from ami_application;
revoke insert on metric_rollup from ami_application;
grant update (valid_to) on graph_edge to ami_application;
grant update (recorded) on model_alias to ami_application;
revoke execute on function create_metric_partition(date) from public;
"""

_TENANTS = """
alter table {table} add check (tenant_id <> '');
alter table {table} enable row level security;
create policy {table}_of_tenant on {table} to public
    using (tenant_id = current_setting('learning.tenant_id', true));
"""
_TABLES = (
    "graph_edge",
    "model_alias",
    "metric_point",
    "metric_change",
    "metric_rollup",
    "vector_collection",
    "vector_point",
)

_DOWN = """
drop table vector_point, vector_collection, metric_rollup, metric_change, metric_point, model_alias, graph_edge;
drop function create_metric_partition(date), metric_bucket(double precision);
drop function keep_alias_history();
drop type text_range;
do $$
begin
    -- Where a database's administrator made the extension, it stays.
    if exists (select from pg_extension where extname = 'vector' and extowner = to_regrole(current_user::text)) then
        drop extension vector;
    end if;
end $$;
"""


def upgrade() -> None:
    for statements in (_GRAPH, _ALIASES, _METRICS, _VECTORS, _PRIVILEGES):
        op.execute(statements)
    for table in _TABLES:
        op.execute(_TENANTS.format(table=table))
    op.execute("""
        select create_metric_partition(cast(now() at time zone 'UTC' + number * interval '1 month' as date))
        from generate_series(-1, 3) as number
    """)


def downgrade() -> None:
    op.execute(_DOWN)
