"""Every error a user can cause, in one tree. Anything else that escapes is a bug and is answered with 500 and
an id.

EvidentError                 code                    status
├── InvalidInput             invalid_input            422   readable, but cannot be used
│   ├── BadParameter         bad_parameter            422   unknown name, wrong type, out of range
│   ├── TooExpensive         too_expensive            422   would take longer than the limit
│   ├── Incompatible         incompatible             422   this method does not fit this model or layer
│   ├── NotDecodable         not_decodable            422   the bytes are not what their type says
│   └── ModelRejected        model_rejected           422   the weights do not fit the architecture
├── TooLarge                 too_large                413   too many bytes, or too large once decoded
├── UnsupportedType          unsupported_type         415   a file type that is not accepted
├── NotSignedIn              sign_in                  401   nobody is signed in, or no longer
├── Forbidden                admin_only               403   not for this user
├── NotFound                 not_found                404
├── Conflict                 conflict                 409
├── TooManyAttempts          too_many_attempts        429   sign-in was tried too often: retry later
├── Busy                     busy                     503   queue full: retry later
├── NoSpace                  no_space                 507   the data folder cannot take more
├── StorageUnavailable       storage_unavailable      503   the database or the data folder does not answer
├── WeightsUnavailable       weights_unavailable      503   weights could not be fetched or verified
└── JobFailed                job_failed               500   a job ended without a result (never an HTTP 500: state `failed`)
    ├── WorkerKilled         worker_killed                  its worker died twice
    ├── JobTimeout           job_timeout                    ran past the limit
    ├── OutOfMemory          out_of_memory                  needed more memory than a worker may use
    └── Cancelled            cancelled                      stopped by the user

`detail` is one plain sentence: what is wrong, the limit, what to do. It never holds a path, a library message
or the input value.
"""

from __future__ import annotations

import traceback
from typing import ClassVar


class EvidentError(Exception):
    """Base of the tree. `code` may be refined per instance (e.g. `image_too_large`), `status` is fixed per
    class."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.instance_code = code or self.code
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process boundaries; keyword arguments must survive pickling."""
        return (_rebuild, (type(self), self.detail, self.instance_code, self.field))


def _rebuild(kind: type[EvidentError], detail: str, code: str, field: str | None) -> EvidentError:
    return kind(detail, code=code, field=field)


def where(error: BaseException) -> str:
    """An error for a log: its type and where it happened, without its message, which may quote what a user
    sent."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__)[-12:])}"


class InvalidInput(EvidentError):
    code, status, title = "invalid_input", 422, "This input cannot be used"


class BadParameter(InvalidInput):
    code, title = "bad_parameter", "A parameter is not valid"


class TooExpensive(InvalidInput):
    code, title = "too_expensive", "This would take too long"


class Incompatible(InvalidInput):
    code, title = "incompatible", "The method does not fit this model"


class NotDecodable(InvalidInput):
    code, title = "not_decodable", "The file could not be read"


class ModelRejected(InvalidInput):
    code, title = "model_rejected", "The model was not accepted"


class TooLarge(EvidentError):
    code, status, title = "too_large", 413, "Too large"


class UnsupportedType(EvidentError):
    code, status, title = "unsupported_type", 415, "File type not accepted"


class NotSignedIn(EvidentError):
    code, status, title = "sign_in", 401, "Sign in first"


class Forbidden(EvidentError):
    code, status, title = "admin_only", 403, "Not allowed"


class TooManyAttempts(EvidentError):
    """retry_after: seconds until the next one is looked at."""

    code, status, title = "too_many_attempts", 429, "Too many attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Sign-in was tried too often; try again in {retry_after} seconds.")
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return (TooManyAttempts, (self.retry_after,))


class NotFound(EvidentError):
    code, status, title = "not_found", 404, "Not found"


class Conflict(EvidentError):
    code, status, title = "conflict", 409, "Conflict"


class Busy(EvidentError):
    code, status, title = "busy", 503, "Busy"


class NoSpace(EvidentError):
    code, status, title = "no_space", 507, "No space left"


class StorageUnavailable(EvidentError):
    code, status, title = "storage_unavailable", 503, "The store does not answer"


class WeightsUnavailable(EvidentError):
    code, status, title = "weights_unavailable", 503, "Weights not available"


class JobFailed(EvidentError):
    code, title = "job_failed", "The job failed"


class WorkerKilled(JobFailed):
    code, title = "worker_killed", "The worker died"


class JobTimeout(JobFailed):
    code, title = "job_timeout", "The job took too long"


class OutOfMemory(JobFailed):
    code, title = "out_of_memory", "Not enough memory"


class Cancelled(JobFailed):
    code, title = "cancelled", "Stopped"
