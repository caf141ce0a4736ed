"""Schedules: process starts at regular times."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
create table schedule (
    schedule_id uuid primary key,
    tenant_id text not null,
    process_id text not null,
    variables jsonb not null,
    interval_seconds double precision not null check (interval_seconds >= 1),
    missed_fires text not null,
    next_fire_at timestamptz not null,
    due_at timestamptz not null,
    last_fire_at timestamptz,
    failures integer not null default 0,
    last_error jsonb,
    started_by jsonb not null,
    is_active boolean not null default true,
    created_at timestamptz not null default clock_timestamp()
);
create index schedule_due on schedule (due_at) where is_active;
create index schedule_by_tenant on schedule (tenant_id, schedule_id);
"""


def upgrade() -> None:
    op.execute(_TABLES)


def downgrade() -> None:
    op.execute("drop table schedule")
