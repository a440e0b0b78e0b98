"""What sources give: frames, frames that came broken, or nothing; and what a source is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ..inspection.base.plugins import plugins
from ..inspection.data.bayer import Bayer
from ..inspection.data.camera import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFrame:
    """One photograph of a part, as it came from its source.

    Attributes:
        number: Ascending within its source; a gap means that the camera itself lost frames.
        source: Name of the source.
        name: What people call the frame, such as a file's name; may be empty.
        image: uint8 `[height, width, channels]`, RGB or grey; nobody writes to it any more.
        captured_ns: When it was there, on the clock of `time.monotonic_ns`: its deadline counts from here.
        region: The part of it that is inspected, inside it; None: all of it.
        product: What it shows, where that was said; empty: nobody said so.
        reference: What it is compared with, uint8 of the shape of `inspected`; None: nothing.
        reference_digest: `sha256:<hex>` of the reference's file; empty: there is none.
    """

    number: int
    source: str
    name: str
    image: NDArray[np.uint8]
    captured_ns: int
    region: Region | None = None
    product: str = ""
    reference: NDArray[np.uint8] | None = None
    reference_digest: str = ""

    @property
    def inspected(self) -> NDArray[np.uint8]:
        """What the model is shown: a view of the image."""
        return self.image if self.region is None else self.region.cut(self.image)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the array that the engine is given: the frame, above its reference where there is one."""
        height, width, channels = self.inspected.shape
        return (height if self.reference is None else 2 * height, width, channels)

    def copy_to(self, array: NDArray[np.uint8]) -> None:
        """Copy the frame, and its reference below it, to an array of `shape`."""
        shown = self.inspected
        np.copyto(array[: len(shown)], shown)
        if self.reference is not None:
            np.copyto(array[len(shown) :], self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyFrame:
    """A photograph that was taken but cannot be read: its part passed the camera all the same and needs an answer.

    Attributes:
        number: As of `OfferedFrame`.
        source: As of `OfferedFrame`.
        name: As of `OfferedFrame`.
        captured_ns: As of `OfferedFrame`.
        why: What is wrong with it.
    """

    number: int
    source: str
    name: str
    captured_ns: int
    why: str


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticedFrame:
    """A photograph that is there and not yet decoded; its deadline runs. Either `load` or `dismiss` is called, once.

    Attributes:
        number: As of `OfferedFrame`.
        source: As of `OfferedFrame`.
        name: As of `OfferedFrame`.
        captured_ns: When it was noticed, on the clock of `time.monotonic_ns`.
        load: Decodes it to uint8 `[height, width, channels]`, in another thread; takes the most bytes that the decoded
            file may have, and raises DataError where it cannot be read.
        dismiss: Takes that it was answered before anybody decoded it.
        product: As of `OfferedFrame`.
    """

    number: int
    source: str
    name: str
    captured_ns: int
    load: Callable[[int], NDArray[np.uint8]]
    dismiss: Callable[[], None] = _nothing
    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRule:
    """How a camera's pixels, or a file's, become what the model takes: as they did when it was trained.

    Attributes:
        channels: 1 (grey, or a mosaic) or 3 (RGB).
        bit_depth: Bits that values of 16 bits really use, 8 to 16; the upper 8 of them are kept. A camera's own pixel
            format goes before.
        window: Instead of `bit_depth`: levels of 16-bit values that become 0 and 255.
        bayer: The model takes raw mosaics of this pattern, of one channel; None: it does not.
    """

    channels: int
    bit_depth: int = 8
    window: tuple[int, int] | None = None
    bayer: Bayer | None = None


AnyFrame = OfferedFrame | FaultyFrame | NoticedFrame


class Quiet(Enum):
    """What a source gives where there is no frame."""

    NOTHING_YET = "nothing came in the time given"
    ENDED = "no frame will ever come again"


class Source(Protocol):
    """Something open that photographs come from; used by one thread at a time."""

    def next_frame(self, timeout_s: float) -> AnyFrame | Quiet:
        """Wait for the next photograph, for about `timeout_s` at most.

        Raises:
            SourceError: The source is gone; it is closed and opened again.
        """
        ...

    def close(self) -> None:
        """Free what it holds; whatever happens afterwards, no frame comes from it."""
        ...


class SourceKind(Protocol):
    """A kind of source. One file in `station/sources/` each, with the constant `SOURCE`."""

    @property
    def name(self) -> str:
        """As written in station.yaml."""
        ...

    @property
    def settings_type(self) -> type[BaseModel]:
        """What may be written below the kind's name."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed and how to get it, or None."""
        ...

    def open(self, settings: Any, *, name: str, pixels: PixelRule) -> Source:
        """Open a source.

        Args:
            settings: Of `settings_type`.
            name: Goes into each frame's `source`.
            pixels: What the model takes, and how values of 16 bits become 8.

        Raises:
            SourceError: It is not there or refuses.
            MissingPartError: What it needs is not installed.
        """
        ...


def source_kinds() -> Mapping[str, SourceKind]:
    """Give all kinds of sources by name: the files in `station/sources` and those that other packages add."""
    return plugins("station.sources")
