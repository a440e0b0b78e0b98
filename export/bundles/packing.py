"""Files on their way to a device: entropy-coded, and back bit by bit.

The coding is .xz (LZMA2 and a range coder; tukaani.org, The .xz File Format 1.2.1), which any device can undo by hand,
too. How many bits of a byte's place and of the byte before it choose a probability is tried out for each file: weights
of four bytes want their place, weights of one byte want neither (each plane or all bytes then get an order-0 model, as
the Huffman codes of Deep Compression, arXiv 1510.00149, have it).
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ...inspection.base.errors import BundleError

_WORTH_IT = 0.97
_SAMPLES, _SAMPLE_BYTES = 4, 1 << 15
"""The contexts are tried on this many pieces of a file of this size: coding takes half a second a megabyte."""
_DICTIONARY_BYTES = 4 << 20
_MEMORY_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20
_CONTEXTS = ((3, 0, 2), (0, 0, 0), (0, 2, 2), (2, 2, 2))
"""Literal context bits, literal position bits, position bits; the first is what xz itself takes."""


@lru_cache(maxsize=4)
def packed(content: bytes) -> bytes | None:
    """Code a file for the way, or give None where that saves less than 3 %.

    The same liblzma gives the same bytes; what comes out of them is the same with any. The last files are remembered: a
    run codes its model for the report's size and again for the bundle, and that takes seconds.

    >>> content = bytes(9_999)
    >>> digest = hashlib.sha256(content).hexdigest()
    >>> pieces = unpacking([packed(content)], size_bytes=9_999, sha256=digest, name="zeros")
    >>> b"".join(pieces) == content, len(packed(content)) < 200, packed(b"short")
    (True, True, None)
    """
    sample = _sample(content)
    best = min(_CONTEXTS, key=lambda context: len(_coded(sample, context)))
    found = _coded(content, best)
    return found if len(found) <= _WORTH_IT * len(content) else None


def unpacking(chunks: Iterable[bytes], *, size_bytes: int, sha256: str, name: str) -> Iterator[bytes]:
    """Give a coded file's own bytes in pieces; never more of them than it should have.

    Args:
        chunks: The coded file, whole and in order.
        size_bytes: Length of the file itself.
        sha256: Hex digits of the file itself.
        name: For messages.

    Raises:
        BundleError: The coding is damaged, wants more than 32 MiB of memory, or gives another file.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)
    digest, left = hashlib.sha256(), size_bytes
    try:
        for piece in _decoded(decoder, chunks):
            left -= len(piece)
            if left < 0:
                break
            digest.update(piece)
            yield piece
    except lzma.LZMAError as error:
        msg = f"{name}: cannot be unpacked ({error}); get the bundle again from where it was made"
        raise BundleError(msg) from error
    if left or not decoder.eof or decoder.unused_data or digest.hexdigest() != sha256:
        msg = f"{name}: what is packed is not the file that the manifest names; do not use this bundle"
        raise BundleError(msg)


def _sample(content: bytes) -> bytes:
    """Take pieces from all over a file, or all of it where it is no longer than they are together.

    >>> len(_sample(bytes(99))), len(_sample(bytes(10_000_001)))
    (99, 131072)
    """
    apart = len(content) // _SAMPLES // 4 * 4  # places within four bytes stay what they are
    if apart <= _SAMPLE_BYTES:
        return content[: _SAMPLES * _SAMPLE_BYTES]
    return b"".join(content[at : at + _SAMPLE_BYTES] for at in range(0, _SAMPLES * apart, apart))


def _coded(content: bytes, context: tuple[int, int, int]) -> bytes:
    of_byte, of_place, of_match = context
    chosen = {"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": _DICTIONARY_BYTES}
    return lzma.compress(
        content, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=[{**chosen, "lc": of_byte, "lp": of_place, "pb": of_match}]
    )


def _decoded(decoder: lzma.LZMADecompressor, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give decoded pieces of at most a chunk, however much a coded chunk expands to."""
    for chunk in chunks:
        if decoder.eof:
            msg = "more bytes follow its end"
            raise lzma.LZMAError(msg)
        yield decoder.decompress(chunk, _CHUNK_BYTES)
        while not decoder.eof and not decoder.needs_input:
            yield decoder.decompress(b"", _CHUNK_BYTES)
