"""The audit trail's order, its trees and their checkpoints, and what is about persons beside its leaves."""

from alembic import op

revision = "0008"
down_revision = "0007"

_PERSONAL = """
-- What a leaf only commits to. Rows are erased, never changed.
create table audit_personal (
    audit_ref uuid primary key,
    tenant_id text not null,
    person text not null,
    salt bytea not null,
    content text not null
);
create index audit_personal_by_person on audit_personal (tenant_id, person);

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

_TREES = """
-- The order in which the sealer takes leaves up.
create index audit_leaf_order on audit_leaf (xid, audit_ref);

-- One row: who seals, under which epoch, and behind which leaf it goes on.
create table audit_log (
    is_only boolean primary key default true check (is_only),
    log_id uuid not null default gen_random_uuid(),
    epoch bigint not null default 0,
    holder text,
    lease_until timestamptz,
    sealed_xid xid8 not null default '0',
    sealed_ref uuid not null default '00000000-0000-0000-0000-000000000000'
);
insert into audit_log default values;

-- Where a leaf stands in its tenant's tree.
create table audit_position (
    tenant_id text not null,
    position bigint not null,
    audit_ref uuid not null unique,
    primary key (tenant_id, position)
);

-- The trees, in tiles of up to 256 hashes; tree is global, or tenant/ and a tenant's id.
create table audit_tile (
    tree text not null,
    level smallint not null,
    number bigint not null,
    hashes bytea not null,
    primary key (tree, level, number)
);
alter table audit_tile alter column hashes set storage external;

-- The tree over all tenants: each leaf is the root that a tenant's tree had.
create table audit_head (
    position bigint primary key,
    tenant_id text not null,
    size bigint not null,
    root bytea not null,
    unique (tenant_id, size)
);

create table audit_key (
    number integer primary key,
    verifier text not null,
    endorsement text,
    created_at timestamptz not null default engine_now()
);

create table audit_checkpoint (
    tree text not null,
    size bigint not null,
    root bytea not null,
    note text not null,
    signed_at timestamptz not null,
    primary key (tree, size)
);
create index audit_checkpoint_by_time on audit_checkpoint (signed_at);

-- Which checkpoints the object store holds too.
create table audit_checkpoint_copy (
    tree text not null,
    size bigint not null,
    uri text not null,
    copied_at timestamptz not null default engine_now(),
    primary key (tree, size)
);
"""

_GUARDS = """
create function refuse_rewriting_tile() returns trigger language plpgsql as $$
begin
    if (new.tree, new.level, new.number) is distinct from (old.tree, old.level, old.number)
        or substring(new.hashes for length(old.hashes)) <> old.hashes then
        raise exception 'tiles only grow' using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger audit_tile_grows before update on audit_tile for each row execute function refuse_rewriting_tile();
create trigger audit_tile_is_kept before delete on audit_tile for each row execute function refuse_change();
create trigger audit_tile_is_not_emptied before truncate on audit_tile execute function refuse_change();
create trigger audit_personal_is_immutable before update on audit_personal
    for each row execute function refuse_change();
create trigger audit_personal_is_not_emptied before truncate on audit_personal execute function refuse_change();
create trigger audit_log_is_kept before delete on audit_log for each row execute function refuse_change();
create trigger audit_log_is_not_emptied before truncate on audit_log execute function refuse_change();
do $$
declare name text;
begin
    foreach name in array array['audit_position', 'audit_head', 'audit_key', 'audit_checkpoint',
                                'audit_checkpoint_copy'] loop
        execute format('create trigger %I before update or delete on %I for each row execute function refuse_change()',
                       name || '_is_immutable', name);
        execute format('create trigger %I before truncate on %I execute function refuse_change()',
                       name || '_is_kept', name);
    end loop;
end $$;
"""

# The application writes leaves and what is about persons beside them. The trees, their signatures and every erasure
# are another role's, which in turn has no other table. Each sees a tenant's rows only while it works for that tenant;
# the sealer works for all.
_ROLES = """
select ensure_role('ami_sealer');
grant usage on schema public to ami_sealer;
grant select on audit_leaf to ami_sealer;
grant insert (audit_ref, tenant_id, canonical_bytes, leaf_hash) on audit_leaf to ami_sealer;
grant select, insert, delete on audit_personal to ami_sealer;
grant select, update on audit_log to ami_sealer;
grant select, insert, update on audit_tile to ami_sealer;
grant select, insert on audit_position, audit_head, audit_key, audit_checkpoint, audit_checkpoint_copy to ami_sealer;

revoke update, delete on audit_personal from ami_application;
revoke insert, update, delete on audit_log, audit_tile, audit_position, audit_head, audit_key, audit_checkpoint,
    audit_checkpoint_copy from ami_application;

create policy audit_leaf_of_all on audit_leaf for select to ami_sealer using (true);
create policy audit_personal_of_tenant on audit_personal for select to public
    using (tenant_id = current_setting('learning.tenant_id', true));
create policy audit_personal_is_added on audit_personal for insert to public with check (true);
create policy audit_position_of_tenant on audit_position for select to public
    using (tenant_id = current_setting('learning.tenant_id', true));
create policy audit_head_of_tenant on audit_head for select to public
    using (tenant_id = current_setting('learning.tenant_id', true));
create policy audit_tile_of_tenant on audit_tile for select to public
    using (tree in ('global', 'tenant/' || current_setting('learning.tenant_id', true)));
create policy audit_checkpoint_of_tenant on audit_checkpoint for select to public
    using (tree in ('global', 'tenant/' || current_setting('learning.tenant_id', true)));
create policy audit_checkpoint_copy_of_tenant on audit_checkpoint_copy for select to public
    using (tree in ('global', 'tenant/' || current_setting('learning.tenant_id', true)));
do $$
declare name text;
begin
    foreach name in array array['audit_personal', 'audit_position', 'audit_head', 'audit_tile', 'audit_checkpoint',
                                'audit_checkpoint_copy'] loop
        execute format('alter table %I enable row level security', name);
        execute format('create policy %I on %I to ami_sealer using (true) with check (true)', name || '_of_all', name);
    end loop;
end $$;
"""


def upgrade() -> None:
    for statements in (_PERSONAL, _TREES, _GUARDS, _ROLES):
        op.execute(statements)


def downgrade() -> None:
    op.execute("""
        drop policy audit_leaf_of_all on audit_leaf;
        revoke all on audit_leaf from ami_sealer;
        revoke all (audit_ref, tenant_id, canonical_bytes, leaf_hash) on audit_leaf from ami_sealer;
        revoke usage on schema public from ami_sealer;
        drop table audit_checkpoint_copy, audit_checkpoint, audit_key, audit_head, audit_tile, audit_position,
            audit_log;
        drop function refuse_rewriting_tile();
        drop index audit_leaf_order;
        create or replace function append_audit_leaves(leaves jsonb) returns void language sql as $$
    insert into audit_leaf (audit_ref, tenant_id, canonical_bytes, leaf_hash)
    select audit_ref, tenant_id, convert_to(leaf, 'UTF8'), sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))
    from jsonb_to_recordset(leaves) as l (audit_ref uuid, tenant_id text, leaf text)
$$;
        drop table audit_personal;
    """)
