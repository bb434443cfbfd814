"""Jobs: the table is the truth, the engine only runs what the table says is running."""

from backend.jobs.keys import job_key
from backend.jobs.service import Jobs
from backend.store.rows import JobRow

__all__ = ["JobRow", "Jobs", "job_key"]
