"""From bytes to numbers: what a file is, whether it keeps to the limits, and its picture, sound or array.

Everything here is a pure function of bytes, runs in the limited decode process, and raises only from
app/core/errors.py.
"""

from models.media.decode import Decoded, decode

__all__ = ["Decoded", "decode"]
