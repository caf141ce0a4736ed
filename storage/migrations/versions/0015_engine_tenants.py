"""Tenants kept apart in the engine's tables too; the engine itself works for all of them, under a role of its own."""

from alembic import op

revision = "0015"
down_revision = "0014"

# May do what the application may, and sees the engine's rows of all tenants.
_ROLE = """
select ensure_role('ami_engine');
do $$ begin
    if not pg_has_role('ami_engine', 'ami_application', 'usage') then
        grant ami_application to ami_engine;
    end if;
exception when unique_violation or internal_error then
    null;
end $$;
"""

_TENANTS = """
create policy process_instance_of_tenant on process_instance
    using (tenant_id = current_setting('learning.tenant_id', true));
create policy job_of_tenant on job using (tenant_id = current_setting('learning.tenant_id', true));
create policy user_task_of_tenant on user_task using (tenant_id = current_setting('learning.tenant_id', true));
create policy event_of_tenant on event using (tenant_id = current_setting('learning.tenant_id', true));
create policy timer_of_tenant on timer using (tenant_id = current_setting('learning.tenant_id', true));
create policy message_of_tenant on message using (tenant_id = current_setting('learning.tenant_id', true));
create policy incident_of_tenant on incident using (tenant_id = current_setting('learning.tenant_id', true));
create policy operation_of_tenant on operation using (tenant_id = current_setting('learning.tenant_id', true));
create policy schedule_of_tenant on schedule using (tenant_id = current_setting('learning.tenant_id', true));
-- What starts an instance is part of a diagram, and those belong to no tenant.
create policy subscription_of_tenant on subscription
    using (tenant_id is null or tenant_id = current_setting('learning.tenant_id', true));

-- Parts of a row that names its tenant: visible where that is.
create policy task_of_tenant on task using (exists (
    select from process_instance i where i.process_instance_id = task.process_instance_id));
create policy variable_of_tenant on variable using (exists (
    select from process_instance i where i.process_instance_id = variable.process_instance_id));
create policy user_task_comment_of_tenant on user_task_comment using (exists (
    select from user_task t where t.user_task_id = user_task_comment.user_task_id));
create policy schedule_fire_of_tenant on schedule_fire using (exists (
    select from schedule s where s.schedule_id = schedule_fire.schedule_id));

-- A policy that is always true is folded away when a statement is planned: the engine pays nothing for the others.
do $$
declare name text;
begin
    foreach name in array array['process_instance', 'job', 'user_task', 'event', 'timer', 'message', 'incident',
                                'operation', 'schedule', 'subscription', 'task', 'variable', 'user_task_comment',
                                'schedule_fire'] loop
        execute format('create policy %I on %I to ami_engine using (true)', name || '_of_all', name);
        execute format('alter table %I enable row level security', name);
    end loop;
end $$;
"""

# Where the platform's workers run is nobody's business but the engine's; nor is who deployed a diagram a tenant's.
_PLATFORM = """
grant select, insert, update, delete on worker to ami_engine;
revoke all on worker from ami_application;

revoke select on process_definition, decision_definition from ami_application;
grant select (process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256, xml, deployed_at)
    on process_definition to ami_application;
grant select (decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256, xml,
    deployed_at) on decision_definition to ami_application;
"""

# The indexes of candidates cannot serve below row-level security, because operators on jsonb count as able to leak what
# they read. So one page of the inbox is cut here, with the rights of the tables' owner, for the tenant that the
# transaction has entered. How many tasks the asking person's groups have decides which index serves, so a plan that
# fits everybody fits nobody.
_INBOX = """
create function inbox_page(
    asking text, of_groups text[], shows_own boolean, shows_unclaimed boolean, shows_claimed boolean,
    due_sooner_than timestamptz, of_process text, after_rank integer, after_id uuid, size bigint
) returns setof user_task
language plpgsql stable security definer
set search_path = pg_catalog, public set plan_cache_mode = force_custom_plan as $$
begin
    return query
    select t.* from user_task t
    where t.tenant_id = current_setting('learning.tenant_id', true) and t.status = 'open'
      and (-t.priority, t.user_task_id) > (after_rank, after_id)
      and (t.assignee = asking or t.candidate_groups ?| of_groups or t.candidate_users ? asking)
      and case when t.assignee = asking then shows_own when t.assignee is null then shows_unclaimed
               else shows_claimed end
      and (due_sooner_than is null or t.due_at < due_sooner_than)
      and (of_process is null or t.process_id = of_process)
    order by -t.priority, t.user_task_id
    limit size;
end $$;
revoke execute on function inbox_page(
    text, text[], boolean, boolean, boolean, timestamptz, text, integer, uuid, bigint) from public;
grant execute on function inbox_page(
    text, text[], boolean, boolean, boolean, timestamptz, text, integer, uuid, bigint) to ami_application;
"""

_BACK = """
drop function inbox_page(text, text[], boolean, boolean, boolean, timestamptz, text, integer, uuid, bigint);
revoke select (process_definition_id, process_id, version, version_tag, name, sha256, canonical_sha256, xml,
    deployed_at) on process_definition from ami_application;
revoke select (decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256, xml,
    deployed_at) on decision_definition from ami_application;
grant select on process_definition, decision_definition to ami_application;
revoke all on worker from ami_engine;
grant select, insert, update, delete on worker to ami_application;
do $$
declare name text;
begin
    foreach name in array array['process_instance', 'job', 'user_task', 'event', 'timer', 'message', 'incident',
                                'operation', 'schedule', 'subscription', 'task', 'variable', 'user_task_comment',
                                'schedule_fire'] loop
        execute format('alter table %I disable row level security', name);
        execute format('drop policy %I on %I', name || '_of_all', name);
        execute format('drop policy %I on %I', name || '_of_tenant', name);
    end loop;
end $$;
"""


def upgrade() -> None:
    for statements in (_ROLE, _TENANTS, _PLATFORM, _INBOX):
        op.execute(statements)


def downgrade() -> None:
    op.execute(_BACK)
