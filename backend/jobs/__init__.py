"""Jobs: their table is the only truth; an engine runs what the table says is running."""

from backend.jobs.keys import job_key
from backend.jobs.service import Jobs
from backend.store.rows import JobRow

__all__ = ["JobRow", "Jobs", "job_key"]
