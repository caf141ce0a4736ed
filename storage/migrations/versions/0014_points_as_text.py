"""Points come as `json`: a batch is read once, and nothing of it is kept that would have to be searched."""

from alembic import op

revision = "0014"
down_revision = "0013"

_REPLACE = """
do $do$
declare
    definition text := pg_get_functiondef('record_metrics'::regproc);
begin
    drop function record_metrics;
    definition := replace(definition, 'points {before}', 'points {after}');
    execute replace(definition, '{before}_to_recordset(', '{after}_to_recordset(');
end $do$;
"""


def upgrade() -> None:
    op.execute(_REPLACE.format(before="jsonb", after="json"))


def downgrade() -> None:
    op.execute(_REPLACE.format(before="json", after="jsonb"))
