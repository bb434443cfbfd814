"""Decoding of files: detection of the kind, limits, and the picture, sound or array in it.

Every function here is a pure function of bytes, runs in the limited decode process, and raises only errors of
app/core/errors.py.
"""

from models.media.decode import Decoded, decode

__all__ = ["Decoded", "decode"]
