"""Tables. Rows are small: numbers and pictures lie in the blob folder, named by the sha256 that `refs`
holds."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, String, Table, Text

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

refs = Table(
    "refs",
    metadata,
    Column("owner", String(96), primary_key=True),  # "job:KEY", "input:ID", "model:KEY", "concept:ID"
    Column(
        "name", String(120), primary_key=True
    ),  # "values", "stage/cam", "canonical", "preview.png", "weights"
    Column("sha", String(64), nullable=False, index=True),
)
