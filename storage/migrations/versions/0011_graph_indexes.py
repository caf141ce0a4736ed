"""Indexes of the graph that begin with what tells nodes apart, and give the edges of a node in order."""

from alembic import op

revision = "0011"
down_revision = "0010"

_UP = """
drop index graph_edge_open, graph_edge_downstream, graph_edge_upstream;
create unique index graph_edge_open on graph_edge (source_id, kind, target_id, tenant_id) where valid_to is null;
create index graph_edge_closed on graph_edge (source_id, kind, target_id, tenant_id) where valid_to is not null;
create index graph_edge_downstream on graph_edge (source_id, tenant_id, target_id);
create index graph_edge_upstream on graph_edge (target_id, tenant_id, source_id);
"""

_DOWN = """
drop index graph_edge_open, graph_edge_closed, graph_edge_downstream, graph_edge_upstream;
create unique index graph_edge_open on graph_edge (tenant_id, source_id, kind, target_id) where valid_to is null;
create index graph_edge_downstream on graph_edge (tenant_id, source_id);
create index graph_edge_upstream on graph_edge (tenant_id, target_id);
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    op.execute(_DOWN)
