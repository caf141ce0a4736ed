"""What keeps objects: who names them, who holds them; and the links by which one is read once."""

from alembic import op

revision = "0010"
down_revision = "0009"

# Sees which objects the rows of all tenants name, and nothing else of them.
_ROLE = """
select ensure_role('ami_custodian');
do $$ begin
    if not pg_has_role('ami_custodian', 'ami_application', 'usage') then
        grant ami_application to ami_custodian;
    end if;
exception when unique_violation or internal_error then
    null;
end $$;
"""

# A hold is placed and released, never changed or removed.
_HOLDS = """
create table object_hold (
    hold_id uuid primary key,
    tenant_id text not null check (tenant_id <> ''),
    subject text not null,
    reason text not null check (reason <> ''),
    placed_by text not null,
    placed_at timestamptz not null default engine_now(),
    release_reason text check (release_reason <> ''),
    released_by text,
    released_at timestamptz
);
create index object_hold_in_force on object_hold (tenant_id, subject) where released_at is null;
alter table object_hold enable row level security;
create policy object_hold_of_tenant on object_hold to public
    using (tenant_id = current_setting('learning.tenant_id', true));
revoke update, delete on object_hold from ami_application;
grant update (release_reason, released_by, released_at) on object_hold to ami_application;

create function object_holds() returns table (hold_id uuid, tenant_id text, subject text, reason text)
language sql stable security definer set search_path = pg_catalog, public as $$
    select h.hold_id, h.tenant_id, h.subject, h.reason from object_hold h where h.released_at is null
$$;
revoke execute on function object_holds() from public;
grant execute on function object_holds() to ami_custodian;
"""

# A link that was used is remembered until it would have expired.
_LINKS = """
create table object_link_use (
    link_id text primary key,
    expires_at timestamptz not null
);
create index object_link_use_by_expiry on object_link_use (expires_at);
"""

# Every text and every document of every table is looked through, so that a table of a later revision keeps what it
# names without being known here. Left out is what is a history and not a need. What belongs to a process instance
# counts while the instance runs. A record counts also when it is deleted: how long is the retention policy's to say.
_REFERENCES = """
create function object_references() returns table (
    uri text, model text, record_id text, tenant_id text, data_classification text, deleted_at timestamptz,
    in_production boolean
)
language plpgsql stable security definer set search_path = pg_catalog, public as $$
#variable_conflict use_column
declare
    pattern constant text := 'object://(?\\:sha256|sealed)/[0-9a-f]{64}';
    source record;
begin
    return query
    with artifact as (
        select a.id, a.body from document a
        where a.model = 'ModelArtifact' and (
            (a.deleted_at is null and a.body ->> 'status' = 'production')
            or a.id::text in (
                select e.body ->> 'model_artifact_id' from document e
                where e.model = 'ServingEndpoint' and e.deleted_at is null and e.body ->> 'health_state' = 'healthy'
            )
        )
    ), experiment as (
        select x.id, x.body from document x
        where x.model = 'Experiment' and x.id::text in (select a.body ->> 'linked_experiment' from artifact a)
    ), production as (
        select a.id from artifact a
        union select x.id from experiment x
        union select r.id from document r
            where r.model = 'TrainingRun' and r.body ->> 'experiment_id' in (select x.id::text from experiment x)
        union select v.id from document v
            where v.model = 'DatasetVersion'
                and v.id::text in (select x.body ->> 'dataset_version_id' from experiment x)
    )
    select distinct found.named[1], d.model, d.id::text, d.tenant_id, d.data_classification, d.deleted_at,
           d.id in (select p.id from production p)
    from document d cross join lateral regexp_matches(d.body::text, pattern, 'g') as found (named)
    where d.body::text like '%object://%';

    for source in
        select c.relname as name,
               string_agg(format('t.%I::text', a.attname), ', ') as texts,
               (select count(*) > 0 from pg_attribute p
                where p.attrelid = c.oid and p.attname = 'process_instance_id' and not p.attisdropped) as is_of_instance
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.atttypid::regtype::text in ('text', 'character varying', 'json', 'jsonb', 'text[]', 'jsonb[]')
            and c.relname not in ('document', 'event', 'process_definition', 'alembic_version', 'object_hold')
            and c.relname not like 'audit%' and c.relname not like 'metric%'
        group by c.oid, c.relname
    loop
        return query execute format(
            'select distinct found.named[1], %L::text, null::text, null::text, null::text, null::timestamptz, false
             from (select concat_ws('' '', %s) as content from %I t where %s) looked_at
             cross join lateral regexp_matches(looked_at.content, %L, ''g'') as found (named)
             where looked_at.content like ''%%object://%%''',
            source.name, source.texts, source.name,
            case when source.is_of_instance
                then 'exists (select from process_instance i
                              where i.process_instance_id = t.process_instance_id and i.ended_at is null)'
                else 'true' end,
            pattern);
    end loop;
end $$;
revoke execute on function object_references() from public;
grant execute on function object_references() to ami_custodian;
"""

_BACK = """
drop function object_references();
drop function object_holds();
drop table object_link_use;
drop table object_hold;
"""


def upgrade() -> None:
    for statements in (_ROLE, _HOLDS, _LINKS, _REFERENCES):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_BACK)
