-- name: lock_alias
select pg_advisory_xact_lock(hashtextextended(:key, 0))

-- name: believed_periods
-- What is believed now of an alias, and the first moment at which another belief can begin: later than all before it,
-- whatever the clock says.
select p.*, clock.moment
from (
    select greatest(engine_now(), (
        select max(greatest(lower(a.recorded), upper(a.recorded))) + interval '1 microsecond' from model_alias a
        where a.tenant_id = :tenant_id and a.model_name = :model_name and a.alias = :alias
    )) as moment
) clock
left join (
    select a.alias_period_id, a.tenant_id, a.model_name, a.alias, a.model_artifact_id, a.set_by, a.reason,
        a.process_instance_id, lower(a.valid) as valid_from, upper(a.valid) as valid_to,
        lower(a.recorded) as recorded_at
    from model_alias a
    where a.tenant_id = :tenant_id and a.model_name = :model_name and a.alias = :alias and upper_inf(a.recorded)
) p on true
order by p.valid_from

-- name: cease_to_believe
update model_alias set recorded = tstzrange(lower(recorded), cast(:moment as timestamptz))
where tenant_id = :tenant_id and alias_period_id = any(cast(:period_ids as uuid[]))

-- name: believe
insert into model_alias
    (alias_period_id, tenant_id, model_name, alias, model_artifact_id, valid, recorded, set_by, reason,
     process_instance_id)
select n.alias_period_id, :tenant_id, n.model_name, n.alias, n.model_artifact_id, tstzrange(n.valid_from, n.valid_to),
    tstzrange(cast(:moment as timestamptz), null), n.set_by, n.reason, n.process_instance_id
from jsonb_to_recordset(cast(:periods as jsonb)) as n (
    alias_period_id uuid, model_name text, alias text, model_artifact_id uuid, valid_from timestamptz,
    valid_to timestamptz, set_by text, reason text, process_instance_id uuid)

-- name: periods_of_alias
-- The index is on the names: below row-level security no index serves a condition on ranges.
select a.*, lower(a.valid) as valid_from, upper(a.valid) as valid_to, lower(a.recorded) as recorded_at,
    upper(a.recorded) as superseded_at
from model_alias a
where a.tenant_id = :tenant_id and a.model_name = :model_name and a.alias = :alias
    and (cast(:valid_at as timestamptz) is null or a.valid @> cast(:valid_at as timestamptz))
    and (cast(:known_at as timestamptz) is null or a.recorded @> cast(:known_at as timestamptz))
    and (:ever_believed or cast(:known_at as timestamptz) is not null or upper_inf(a.recorded))
order by lower(a.valid), lower(a.recorded)

-- name: periods_of_version
select a.*, lower(a.valid) as valid_from, upper(a.valid) as valid_to, lower(a.recorded) as recorded_at,
    upper(a.recorded) as superseded_at
from model_alias a
where a.tenant_id = :tenant_id and a.model_artifact_id = any(cast(:versions as uuid[])) and upper_inf(a.recorded)
order by a.model_name, a.alias, lower(a.valid)

-- name: periods_at
select a.*, lower(a.valid) as valid_from, upper(a.valid) as valid_to, lower(a.recorded) as recorded_at,
    upper(a.recorded) as superseded_at
from model_alias a
where a.tenant_id = :tenant_id and a.alias = :alias and a.valid @> cast(:valid_at as timestamptz)
    and case when cast(:known_at as timestamptz) is null then upper_inf(a.recorded)
        else a.recorded @> cast(:known_at as timestamptz) end
order by a.model_name
