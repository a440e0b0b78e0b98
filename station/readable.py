"""Waiting for descriptors, also for those above 1023, which select(2) cannot name."""

from __future__ import annotations

import math
import select
from collections.abc import Sequence

_NAMEABLE = 1024
"""FD_SETSIZE of glibc."""


def readable(descriptors: Sequence[int], timeout_s: float | None) -> list[int]:
    """Wait until something can be read; gives what can be, none after the timeout.

    Args:
        descriptors: Open ones.
        timeout_s: None: for ever. Kept to microseconds, above 1023 descriptors to a millisecond (poll(2)).
    """
    if max(descriptors) < _NAMEABLE:
        return select.select(descriptors, (), (), timeout_s)[0]
    polled = select.poll()
    for each in descriptors:
        polled.register(each, select.POLLIN)
    return [each for each, _ in polled.poll(None if timeout_s is None else math.ceil(timeout_s * 1e3))]
