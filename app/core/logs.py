"""Logging rule: no value that a visitor sent is logged. Our lines say where an error happened
(`errors.where`), not with which data."""

from __future__ import annotations

import logging

TALKATIVE = ("sqlalchemy", "httpx", "httpcore", "PIL", "python_multipart", "urllib3")
"""Libraries that log rows, addresses, headers or file tags at INFO or DEBUG."""


def quiet_libraries() -> None:
    """Sets these loggers to WARNING, once per process; a level that was set on purpose stays."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
