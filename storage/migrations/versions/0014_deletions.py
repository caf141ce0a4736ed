"""What a deletion leaves behind: what keeps a record, points whose record is gone, vectors found by their id."""

from alembic import op

revision = "0014"
down_revision = "0013"

# Deletions share the lock among them; whoever places a hold waits for those under way; those that come later see it.
_WHAT_KEEPS = """
create function what_keeps_record(tenant text, wanted uuid, kind text, uris text[])
returns table (reason text, id uuid, name text, number integer) language plpgsql as $$
#variable_conflict use_column
begin
    perform set_config('learning.tenant_id', tenant, true);
    perform pg_advisory_xact_lock_shared(hashtextextended('holds of ' || tenant, 0));
    return query
    select 'hold', h.hold_id, h.placed_by, null::integer from object_hold h
    where h.tenant_id = tenant and h.released_at is null and h.subject = any(uris || wanted::text)
    order by h.hold_id;
    if kind not in ('ModelArtifact', 'Experiment', 'TrainingRun', 'DatasetVersion') then
        return;
    end if;
    return query
    with in_service as (
        select a.id, a.name, a.version, cast(a.body ->> 'linked_experiment' as uuid) as experiment_id from document a
        where a.tenant_id = tenant and a.model = 'ModelArtifact' and a.status = 'production' and a.deleted_at is null
        union
        select a.id, a.name, a.version, cast(a.body ->> 'linked_experiment' as uuid) from document e
        join document a on a.id = cast(e.body ->> 'model_artifact_id' as uuid) and a.tenant_id = tenant
        where e.tenant_id = tenant and e.model = 'ServingEndpoint' and e.status = 'healthy' and e.deleted_at is null
    )
    select 'production', s.id, s.name, s.version from in_service s
    left join document x on x.id = s.experiment_id and x.tenant_id = tenant
    left join document r on r.id = wanted and r.tenant_id = tenant and r.model = 'TrainingRun'
    where wanted in (s.id, x.id, x.parent_id) or r.parent_id = x.id
    order by s.id;
end $$;
"""

# Of most tombstones nothing was ever measured; each is looked at once.
_MEASURES = """
alter table document add column measures_erased_at timestamptz;
create index document_with_measures on document (model, data_classification, deleted_at)
    where deleted_at is not null and measures_erased_at is null;
"""

_VECTORS = """
create index vector_point_by_id on vector_point (tenant_id, point_id);
"""

_BACK = """
drop index vector_point_by_id;
drop index document_with_measures;
alter table document drop column measures_erased_at;
drop function what_keeps_record(text, uuid, text, text[]);
"""


def upgrade() -> None:
    for statements in (_WHAT_KEEPS, _MEASURES, _VECTORS):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_BACK)
