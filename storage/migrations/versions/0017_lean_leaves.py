"""Leaves without a hash of their own: whoever needs it takes it from the bytes that are there."""

from alembic import op

revision = "0017"
down_revision = "0016"

# The application no longer says what a leaf's hash is, and nothing has to be hashed while it waits for its commit.
# What is about persons stands beside few leaves: the others are not searched for it.
_UP = """
alter table audit_leaf drop column leaf_hash;
create or replace function append_audit_leaves(leaves jsonb) returns void language plpgsql as $$
begin
    insert into audit_leaf (audit_ref, tenant_id, canonical_bytes)
    select audit_ref, tenant_id, convert_to(leaf, 'UTF8')
    from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, leaf text);
    if leaves @? '$[*].personal' then
        insert into audit_personal (audit_ref, tenant_id, person, salt, content)
        select audit_ref, tenant_id, person, decode(salt, 'hex'), personal
        from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, person text, salt text, personal text)
        where personal is not null;
    end if;
end $$;
"""

_DOWN = """
alter table audit_leaf
    add column leaf_hash bytea generated always as (sha256('\\x00'::bytea || canonical_bytes)) stored;
alter table audit_leaf alter column leaf_hash drop expression, alter column leaf_hash set not null;
grant insert (leaf_hash) on audit_leaf to ami_application, ami_sealer;
create or replace function append_audit_leaves(leaves jsonb) returns void language sql as $$
    insert into audit_leaf (audit_ref, tenant_id, canonical_bytes, leaf_hash)
    select audit_ref, tenant_id, convert_to(leaf, 'UTF8'), sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))
    from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, leaf text);
    insert into audit_personal (audit_ref, tenant_id, person, salt, content)
    select audit_ref, tenant_id, person, decode(salt, 'hex'), personal
    from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, person text, salt text, personal text)
    where personal is not null;
$$;
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
