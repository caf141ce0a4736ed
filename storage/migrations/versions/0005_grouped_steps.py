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


def upgrade() -> None:
    op.execute(_STEPS)


def downgrade() -> None:
    op.execute("drop function write_steps(jsonb)")
