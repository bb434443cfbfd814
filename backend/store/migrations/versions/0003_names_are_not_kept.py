"""File names of uploads are no longer kept; files are read without a row of their own, and a checked model is listed by its job.

Deletes those rows of the older kind (their blobs are swept), and the names that inputs and waiting or finished jobs still carry.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

inputs = sa.table("inputs", sa.column("id", sa.String), sa.column("meta", sa.JSON))
jobs = sa.table("jobs", sa.column("key", sa.String), sa.column("kind", sa.String), sa.column("payload", sa.JSON))
refs = sa.table("refs", sa.column("owner", sa.String))


def upgrade() -> None:
    connection = op.get_bind()
    gone = jobs.c.kind.in_(("decode", "model"))
    for key in connection.execute(sa.select(jobs.c.key).where(gone)).scalars().all():
        connection.execute(sa.delete(refs).where(refs.c.owner == f"job:{key}"))
    connection.execute(sa.delete(jobs).where(gone))
    for id in connection.execute(sa.select(inputs.c.id)).scalars().all():
        meta = connection.execute(sa.select(inputs.c.meta).where(inputs.c.id == id)).scalar_one()
        connection.execute(sa.update(inputs).where(inputs.c.id == id).values(meta=_nameless(meta)))
    for key in connection.execute(sa.select(jobs.c.key)).scalars().all():
        payload = connection.execute(sa.select(jobs.c.payload).where(jobs.c.key == key)).scalar_one()
        for part in (payload, *(one for one in payload.get("inputs") or [] if isinstance(one, dict))):
            if isinstance(part.get("input"), dict):
                part["input"]["meta"] = _nameless(part["input"]["meta"])
        connection.execute(sa.update(jobs).where(jobs.c.key == key).values(payload=payload))


def _nameless(meta: dict) -> dict:
    """A bundled sample keeps its name: nobody sent it."""
    return meta if meta.get("sample") else {**meta, "name": ""}


def downgrade() -> None:
    """Nothing to bring back."""
