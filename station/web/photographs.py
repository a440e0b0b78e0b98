"""Photographs in the body of a request: one as it is, or several as a form with files (RFC 7578)."""

from __future__ import annotations

import re

from ...inspection.base.errors import DataError

MOST_REFERENCE_FRAMES = 4
"""A body may have as many bytes as so many of the largest frames: a quarter of what all bodies may have."""

_FORM = "multipart/form-data"
_BOUNDARY = re.compile(r'(?i)\bboundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?\s*(?:;|$)')
_MOST_PARTS = 32


def photographs_in(body: bytes, content_type: str) -> list[bytes]:
    """Take the image files out of a body.

    Args:
        body: Whole.
        content_type: The request's header.

    Raises:
        DataError: It is a form that cannot be read, or holds more than 32 parts.

    >>> photographs_in(b"abc", "image/png")
    [b'abc']
    """
    if not content_type.lower().startswith(_FORM):
        return [body] if body else []
    found = _BOUNDARY.search(content_type)
    if found is None:
        msg = f"{_FORM}: wanted a boundary of up to 70 characters, got {content_type[:120]!r}"
        raise DataError(msg)
    before, *parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode(), _MOST_PARTS + 1)
    if before or not parts or not parts.pop().startswith(b"--"):
        msg = f"{_FORM}: wanted at most {_MOST_PARTS} parts and the boundary at both ends, got something else"
        raise DataError(msg)
    heads = [each.partition(b"\r\n\r\n") for each in parts]
    return [content for head, _, content in heads if b"filename" in head.lower()]
