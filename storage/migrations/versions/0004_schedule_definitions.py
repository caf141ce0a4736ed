"""Schedules of every kind, and a record of their fires."""

from alembic import op

revision = "0004"
down_revision = "0003"

_UPGRADE = """
-- What a schedule does is its definition; `anchor_at` is what its regular times are counted from.
alter table schedule
    add column definition jsonb,
    add column anchor_at timestamptz,
    add column status text not null default 'active',
    add column start_event_id text,
    add column process_definition_id uuid,
    add column started bigint not null default 0,
    add column skipped bigint not null default 0,
    add column failed bigint not null default 0,
    add column sla_breaches bigint not null default 0;
update schedule set
    status = case when is_active then 'active' else 'ended' end,
    anchor_at = next_fire_at,
    definition = jsonb_build_object(
        'missed', missed_fires,
        'trigger', jsonb_build_object(
            'kind', 'interval',
            'every', 'PT' || trim_scale(round(cast(interval_seconds as numeric), 6)) || 'S',
            'first_fire_at', to_jsonb(next_fire_at)));
alter table schedule alter column next_fire_at drop not null, alter column due_at drop not null;
update schedule set next_fire_at = null, due_at = null where status = 'ended';
drop index schedule_due;
alter table schedule
    alter column definition set not null,
    alter column anchor_at set not null,
    alter column created_at set default engine_now(),
    drop column interval_seconds,
    drop column missed_fires,
    drop column is_active;
create index schedule_due on schedule (due_at) where status = 'active';
create unique index schedule_of_start_event on schedule (process_id, start_event_id)
    where start_event_id is not null and status <> 'ended';

-- Each fire that is settled. The key is what keeps a fire from starting two instances.
create table schedule_fire (
    schedule_id uuid not null references schedule,
    fire_at timestamptz not null,
    outcome text not null,
    reason text,
    process_instance_id uuid,
    error jsonb,
    lateness_seconds double precision not null,
    is_sla_breached boolean not null,
    recorded_at timestamptz not null default engine_now(),
    primary key (schedule_id, fire_at)
);
create index schedule_fire_by_instance on schedule_fire (process_instance_id) where process_instance_id is not null;
"""

# The older form knows intervals of fixed length only: other schedules, and those of start events, have no place in it.
_DOWNGRADE = """
drop table schedule_fire;
drop index schedule_due, schedule_of_start_event;
delete from schedule
where start_event_id is not null or definition #>> '{trigger,kind}' <> 'interval'
    or definition #>> '{trigger,every}' ~ '^P[^T]*[YM]' or definition #>> '{trigger,repetitions}' is not null;
alter table schedule
    add column interval_seconds double precision check (interval_seconds >= 1),
    add column missed_fires text,
    add column is_active boolean not null default true;
update schedule set
    interval_seconds = extract(epoch from cast(replace(definition #>> '{trigger,every}', ',', '.') as interval)),
    missed_fires = 'once',
    is_active = status = 'active',
    next_fire_at = coalesce(next_fire_at, last_fire_at, anchor_at),
    due_at = coalesce(due_at, next_fire_at, last_fire_at, anchor_at);
alter table schedule
    alter column interval_seconds set not null,
    alter column missed_fires set not null,
    alter column next_fire_at set not null,
    alter column due_at set not null,
    alter column created_at set default clock_timestamp(),
    drop column definition,
    drop column anchor_at,
    drop column status,
    drop column start_event_id,
    drop column process_definition_id,
    drop column started,
    drop column skipped,
    drop column failed,
    drop column sla_breaches;
create index schedule_due on schedule (due_at) where is_active;
"""


def upgrade() -> None:
    op.execute(_UPGRADE)


def downgrade() -> None:
    op.execute(_DOWNGRADE)
