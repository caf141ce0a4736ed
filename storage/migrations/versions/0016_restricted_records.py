"""RESTRICTED records are found at once: whatever names one is told with a grant alone, and most tenants have none."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Index them."""
    op.execute("create index document_restricted on document (tenant_id, id) where data_classification = 'restricted'")


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index document_restricted")
