"""The products of a running station: which one a frame shows, and the reference that it is compared with.

The folder of references is looked at every half second; a frame keeps the reference that was there when it came.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ..inspection.base.errors import BeltlineError, DataError
from ..inspection.base.storage import write_bytes
from .references import Golden, Signature, read_reference, signatures_in
from .settings import ReferenceSettings

_MOST_DECODED_BYTES = 512 << 20
_CURRENT = "product"
_MOST_NAME, _MOST_NAME_BYTES = 64, 256


class _Decoded(NamedTuple):
    golden: Golden
    signature: Signature


class Products:
    """The references of a running station; safe to use from any thread.

    Attributes:
        settings: As the user wrote them.
    """

    def __init__(self, settings: ReferenceSettings, *, state: Path | None = None) -> None:
        """Look for references; there may be none yet.

        Args:
            settings: Where they are, and how a frame says which one it wants.
            state: Folder that remembers the product of `change_to` over a restart; None: nothing does.
        """
        self.settings = settings
        self._pattern = None if settings.product is None else re.compile(settings.product)
        self._path = None if state is None else state / _CURRENT
        self._lock = Lock()
        self._files: dict[str, Signature] = {}
        self._decoded: OrderedDict[tuple[str, int], _Decoded] = OrderedDict()
        self._bytes = 0
        self._problem = ""
        self.look(channels=None)
        self._current = self._remembered() or settings.default or ""

    @property
    def current(self) -> str:
        """The product that frames show where nothing else says so; empty: none was named."""
        return self._current

    @property
    def names(self) -> tuple[str, ...]:
        """All products, sorted."""
        return tuple(sorted(self._files))

    def change_to(self, product: str) -> bool:
        """Let frames from now on show another product; those under way keep theirs.

        One without a reference is taken, too: its frames go to the safe side, while the reference of the one before
        would judge another product's parts.

        Returns:
            Whether it is another one than before.

        Raises:
            StorageError: It is changed, but a restart would not remember it.
        """
        product = product[:_MOST_NAME]
        changed, self._current = product != self._current, product
        if changed and self._path is not None:
            write_bytes(self._path, product.encode(errors="replace"))
        return changed

    def knows(self, product: str) -> bool:
        """Whether a product has a reference."""
        return product in self._files

    def look(self, *, channels: int | None) -> str:
        """See which references are there now, and decode those that will be wanted.

        Args:
            channels: Of the model's frames; None: nothing is decoded yet.

        Returns:
            Why the folder cannot be read, the first time that it cannot; what was known goes on. Else empty.
        """
        try:
            found = signatures_in(self.settings.folder)
        except DataError as error:
            new, self._problem = str(error) != self._problem, str(error)
            return self._problem if new else ""
        self._problem = ""
        with self._lock:
            self._files = found
            for key in [key for key, kept in self._decoded.items() if found.get(key[0]) != kept.signature]:
                self._bytes -= self._decoded.pop(key).golden.image.nbytes
            missing = [] if channels is None else [name for name in found if (name, channels) not in self._decoded]
        for name in missing:
            if channels is None or self._bytes > _MOST_DECODED_BYTES // 2:
                break
            self._decode_ahead(name, channels)
        return ""

    def named(self, product: str, name: str, source: str) -> str:
        """Say which product a frame shows: as was said with it, as its name or its source says, or the current one.

        Args:
            product: Said with the frame; empty: nothing was.
            name: The frame's, such as a file's.
            source: That it came from.
        """
        if product:
            return product
        match = None if self._pattern is None else self._pattern.search(name)
        found = match[1] if match is not None else None
        return found or self.settings.sources.get(source) or self._current

    def golden(self, product: str, channels: int) -> Golden:
        """Give a product's reference as a model with so many channels takes it.

        Raises:
            DataError: It is not known, or cannot be read.
        """
        with self._lock:
            signature = self._files.get(product)
            kept = self._decoded.get((product, channels))
            if kept is not None and kept.signature == signature:
                self._decoded.move_to_end((product, channels))
                return kept.golden
        if signature is None:
            what = f"no reference of product {product[:80]!r}" if product else "nobody said which product it shows"
            msg = f"{what}; add one: beltline reference add STATION.yaml PRODUCT photo.png"
            raise DataError(msg)
        golden = read_reference(self.settings.folder, product, channels)
        self._keep((product, channels), _Decoded(golden, signature))
        return golden

    def _decode_ahead(self, product: str, channels: int) -> None:
        try:
            self.golden(product, channels)
        except BeltlineError:
            return  # whoever wants it is told why

    def _keep(self, key: tuple[str, int], decoded: _Decoded) -> None:
        with self._lock:
            if (before := self._decoded.pop(key, None)) is not None:
                self._bytes -= before.golden.image.nbytes
            self._decoded[key] = decoded
            self._bytes += decoded.golden.image.nbytes
            while self._bytes > _MOST_DECODED_BYTES and len(self._decoded) > 1:
                self._bytes -= self._decoded.popitem(last=False)[1].golden.image.nbytes

    def _remembered(self) -> str:
        """Give the product of before the restart; empty: there was none."""
        try:
            raw = b"" if self._path is None else self._path.read_bytes()[:_MOST_NAME_BYTES]
        except OSError:
            return ""
        return raw.decode(errors="replace")[:_MOST_NAME]
