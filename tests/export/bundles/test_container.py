"""One way to write a bundle, and no other way is read."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from beltline.export.bundles.container import MAX_BYTES, copy_member, pack, read_member, read_members, require_name
from beltline.inspection.base.errors import BundleError
from hypothesis import given, settings
from hypothesis import strategies as some

CONTENTS = {"manifest.json": b"{}", "models/a.bin": bytes(range(256)), "models/empty": b""}
NAMES = some.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)


def packed(contents: dict[str, bytes | Path]) -> bytes:
    return b"".join(pack(contents))


def read(raw: bytes) -> dict[str, bytes]:
    stream = io.BytesIO(raw)
    return {member.name: read_member(stream, member) for member in read_members(stream)}


@settings(max_examples=50, deadline=None)
@given(some.dictionaries(NAMES, some.binary(max_size=300), min_size=1, max_size=6))
def test_what_is_packed_is_read_again(contents: dict[str, bytes]) -> None:
    names = list(contents)
    raw = packed(dict(contents))
    if any(f"{one}/" == other[: len(one) + 1] for one in names for other in names):
        with pytest.raises(BundleError, match="more than once"):
            read(raw)
    else:
        assert read(raw) == contents


def test_any_unzip_program_opens_it_and_the_library_writes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENTS["models/a.bin"])
    raw = packed({**CONTENTS, "models/a.bin": tmp_path / "a.bin"})
    assert raw == packed(dict(CONTENTS))
    own = io.BytesIO()
    with zipfile.ZipFile(own, "w") as archive:
        for name, content in CONTENTS.items():
            facts = zipfile.ZipInfo(name)
            facts.create_system, facts.external_attr = 3, 0o100644 << 16
            archive.writestr(facts, content)
    assert own.getvalue() == raw
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None


def test_every_bit_of_the_file_counts() -> None:
    raw = packed({"manifest.json": b"{}", "b": b"xyz"})
    for at in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(BundleError):
            read(bytes(changed))


@given(some.integers(0, 400))
def test_a_bundle_that_is_cut_off_is_refused(length: int) -> None:
    raw = packed(dict(CONTENTS))
    with pytest.raises(BundleError):
        read(raw[: min(length, len(raw) - 1)])


@given(some.binary(max_size=400))
def test_any_bytes_at_all_are_refused_with_one_error(raw: bytes) -> None:
    with pytest.raises(BundleError):
        read(raw)


def zipped(*, comment: bytes = b"", **options: object) -> bytes:
    own = io.BytesIO()
    with zipfile.ZipFile(own, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"{}" * 50, **options)  # type: ignore[arg-type]
        archive.comment = comment
    return own.getvalue()


def header(*, size: int, name: int) -> bytes:
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, size, size, name, 0)


HOSTILE = {
    "empty": b"",
    "no members": packed({}),
    "behind it": packed(dict(CONTENTS)) + b"\0",
    "before it": b"#!/bin/sh\n" + packed(dict(CONTENTS)),
    "twice": packed(dict(CONTENTS)) * 2,
    "compressed": zipped(),
    "a comment": zipped(comment=b"hello", compress_type=zipfile.ZIP_STORED),
    "a date": zipped(compress_type=zipfile.ZIP_STORED),
    "a size that is not there": struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, MAX_BYTES, MAX_BYTES, 1, 0)
    + b"a",
    "a name that is not there": header(size=0, name=65535) + b"a",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_other_archives_are_refused(raw: bytes) -> None:
    with pytest.raises(BundleError):
        read(raw)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/pwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "C:\\x", "a\\b", "ä", "a\0b", "a b", "x" * 161,
     "a/b/c/d/e/f/g", "-f", "a\n"],
)  # fmt: skip
def test_names_that_could_lead_anywhere_are_refused_on_both_sides(name: str) -> None:
    with pytest.raises(BundleError, match="member name"):
        require_name(name)
    with pytest.raises(BundleError):
        packed({name: b""})
    if 0 < len(name) <= 160:
        honest, raw = b"n" * len(name.encode()), name.encode()
        with pytest.raises(BundleError):
            read(packed({honest.decode(): b""}).replace(honest, raw))


def test_a_name_may_not_stand_there_twice() -> None:
    one, other = packed({"aa": b"1"}), packed({"aa": b"1", "bb": b"1"})
    assert len(one) < len(other)
    with pytest.raises(BundleError, match="more than once"):
        read(other.replace(b"bb", b"aa"))


def test_too_many_members_are_refused() -> None:
    with pytest.raises(BundleError, match="at most 2000 members"):
        packed({str(number): b"" for number in range(2001)})


def test_bytes_that_change_between_two_looks_are_noticed() -> None:
    raw = packed(dict(CONTENTS))
    member = read_members(io.BytesIO(raw))[1]
    changed = bytearray(raw)
    changed[member.offset] ^= 1
    with pytest.raises(BundleError, match="changed while it was read"):
        list(copy_member(io.BytesIO(bytes(changed)), member))


@pytest.mark.parametrize("content", [b"", b"line: {}\n", b"\x89PNG" + bytes(99)])
def test_another_kind_of_file_is_called_so(content: bytes) -> None:
    with pytest.raises(BundleError, match="got another kind of file; name a bundle"):
        read(content)
