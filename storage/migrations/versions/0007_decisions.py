"""Deployed decisions, and of each definition what it says beside its exact text."""

from alembic import op

revision = "0007"
down_revision = "0006"

_DECISIONS = """
create table decision_definition (
    decision_definition_id uuid primary key,
    decision_id text not null,
    version integer not null,
    version_tag text,
    name text not null,
    sha256 text not null,
    canonical_sha256 text not null,
    xml bytea not null,
    deployed_by text not null,
    deployed_at timestamptz not null,
    unique (decision_id, version),
    unique (decision_id, sha256)
);
create trigger decision_definition_is_immutable before update or delete on decision_definition
    for each row execute function refuse_change();
create trigger decision_definition_is_kept before truncate on decision_definition execute function refuse_change();
revoke update, delete on decision_definition from ami_application;
"""
# Null for what was deployed before: it cannot be changed any more, and can be computed from the text.
_PROCESSES = "alter table process_definition add column canonical_sha256 text"


def upgrade() -> None:
    op.execute(_DECISIONS)
    op.execute(_PROCESSES)


def downgrade() -> None:
    op.execute("alter table process_definition drop column canonical_sha256")
    op.execute("drop table decision_definition")
