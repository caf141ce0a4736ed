"""Which tables are histories that need no object; the copies of the audit trail's checkpoints are none."""

from alembic import op

revision = "0013"
down_revision = "0010"

_BEFORE = "c.relname not like 'audit%' and"
_AFTER = "c.relname not in ('audit_leaf', 'audit_tile', 'audit_personal', 'process_observation') and"

# The rest of the function stays as it was.
_REPLACE = """
do $do$
declare
    before constant text := $text${before}$text$;
    definition constant text := pg_get_functiondef('object_references()'::regprocedure);
begin
    if position(before in definition) = 0 then
        raise exception 'object_references() is not what this revision changes';
    end if;
    execute replace(definition, before, $text${after}$text$);
end $do$;
"""


def upgrade() -> None:
    op.execute(_REPLACE.format(before=_BEFORE, after=_AFTER))


def downgrade() -> None:
    op.execute(_REPLACE.format(before=_AFTER, after=_BEFORE))
