"""Which tables are histories that need no object: no copy of a checkpoint is; and links by which one is read once."""

from alembic import op

revision = "0013"
down_revision = "0012"

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


# The link's token is known to its bearer alone. What it leads to stands here, so no token can be re-aimed, and whoever
# takes it first takes it for all. While the row is there it also keeps its object.
_LINKS = """
drop table object_link_use;
create table object_link (
    token_sha256 bytea primary key,
    tenant_id text not null check (tenant_id <> ''),
    uri text not null,
    issued_to text not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index object_link_by_expiry on object_link (expires_at);
"""

_LINKS_BACK = """
drop table object_link;
create table object_link_use (link_id text primary key, expires_at timestamptz not null);
create index object_link_use_by_expiry on object_link_use (expires_at);
"""


def upgrade() -> None:
    op.execute(_LINKS)
    op.execute(_REPLACE.format(before=_BEFORE, after=_AFTER))


def downgrade() -> None:
    op.execute(_LINKS_BACK)
    op.execute(_REPLACE.format(before=_AFTER, after=_BEFORE))
