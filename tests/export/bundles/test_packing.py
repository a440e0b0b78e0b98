"""Files coded for the way: back bit by bit, and nothing hostile gets through the decoder."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.export.bundles.container import pack, read_member, read_members
from beltline.export.bundles.manifest import MOST_BYTES, Manifest
from beltline.export.bundles.packing import packed, unpacking
from beltline.export.bundles.reading import open_bundle, read_unpacked
from beltline.export.bundles.signing import sign
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError
from hypothesis import given, settings
from hypothesis import strategies as some

MODEL = "models/onnx_runtime/model.onnx"
Contents = dict[str, bytes]


def unpacked(coded: bytes, content: bytes, *, piece: int = 1000, **changes: Any) -> bytes:
    pieces = [coded[at : at + piece] for at in range(0, len(coded), piece)]
    facts = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "name": "a file", **changes}
    return b"".join(unpacking(pieces, **facts))


@settings(max_examples=60, deadline=None)
@given(part=some.binary(min_size=1, max_size=50), times=some.integers(20, 400), piece=some.integers(1, 500))
def test_what_is_packed_comes_back(part: bytes, times: int, piece: int) -> None:
    content = part * times
    coded = packed(content)
    assert coded is None or unpacked(coded, content, piece=piece) == content


def plane_entropy_bytes(content: bytes, width: int) -> float:
    """Count what an ideal code of each byte by its place alone would take: no Huffman code is shorter."""
    planes = np.frombuffer(content, dtype=np.uint8).reshape(-1, width).T
    shares = [np.bincount(plane, minlength=256) / plane.size for plane in planes]
    bits = [-(share[share > 0] * np.log2(share[share > 0])).sum() for share in shares]
    return float(sum(bits)) * planes.shape[1] / 8


def test_weights_of_one_and_of_four_bytes_are_coded_about_as_well_as_any_code_of_single_bytes_could() -> None:
    chance = np.random.default_rng(3)
    for weights in (
        np.clip(chance.laplace(0, 12, 40_000), -127, 127).astype(np.int8),
        chance.normal(0, 0.02, 40_000).astype(np.float32),
    ):
        content = weights.tobytes()
        coded = packed(content)
        assert coded is not None
        assert len(coded) < 1.03 * plane_entropy_bytes(content, weights.itemsize)
        assert len(coded) <= len(lzma.compress(content, preset=9))
        assert unpacked(coded, content) == content


def test_the_whole_file_says_how_it_is_coded_not_its_beginning() -> None:
    text = bytes(np.random.default_rng(5).integers(97, 123, 150_000, dtype=np.uint8))
    weights = np.random.default_rng(6).normal(0, 0.02, 120_000).astype(np.float32).tobytes()
    coded = packed(text + weights)
    assert coded is not None
    assert len(coded) < 0.97 * len(lzma.compress(text + weights, preset=9))
    assert unpacked(coded, text + weights, piece=100_000) == text + weights


def test_bytes_without_pattern_travel_as_they_are() -> None:
    assert packed(np.random.default_rng(4).bytes(50_000)) is None
    assert packed(b"") is None


def test_a_bomb_stops_where_the_file_should_end() -> None:
    bomb = lzma.compress(bytes(60 << 20), preset=0)
    pieces, given_out = [bomb[at : at + 100] for at in range(0, len(bomb), 100)], list[int]()
    out = unpacking(pieces, size_bytes=3_000_000, sha256="0" * 64, name="a file")
    with pytest.raises(BundleError, match="not the file that the manifest names"):
        given_out.extend(len(piece) for piece in out)
    assert sum(given_out) <= 3_000_000


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda coded: coded[:-4], "not the file"),
        (lambda coded: coded + b"\0", "unpacked|not the file"),
        (lambda coded: coded + coded, "unpacked|not the file"),
        (lambda coded: coded[:40] + bytes([coded[40] ^ 1]) + coded[41:], "unpacked|not the file"),
        (lambda _: lzma.compress(b"b" * 5000), "not the file"),
        (lambda _: lzma.compress(b"a" * 4999), "not the file"),
        (lambda _: b"", "not the file"),
        (lambda _: b"no xz at all", "cannot be unpacked"),
        (lambda _: lzma.compress(b"a" * 5000, lzma.FORMAT_ALONE), "cannot be unpacked"),
    ],
)
def test_what_is_not_the_file_is_refused(spoil: Callable[[bytes], bytes], message: str) -> None:
    content = b"a" * 5000
    coded = packed(content)
    assert coded is not None
    with pytest.raises(BundleError, match=message):
        unpacked(spoil(coded), content)


def test_a_decoder_that_wants_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    hungry = lzma.compress(b"a" * 5000, lzma.FORMAT_XZ, filters=filters)
    with pytest.raises(BundleError, match="cannot be unpacked"):
        unpacked(hungry, b"a" * 5000)


@pytest.fixture(scope="module")
def sent(bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sent") / "packed.beltline"
    write_bundle(path, replace(bundle.parts, packed=True), key=bundle.key)
    return path


def manifest_of(path: Path) -> Manifest:
    with open_bundle(path) as opened:
        return opened.manifest


def test_a_packed_bundle_is_smaller_and_installs_the_same_files(bundle: Any, sent: Path, tmp_path: Path) -> None:
    plain, manifest = manifest_of(bundle.path), manifest_of(sent)
    assert (plain.format, manifest.format) == (1, 2)
    assert sent.stat().st_size < 0.9 * bundle.path.stat().st_size
    assert {each.path for each in manifest.files if each.packed} >= {MODEL}
    assert [(each.path, each.sha256) for each in manifest.files] == [(each.path, each.sha256) for each in plain.files]
    assert (
        manifest.installed_bytes
        == plain.installed_bytes
        > sum((each.packed or each).size_bytes for each in manifest.files)
    )
    with open_bundle(sent, key=bundle.public) as opened:
        folder = tmp_path / "there"
        folder.mkdir()
        unpacked_there = opened.unpack(folder)
    assert read_unpacked(folder) == unpacked_there
    assert (folder / MODEL).read_bytes() == bundle.parts.models[0].artifact.path.read_bytes()
    assert not list(folder.rglob("*.xz"))


def test_the_same_inputs_give_the_same_packed_bytes(bundle: Any, sent: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "again.beltline", replace(bundle.parts, packed=True), key=bundle.key)
    assert (tmp_path / "again.beltline").read_bytes() == sent.read_bytes()


@pytest.fixture
def forge(bundle: Any, sent: Path, tmp_path: Path) -> Callable[..., Path]:
    """Give a function that changes a packed bundle and signs the result, as an insider with the key could."""

    def changed(change: Callable[[Contents, dict[str, Any]], None]) -> Path:
        stream = io.BytesIO(sent.read_bytes())
        contents = {member.name: read_member(stream, member) for member in read_members(stream)}
        value = json.loads(contents.pop("manifest.json"))
        del contents["signature.json"]
        change(contents, {each["path"]: each for each in value["files"]} | {"": value})
        raw = (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
        order = [each["path"] + (".xz" if "packed" in each else "") for each in value["files"]]
        listed = {name: contents[name] for name in order if name in contents}
        path = tmp_path / "forged.beltline"
        head = {"manifest.json": raw, "signature.json": sign(raw, bundle.key)}
        path.write_bytes(b"".join(pack({**head, **listed})))
        return path

    return changed


def swap(contents: Contents, facts: dict[str, Any], coded: bytes) -> None:
    """Put another coding in the model's place, rightly listed."""
    contents[f"{MODEL}.xz"] = coded
    facts[MODEL]["packed"] = {"size_bytes": len(coded), "sha256": hashlib.sha256(coded).hexdigest()}


