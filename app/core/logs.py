"""What may be logged: never a value of a visitor's. Our own lines say where something happened
(`errors.where`), not with what."""

from __future__ import annotations

import logging

TALKATIVE = ("sqlalchemy", "httpx", "httpcore", "PIL", "python_multipart", "urllib3")
"""Libraries that write rows, addresses, headers or tags of files at INFO or DEBUG, which somebody may turn
on for everything."""


def quiet_libraries() -> None:
    """Once per process; a level that was chosen for one of them on purpose stays."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
