"""Worklists, their cases, and what reviewers said and did about them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worklists",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("model_title", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worklists"),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("worklist", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("input", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("answer", sa.String(16)),
        sa.Column("score", sa.Float()),
        sa.Column("score_class", sa.Integer()),
        sa.Column("prediction", sa.String(64)),
        sa.Column("problem", sa.Text()),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sa.UniqueConstraint("worklist", "input", name="uq_cases_worklist_input"),
        sa.UniqueConstraint("worklist", "number", name="uq_cases_worklist_number"),
    )
    op.create_index("ix_cases_input", "cases", ["input"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case", sa.String(32), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(8), nullable=False),
        sa.Column("reading", sa.String(16)),
        sa.Column("prediction", sa.String(16)),
        sa.Column("explanation", sa.String(16)),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("region", sa.JSON()),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_case", "verdicts", ["case", "reviewer"])
    op.create_table(
        "case_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case", sa.String(32), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_events"),
    )
    op.create_index("ix_case_events_case", "case_events", ["case", "reviewer", "kind"])


def downgrade() -> None:
    for name in ("case_events", "verdicts", "cases", "worklists"):
        op.drop_table(name)
