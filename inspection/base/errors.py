"""Everything Beltline refuses, as one tree; each leaf is also the builtin it specialises.

A message says *what* was wrong, what it *got*, what it *wanted* and what to *do*. The command line prints it
and exits with `exit_code`; anything that is not a `BeltlineError` is a bug and shows its traceback.
"""

from __future__ import annotations

import unicodedata
from typing import ClassVar


def plain_text(text: str) -> str:
    r"""Write out what would act on a terminal or turn a line around: controls (not newline and tab), bidi marks.

    A message may hold names and texts from anywhere: a file, a bundle, a device.

    >>> plain_text("rm\x1b[2J\u202egnp.exe\n")
    'rm\\x1b[2J\\u202egnp.exe\n'
    """
    return text if text.isprintable() else "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    harmless = character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character if harmless else character.encode("unicode_escape").decode()


class BeltlineError(Exception):
    """Root of all errors that a user can correct."""

    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        """Give the message, without control characters."""
        return plain_text(super().__str__())


class LineFileError(BeltlineError, ValueError):
    """line.yaml (or a value in it) cannot be true."""


class DataError(BeltlineError, ValueError):
    """Images, masks, labels or splits that cannot be used."""


class WeightsError(BeltlineError, ValueError):
    """A checkpoint that cannot be read or does not fit its network."""


class GraphError(BeltlineError, ValueError):
    """An ONNX file that is none, or that breaks the inspector contract."""


class RecipeError(BeltlineError, ValueError):
    """A recipe step that cannot be applied."""


class MissingPartError(BeltlineError, ImportError):
    """A package or a device that is not there; the message holds the command that installs it."""


class StorageError(BeltlineError, OSError):
    """The disk is full, a folder cannot be written, or a run folder belongs to another version."""


class HostError(BeltlineError, ConnectionError):
    """A device that cannot be reached, or that cannot take what a measurement needs."""


class DeliveryError(BeltlineError, ConnectionError):
    """A partner of the station (a PLC, a broker, a disk) that did not take an outcome."""


class MeasurementError(BeltlineError, RuntimeError):
    """A measurement that did not come about or whose trace is damaged."""


class BundleError(BeltlineError, ValueError):
    """A bundle that is damaged, forged, hostile, or not for this machine; nothing of it was run."""


class ParityError(BeltlineError, ArithmeticError):
    """A decision flipped between two stages that must agree."""

    exit_code: ClassVar[int] = 3


class StationError(BeltlineError, RuntimeError):
    """A station that cannot start, or that cannot go on by itself."""


class SourceError(BeltlineError, OSError):
    """A camera, folder or stream that a station cannot take frames from."""


class GpuError(BeltlineError, RuntimeError):
    """A GPU or its driver that failed while it worked, or that has no room."""


class TooSlowError(BeltlineError, TimeoutError):
    """A model that cannot keep the belt's deadline on this device."""

    exit_code: ClassVar[int] = 3
