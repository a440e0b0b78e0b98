"""The file itself: a zip archive with exactly one way to write it, read without trusting any of it.

Members are stored as they are, dates are fixed, nothing stands between, before or behind them (PKWARE, APPNOTE 6.3.10,
sections 4.3.7, 4.3.12 and 4.3.16). So the same contents give the same bytes whatever library is installed, any unzip
program opens the file, and a reader can ask for every byte to be the one that the writer would have written: no room
is left for bombs, links, second directories, comments or bits that nobody checks.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...inspection.base.errors import BundleError

MAX_BYTES = 1 << 30
"""Of a whole bundle; far below what would need zip64."""

MAX_MEMBERS = 2_000
_MAX_NAME = 160
_CHUNK_BYTES = 1 << 20
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(/{_PART}){{0,5}}")
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX, _DATE = 20, 3 << 8, (0 << 9) | (1 << 5) | 1  # 2.0; made on Unix; 1980-01-01, the first day there is
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in a bundle.

    Attributes:
        name: Relative, `/` between folders, plain characters only: it cannot leave the folder it is unpacked into.
        size_bytes: Its length.
        crc: CRC-32 of its bytes, as zip has it.
        sha256: Hex digits.
        offset: Where its bytes begin in the bundle.
    """

    name: str
    size_bytes: int
    crc: int
    sha256: str
    offset: int


def pack(contents: Mapping[str, bytes | Path]) -> Iterator[bytes]:
    """Give a bundle's bytes piece by piece, members in the order of the mapping.

    Args:
        contents: Name to bytes, or to the file that holds them.

    Raises:
        BundleError: A name is not plain, or there is too much.
    """
    members: list[Member] = []
    offset = 0
    for name, content in contents.items():
        header_bytes = _LOCAL.size + len(require_name(name))
        member = _measured(name, content, offset + header_bytes)
        members.append(member)
        offset = member.offset + member.size_bytes
        _require_room(len(members), offset)
        yield _local_header(member)
        yield from _chunks(content)
    yield _directory(members)


def read_members(stream: BinaryIO) -> tuple[Member, ...]:
    """Read a bundle through, from its first byte to its last.

    Args:
        stream: At its beginning; seekable.

    Raises:
        BundleError: Any byte is not the one that `pack` writes for these contents, a name is not plain or stands there
            twice, or there is more than the limits allow.
    """
    members: list[Member] = []
    while (head := stream.read(_LOCAL.size))[:4] == b"PK\x03\x04":
        members.append(_member(head, stream))
        _require_room(len(members), stream.tell())
    directory = _directory(members)
    if not members or head + stream.read(len(directory)) != directory:
        got = (
            "got other bytes behind its members; get it again" if members else "got another kind of file; name a bundle"
        )
        msg = f"wanted a bundle as Beltline writes it, {got}"
        raise BundleError(msg)
    require_apart([member.name for member in members])
    return tuple(members)


def read_member(stream: BinaryIO, member: Member) -> bytes:
    """Read one member whole; it was measured by `read_members`, and is compared with that again."""
    return b"".join(copy_member(stream, member))


def copy_member(stream: BinaryIO, member: Member) -> Iterator[bytes]:
    """Give one member's bytes in pieces.

    Raises:
        BundleError: They are not those that were there a moment ago.
    """
    digest = hashlib.sha256()
    stream.seek(member.offset)
    left = member.size_bytes
    while chunk := stream.read(min(left, _CHUNK_BYTES)):
        left -= len(chunk)
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != member.sha256:
        msg = f"member {member.name!r} changed while it was read; nobody may write to a bundle that is being read"
        raise BundleError(msg)


def require_name(name: str) -> bytes:
    """Give a member's name as bytes if it is plain.

    Raises:
        BundleError: It is absolute, climbs, is hidden, too long, or has characters that mean something somewhere.

    >>> require_name("models/open_vino/model.xml")
    b'models/open_vino/model.xml'
    """
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        wanted = "letters, digits, '.', '_', '-' with '/' between at most 6 parts"
        msg = f"member name: wanted {wanted}, got {name[:80]!r}; do not use this bundle"
        raise BundleError(msg)
    return name.encode("ascii")


def _member(head: bytes, stream: BinaryIO) -> Member:
    """Read one member; its header must be the one that is written for what follows it."""
    if len(head) < _LOCAL.size:
        raise _cut_off()
    *_, crc, size, _, name_bytes, _ = _LOCAL.unpack(head)
    raw = stream.read(min(name_bytes, _MAX_NAME + 1))
    name = raw.decode("ascii", errors="replace")
    require_name(name)
    offset = stream.tell()
    member = _hashed(name, _exactly(stream, size), offset)
    if (member.size_bytes, member.crc) != (size, crc) or head + raw != _local_header(member):
        msg = f"member {name!r}: its header does not belong to its bytes; get the bundle again from where it was made"
        raise BundleError(msg)
    return member


def _exactly(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = stream.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise _cut_off()
        size -= len(chunk)
        yield chunk


def _measured(name: str, content: bytes | Path, offset: int) -> Member:
    return _hashed(name, _chunks(content), offset)


def _hashed(name: str, chunks: Iterator[bytes], offset: int) -> Member:
    digest, crc, size = hashlib.sha256(), 0, 0
    for chunk in chunks:
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
    return Member(name=name, size_bytes=size, crc=crc, sha256=digest.hexdigest(), offset=offset)


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _local_header(member: Member) -> bytes:
    name, size = member.name.encode(), member.size_bytes
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, member.crc, size, size, len(name), 0) + name


def _directory(members: Sequence[Member]) -> bytes:
    """Give what closes the archive: the list of members, and where that list begins."""
    entries = b"".join(_entry(member) for member in members)
    begin = members[-1].offset + members[-1].size_bytes if members else 0
    return entries + _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(entries), begin, 0)


def _entry(member: Member) -> bytes:
    name, size = member.name.encode(), member.size_bytes
    begin = member.offset - len(name) - _LOCAL.size
    sizes = (member.crc, size, size, len(name), 0, 0, 0, 0, _MODE, begin)
    return _CENTRAL.pack(b"PK\x01\x02", _UNIX | _VERSION, _VERSION, 0, 0, 0, _DATE, *sizes) + name


def require_apart(names: Sequence[str]) -> None:
    """Refuse names of which one stands there twice, or is a folder for another one.

    Raises:
        BundleError: One is.
    """
    folders = {name[:end] for name in names for end, sign in enumerate(name) if sign == "/"}
    for name in names:
        if names.count(name) > 1 or name in folders:
            msg = f"member {name!r} stands there more than once; get the bundle again from where it was made"
            raise BundleError(msg)


def _require_room(members: int, size_bytes: int) -> None:
    if members > MAX_MEMBERS or size_bytes > MAX_BYTES:
        got = f"{members} members with {size_bytes} bytes"
        msg = f"wanted a bundle of at most {MAX_MEMBERS} members and {MAX_BYTES} bytes, got {got} and perhaps more"
        raise BundleError(msg)


def _cut_off() -> BundleError:
    return BundleError("wanted a whole bundle, got one that is cut off; copy it again")