def refused(path: Path, folder: Path, message: str) -> None:
    folder.mkdir()
    with pytest.raises(BundleError, match=message), open_bundle(path) as hostile:
        hostile.unpack(folder)
    assert not (folder / ".." / "outside").exists()


def test_another_file_in_a_coding_is_refused(forge: Callable[..., Path], tmp_path: Path) -> None:
    path = forge(lambda contents, facts: swap(contents, facts, lzma.compress(b"another model")))
    refused(path, tmp_path / "a", "not the file that the manifest names")


def test_a_bomb_in_a_bundle_is_refused(forge: Callable[..., Path], tmp_path: Path) -> None:
    path = forge(lambda contents, facts: swap(contents, facts, lzma.compress(bytes(20 << 20), preset=0)))
    refused(path, tmp_path / "a", "not the file that the manifest names")
    assert sum(each.stat().st_size for each in (tmp_path / "a").rglob("*") if each.is_file()) < 2 << 20


def test_a_coding_that_is_not_listed_as_it_is_is_refused(forge: Callable[..., Path], tmp_path: Path) -> None:
    def other(contents: Contents, _: dict[str, Any]) -> None:
        contents[f"{MODEL}.xz"] = lzma.compress(b"another model")

    refused(forge(other), tmp_path / "a", "not the file that the manifest names")


def test_more_than_a_bundle_may_hold_is_refused_before_unpacking(forge: Callable[..., Path], tmp_path: Path) -> None:
    path = forge(lambda _, facts: facts[MODEL].update(size_bytes=MOST_BYTES + 1))
    refused(path, tmp_path / "a", "at most 1073741824 bytes together")


def test_a_coding_may_not_come_out_over_another_file(forge: Callable[..., Path], tmp_path: Path) -> None:
    def climb(contents: Contents, facts: dict[str, Any]) -> None:
        inner = {**facts["LICENSE"], "path": f"{MODEL}/LICENSE"}
        files = facts[""]["files"]
        files.append(inner)
        files.sort(key=lambda each: each["path"])
        suffix = ".xz" if "packed" in inner else ""
        contents[f"{MODEL}/LICENSE{suffix}"] = contents[f"LICENSE{suffix}"]

    refused(forge(climb), tmp_path / "a", "more than once")


@pytest.mark.parametrize("version", [1, 3])
def test_a_format_that_does_not_say_what_it_is_is_refused(
    version: int, forge: Callable[..., Path], tmp_path: Path
) -> None:
    path = forge(lambda _, facts: facts[""].update(format=version))
    refused(path, tmp_path / "a", "hang together|got format 3; update Beltline")
