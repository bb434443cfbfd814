"""Attempts to sign in; whether a user is active, has a one-time password, and when they last signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("full", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )
    op.add_column("users", sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("users", sa.Column("one_time", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("signed_in", sa.Float()))


def downgrade() -> None:
    for name in ("signed_in", "one_time", "active"):
        op.drop_column("users", name)
    op.drop_table("attempts")
