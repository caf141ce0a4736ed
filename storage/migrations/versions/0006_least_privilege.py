"""Least privilege: a role for the application that owns nothing, and tenants kept apart by row-level security."""

from alembic import op

revision = "0006"
down_revision = "0005"

# Roles belong to the cluster, and several of its databases may migrate at the same time: whoever comes second waits for
# the first, fails, and finds the role there. A login that may not create roles needs an administrator's help, once.
_ROLES = """
create function ensure_role(name text) returns void language plpgsql as $$
begin
    if not exists (select from pg_roles where rolname = name) then
        begin
            execute format('create role %I nologin', name);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if not pg_has_role(current_user, name, 'set') then
        begin
            execute format('grant %I to %I', name, current_user);
        exception when unique_violation or internal_error then
            null;
        end;
    end if;
end $$;
revoke execute on function ensure_role(text) from public;
select ensure_role('ami_application');
"""

# No truncate, no trigger, no references, no DDL. Tables of later revisions are granted in the same measure; revisions
# that add a record nobody may rewrite take update and delete back.
_GRANTS = """
revoke create on schema public from ami_application;
grant usage on schema public to ami_application;
grant select, insert, update, delete on all tables in schema public to ami_application;
grant usage, select on all sequences in schema public to ami_application;
alter default privileges in schema public grant select, insert, update, delete on tables to ami_application;
alter default privileges in schema public grant usage, select on sequences to ami_application;

revoke insert, update, delete on alembic_version from ami_application;
revoke delete on document from ami_application;
revoke update, delete on process_definition, event from ami_application;
revoke insert, update, delete on audit_leaf from ami_application;
-- Not the transaction id: the order of the leaves is nobody's to choose.
grant insert (audit_ref, tenant_id, canonical_bytes, leaf_hash) on audit_leaf to ami_application;
"""

# Without a tenant the setting is null, or empty once a transaction has had one, and no row is visible.
# Leaves of several tenants may come in one statement, when steps share a commit: any tenant's may be added, none read.
_TENANTS = """
alter table document add check (tenant_id <> '');
alter table document enable row level security;
create policy document_of_tenant on document to public
    using (tenant_id = current_setting('learning.tenant_id', true));

alter table audit_leaf add check (tenant_id <> '');
alter table audit_leaf enable row level security;
create policy audit_leaf_of_tenant on audit_leaf for select to public
    using (tenant_id = current_setting('learning.tenant_id', true));
create policy audit_leaf_is_added on audit_leaf for insert to public with check (true);
"""

# Below row-level security no index serves a condition on jsonb: its operators count as able to leak what they read.
# What is queried has a typed column, whose comparisons count as safe.
_INDEXES = """
drop index document_by_body;
"""

_BACK = """
create index document_by_body on document using gin (body jsonb_path_ops);
drop policy audit_leaf_is_added on audit_leaf;
drop policy audit_leaf_of_tenant on audit_leaf;
alter table audit_leaf disable row level security, drop constraint audit_leaf_tenant_id_check;
drop policy document_of_tenant on document;
alter table document disable row level security, drop constraint document_tenant_id_check;
alter default privileges in schema public revoke all on tables from ami_application;
alter default privileges in schema public revoke all on sequences from ami_application;
revoke all on all tables in schema public from ami_application;
revoke all on all sequences in schema public from ami_application;
revoke usage on schema public from ami_application;
drop function ensure_role(text);
"""


def upgrade() -> None:
    for statements in (_ROLES, _GRANTS, _TENANTS, _INDEXES):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_BACK)
