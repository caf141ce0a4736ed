"""Steps of several instances in one commit."""

from alembic import op

revision = "0005"
down_revision = "0004"

# All or none: the caller repeats them one by one where one is refused.
_STEPS = """
create function write_steps(steps jsonb) returns void language plpgsql as $$
declare
    step jsonb;
begin
    for step in select jsonb_array_elements(steps) loop
        perform write_step(step);
    end loop;
end $$;
"""

# What steps need before handlers run in them: the locks in one order, instances before jobs, and the time.
_LOCKS = """
create function lock_for_steps(instance_ids uuid[], job_ids uuid[], epochs bigint[])
returns table (process_instance_id uuid, version bigint, job_id uuid, is_leased boolean, now timestamptz)
language plpgsql as $$
begin
    perform from process_instance i where i.process_instance_id = any(instance_ids)
    order by i.process_instance_id for update;
    perform from job j where j.job_id = any(job_ids) order by j.job_id for update;
    return query
    select i.process_instance_id, i.version, asked.id,
           exists (select from job j where j.job_id = asked.id and j.epoch = asked.epoch and j.status = 'running'),
           engine_now()
    from unnest(instance_ids, job_ids, epochs) as asked (instance_id, id, epoch)
    join process_instance i on i.process_instance_id = asked.instance_id;
end $$;
"""


def upgrade() -> None:
    op.execute(_STEPS)
    op.execute(_LOCKS)


def downgrade() -> None:
    op.execute("drop function write_steps(jsonb)")
    op.execute("drop function lock_for_steps(uuid[], uuid[], bigint[])")
