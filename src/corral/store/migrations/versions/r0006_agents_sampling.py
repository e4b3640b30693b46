"""How the answers of a conversation are sampled, and with what each turn was begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("agents", sa.Column("sampling", sa.Text))
    op.add_column("turns", sa.Column("sampling", sa.Text))
