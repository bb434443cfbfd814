"""The users' own regions of inputs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "regions",
        sa.Column("input", sa.String(64), nullable=False),
        sa.Column("region", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("input", name="pk_regions"),
    )


def downgrade() -> None:
    op.drop_table("regions")
