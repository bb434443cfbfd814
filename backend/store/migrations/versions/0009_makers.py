"""Who made a worklist: the user who was signed in. Of older lists nobody is known."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worklists", sa.Column("maker", sa.Text()))


def downgrade() -> None:
    op.drop_column("worklists", "maker")
