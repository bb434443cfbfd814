"""Tables. Rows are small: numbers and pictures lie in the blob folder, named by the sha256 that `refs`
holds."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

inputs = Table(
    "inputs",
    metadata,
    Column("id", String(64), primary_key=True),  # sha256 of the bytes as uploaded
    Column("modality", String(16), nullable=False),
    Column("meta", JSON, nullable=False),  # app.core.schemas.Input
    Column("created", Float, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("title", Text, nullable=False),
    Column("architecture", String(200), nullable=False),
    Column("labels", JSON, nullable=False),
    Column(
        "digest", String(64), nullable=False
    ),  # sha256 of the weights file, which is also the name of its blob
    Column("meta", JSON, nullable=False),
    Column("created", Float, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("client", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rank", Integer, nullable=False),  # larger first
    Column("turn", Integer, nullable=False),  # fair order between clients of the same rank
    Column("payload", JSON, nullable=False),
    Column("result", JSON),
    Column("error", JSON),  # app.core.schemas.Problem
    Column("attempts", Integer, nullable=False),  # times a worker was asked
    Column(
        "results", Integer, nullable=False
    ),  # times a result was accepted: 0 or 1, which the kill tests count
    Column("owner", String(80)),  # process that runs it
    Column("lease", Float),  # the owner is dead when this moment (Unix seconds) has passed
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Index("ix_jobs_state_lane", "state", "lane"),
    Index("ix_jobs_client", "client"),
    Index("ix_jobs_created", "created"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),  # the larger the later
    Column("model", String(200), nullable=False),
    Column("digest", String(64), nullable=False),  # sha256 of its weights
    Column("method", String(80), nullable=False),
    Column("conditions", String(64), nullable=False),  # hash of machine, threads and code
    Column("passes", Integer, nullable=False),  # really spent, forward and backward
    Column("seconds", Float, nullable=False),  # of the method itself
    Index("ix_runs_model", "model", "digest"),
)

concepts = Table(
    "concepts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("modality", String(16), nullable=False),
    Column(
        "digest", String(64), nullable=False
    ),  # sha256 of the manifest, which is also the name of its blob
    Column("examples", JSON, nullable=False),
    Column("created", Float, nullable=False),
)

regions = Table(
    "regions",
    metadata,
    Column("input", String(64), primary_key=True),
    Column("region", JSON, nullable=False),  # app.core.schemas.Region
    Column("created", Float, nullable=False),
)

worklists = Table(
    "worklists",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("model", String(200), nullable=False),
    Column("model_title", Text, nullable=False),
    Column("labels", JSON, nullable=False),  # of the model: what readings count into
    Column("blind", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Column("maker", Text),  # the user who was signed in; null where nobody signed in
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("worklist", String(32), nullable=False),
    Column("number", Integer, nullable=False),  # from 1, in order of arrival
    Column("input", String(64), nullable=False, index=True),
    Column("name", Text, nullable=False),  # of the file: the list is the user's own
    Column("label", Text),  # what the list says is true of it
    Column(
        "answer", String(16)
    ),  # class of the model as text, "undecided", "withheld", "failed"; null: not asked yet
    Column("score", Float),
    Column("score_class", Integer),  # the class that the score is of
    Column("prediction", String(64)),  # key of the job
    Column("problem", Text),
    Column("created", Float, nullable=False),
    UniqueConstraint("worklist", "input", name="uq_cases_worklist_input"),
    UniqueConstraint("worklist", "number", name="uq_cases_worklist_number"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("id", Integer, primary_key=True),  # the larger the later
    Column("case", String(32), nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("stage", String(8), nullable=False),
    Column("reading", String(16)),  # class as text, or "cannot_say"
    Column("prediction", String(16)),
    Column("explanation", String(16)),
    Column("note", Text, nullable=False),
    Column("region", JSON),  # app.core.schemas.Region
    Column("shown", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Index("ix_verdicts_case", "case", "reviewer"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case", String(32), nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Index("ix_case_events_case", "case", "reviewer", "kind"),
)

refs = Table(
    "refs",
    metadata,
    Column("owner", String(96), primary_key=True),  # "job:KEY", "input:ID", "model:KEY", "concept:ID"
    Column(
        "name", String(120), primary_key=True
    ),  # "values", "stage/cam", "canonical", "preview.png", "weights"
    Column("sha", String(64), nullable=False, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),  # the larger the later
    Column("at", Float, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(40), nullable=False),  # "input.delete"
    Column("object", String(200), nullable=False),  # its id, shortened: see backend/store/audit.py
    Column("facts", JSON, nullable=False),  # versions and digests; never contents, never names of files
    Index("ix_audit_at", "at"),
)

users = Table(
    "users",
    metadata,
    Column("key", String(80), primary_key=True),  # the name, case folded
    Column("name", String(80), nullable=False),
    Column("role", String(16), nullable=False),  # "reviewer" or "admin"
    Column("password", Text, nullable=False),  # argon2id, with its salt and parameters
    Column("created", Float, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("one_time", Boolean, nullable=False),  # the password holds until its owner has chosen another
    Column("signed_in", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),  # sha256 of the cookie's value
    Column("user", String(80), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("seen", Float, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("key", String(64), primary_key=True),  # sha256 of the address or the name that tried to sign in
    Column(
        "full", Float, nullable=False
    ),  # when all attempts are allowed again: see backend/store/attempts.py
)
