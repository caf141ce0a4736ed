"""Sums of metrics that no number can hold, and which cluster the audit trail was sealed in last."""

from alembic import op

revision = "0018"
down_revision = "0017"

# PostgreSQL refuses to add up numbers whose sum is beyond all numbers. So the large ones are added up as parts of what
# they are, a power of two smaller, which loses nothing; a sum beyond all numbers is the largest of them.
_SUMS = """
create function metric_total(of_small double precision, of_large_scaled double precision) returns double precision
language sql immutable parallel safe as $$
    select coalesce(of_small, 0) + power(2.0::double precision, 100)
        * least(greatest(coalesce(of_large_scaled, 0), -1.4181298336770848e+278), 1.4181298336770848e+278)
$$;
create function is_large_metric(value double precision) returns boolean
language sql immutable parallel safe as $$ select abs(value) > 1e270 $$;
"""

# Numbers of transactions mean something in one cluster alone. What a dump brings into another one is told by this.
_CLUSTER = """
create function current_cluster() returns bigint language sql stable as $$
    select system_identifier from pg_control_system()
$$;
alter table audit_log add column cluster_id bigint not null default current_cluster();
"""


def upgrade() -> None:
    op.execute(_SUMS)
    op.execute(_CLUSTER)


def downgrade() -> None:
    op.execute("alter table audit_log drop column cluster_id; drop function current_cluster()")
    op.execute("drop function is_large_metric(double precision), metric_total(double precision, double precision)")
