"""Bundles from anywhere: damaged, forged and hostile ones are refused before anything of them is run."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.container import pack, read_member, read_members
from beltline.export.bundles.manifest import MAX_JSON_BYTES, Manifest, canonical, read_part
from beltline.export.bundles.reading import open_bundle, read_unpacked
from beltline.export.bundles.signing import make_key, sign
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError, StorageError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

Contents = dict[str, bytes]


def contents_of(path: Path) -> Contents:
    stream = io.BytesIO(path.read_bytes())
    return {member.name: read_member(stream, member) for member in read_members(stream)}


def opened(path: Path, **options: Any) -> Manifest:
    with open_bundle(path, **options) as bundle:
        return bundle.manifest


@pytest.fixture
def forge(bundle: Any, tmp_path: Path) -> Callable[..., Path]:
    """Give a function that changes a bundle's contents and signs the result, as an insider with the key could."""

    def changed(change: Callable[[Contents], None], *, listed: bool = True) -> Path:
        contents = contents_of(bundle.path)
        del contents["signature.json"]
        change(contents)
        if listed:
            relist(contents)
        head = {"manifest.json": contents.pop("manifest.json")}
        raw = head["manifest.json"]
        path = tmp_path / "forged.beltline"
        path.write_bytes(
            b"".join(pack({**head, "signature.json": sign(raw, bundle.key), **dict(sorted(contents.items()))}))
        )
        return path

    return changed


def relist(contents: Contents) -> None:
    """Let the manifest list what there is."""
    import hashlib

    value = json.loads(contents["manifest.json"])
    value["files"] = [
        {"path": name, "size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in sorted(contents.items())
        if name != "manifest.json"
    ]
    contents["manifest.json"] = (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def test_a_signed_bundle_opens_and_unpacks_to_what_it_lists(bundle: Any, tmp_path: Path) -> None:
    with open_bundle(bundle.path, key=bundle.public) as opened_bundle:
        assert opened_bundle.signer.trusted
        unpacked = opened_bundle.unpack(tmp_path)
    assert unpacked == read_unpacked(tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"manifest.json", "signature.json", *(each.path for each in unpacked.manifest.files)}
    model = unpacked.manifest.models[0]
    assert model.frame == bundle.parts.models[0].artifact.frame
    assert unpacked.artifact(model).digest == bundle.parts.models[0].artifact.digest
    assert unpacked.golden() == bundle.parts.golden


def test_the_same_inputs_give_the_same_bytes(bundle: Any, tmp_path: Path) -> None:
    again = write_bundle(tmp_path / "again.beltline", bundle.parts, key=bundle.key)
    assert (tmp_path / "again.beltline").read_bytes() == bundle.path.read_bytes()
    assert again.version == opened(bundle.path).version
    other = write_bundle(tmp_path / "other.beltline", replace(bundle.parts, report=b"{ }\n"), key=None)
    assert other.digest != again.digest


def flips(bundle: Any, count: int) -> list[bytes]:
    """Flip a bit in each of `count` bytes, a third of them in the parts that are not data."""
    raw = bundle.path.read_bytes()
    chance = random.Random(7)
    members = read_members(io.BytesIO(raw))
    headers = [at for member in members for at in range(member.offset - 30 - len(member.name), member.offset)]
    headers += range(members[-1].offset + members[-1].size_bytes, len(raw))
    places = [chance.choice(headers) if each % 3 == 0 else chance.randrange(len(raw)) for each in range(count)]
    changed = []
    for place in places:
        one = bytearray(raw)
        one[place] ^= 1 << chance.randrange(8)
        changed.append(bytes(one))
    return changed


def refuse_all(changed: list[bytes], folder: Path, key: Path | None) -> None:
    path = folder / "flipped.beltline"
    for raw in changed:
        path.write_bytes(raw)
        with pytest.raises(BundleError):
            opened(path, key=key)
    path.unlink()
    assert list(folder.iterdir()) == []


def test_every_flip_of_a_byte_is_refused(bundle: Any, tmp_path: Path) -> None:
    refuse_all(flips(bundle, 60), tmp_path, bundle.public)
    refuse_all(flips(bundle, 20), tmp_path, None)


@pytest.mark.slow
def test_two_thousand_flips_are_refused(bundle: Any, tmp_path: Path) -> None:
    refuse_all(flips(bundle, 2000), tmp_path, bundle.public)


def test_another_key_is_refused_and_named(bundle: Any, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other.pem")
    with pytest.raises(BundleError, match=r"wanted the signature of .*other\.pub\.pem .* got that of sha256:"):
        opened(bundle.path, key=other)


def test_an_unsigned_bundle_opens_unless_a_key_is_asked_for(bundle: Any, tmp_path: Path) -> None:
    write_bundle(tmp_path / "unsigned.beltline", bundle.parts, key=None)
    with open_bundle(tmp_path / "unsigned.beltline") as unsigned:
        assert unsigned.signer.key is None
        assert "not signed" in unsigned.signer.text
    with pytest.raises(BundleError, match="got one that nobody signed"):
        opened(tmp_path / "unsigned.beltline", key=bundle.public)


def test_a_manifest_signed_by_another_bundles_signature_is_refused(bundle: Any, tmp_path: Path) -> None:
    contents = contents_of(bundle.path)
    other = write_bundle(tmp_path / "other.beltline", replace(bundle.parts, report=b"{ }\n"), key=None)
    mixed = {
        "manifest.json": canonical(other),
        **{name: raw for name, raw in contents.items() if name != "manifest.json"},
    }
    (tmp_path / "mixed.beltline").write_bytes(b"".join(pack(dict(mixed))))
    with pytest.raises(BundleError, match="does not belong to this manifest"):
        opened(tmp_path / "mixed.beltline")


def test_files_that_the_manifest_does_not_name_are_refused(forge: Callable[..., Path]) -> None:
    def more(contents: Contents) -> None:
        contents["more"] = b"x"

    def less(contents: Contents) -> None:
        del contents["golden/003.pgm"]

    def other(contents: Contents) -> None:
        contents["golden/003.pgm"] = contents["golden/004.pgm"]

    for change in (more, less, other):
        with pytest.raises(BundleError, match="manifest"):
            opened(forge(change, listed=False))


def edited(**changes: Any) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        value = json.loads(contents["manifest.json"])
        value.update(changes)
        contents["manifest.json"] = json.dumps(value).encode()

    return change


def of_model(**changes: Any) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        value = json.loads(contents["manifest.json"])
        value["models"][0].update(changes)
        contents["manifest.json"] = json.dumps(value).encode()

    return change


MANIFESTS: dict[str, tuple[Callable[[Contents], None], str]] = {
    "a newer format": (edited(format=3), "got format 3; update Beltline"),
    "an unknown key": (edited(run="rm -rf /"), "run"),
    "a name that climbs": (edited(name="../../etc"), "name"),
    "no models": (edited(models=[]), "models"),
    "a model that is not there": (of_model(path="models/other.onnx"), "hang together"),
    "a model outside": (of_model(path="../../model.onnx"), "hang together"),
    "a threshold that passes all": (of_model(threshold=float("inf")), "JSON|threshold"),
    "a threshold that is text": (of_model(threshold="0.5"), "threshold"),
    "a frame that cannot be": (of_model(frame={"height": 7}), "frame"),
    "no golden frames": (lambda contents: contents.pop("golden.json") and None, "hang together"),
}


@pytest.mark.parametrize(("change", "message"), MANIFESTS.values(), ids=MANIFESTS)
def test_manifests_that_cannot_be_true_are_refused(
    forge: Callable[..., Path], change: Callable[[Contents], None], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        opened(forge(change))


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = some.sampled_from(["../../outside", "/tmp/outside", "a//b", ".", "models/onnx_runtime/model.onnx/x", "golden"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=some.integers(0, 10_000), value=JSON | PATHS, name=some.sampled_from(["manifest.json", "golden.json"]))
def test_whatever_an_insider_writes_is_refused_or_stays_inside(
    forge: Callable[..., Path], tmp_path: Path, place: int, value: Any, name: str
) -> None:
    """One leaf of a signed JSON file is anything: one error and no other, and nothing outside the folder."""

    def change(contents: Contents) -> None:
        written = json.loads(contents[name])
        leaves = list(places_in(written))
        parent, key = leaves[place % len(leaves)]
        parent[key] = value
        contents[name] = (json.dumps(written, indent=1, sort_keys=True) + "\n").encode()

    folder = tmp_path / "a" / "b" / "there"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with suppress(BundleError), open_bundle(forge(change, listed=name != "manifest.json")) as hostile:
        hostile.unpack(folder)
    assert [each.name for each in (tmp_path / "a").rglob("*") if folder not in (each, *each.parents)] == ["b"]


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each place in a JSON value: what holds it and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from places_in(inner)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{", b"null", b'{"format": 1}', b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b"\xff\xfe",
     b'{"format": NaN}', b" " * (MAX_JSON_BYTES + 1), b'{"format": 1, "format": 1}'],
    ids=lambda raw: f"{len(raw)} bytes",
)  # fmt: skip
def test_no_json_brings_the_reader_down(raw: bytes) -> None:
    with pytest.raises(BundleError):
        read_part(raw, Manifest, name="manifest.json")


def test_a_manifest_written_in_another_way_is_refused(bundle: Any) -> None:
    raw = contents_of(bundle.path)["manifest.json"]
    assert read_part(raw, Manifest, name="manifest.json")
    with pytest.raises(BundleError, match="not written as Beltline writes it"):
        read_part(json.dumps(json.loads(raw)).encode(), Manifest, name="manifest.json")


def test_weights_in_another_file_are_refused_before_anything_runs(forge: Callable[..., Path], tmp_path: Path) -> None:
    import onnx

    def point_outside(contents: Contents) -> None:
        model = onnx.load_from_string(contents["models/onnx_runtime/model.onnx"])
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../../../etc/passwd")
        contents["models/onnx_runtime/model.onnx"] = model.SerializeToString()

    folder = tmp_path / "there"
    folder.mkdir()
    with open_bundle(forge(point_outside)) as hostile, pytest.raises(BundleError, match="got some in another file"):
        hostile.unpack(folder)


def test_a_model_with_another_digest_than_it_says_is_refused(forge: Callable[..., Path], tmp_path: Path) -> None:
    with (
        open_bundle(forge(of_model(digest=f"sha256:{'0' * 64}"))) as hostile,
        pytest.raises(BundleError, match="not those that its digest names"),
    ):
        hostile.unpack(tmp_path / "there")


def test_nothing_is_written_over_what_is_there(bundle: Any, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("precious")
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "LICENSE").symlink_to(outside)
    with open_bundle(bundle.path) as opened_bundle, pytest.raises(StorageError, match="LICENSE"):
        opened_bundle.unpack(folder)
    assert outside.read_text() == "precious"


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing", Path("/dev/zero")):
        with pytest.raises(BundleError, match=r"wanted a file|cannot be read"):
            opened(path)
    huge = tmp_path / "huge"
    with huge.open("wb") as stream:
        stream.truncate((1 << 30) + 1)
    with pytest.raises(BundleError, match="at most 1073741824 bytes"):
        opened(huge)


def test_an_installed_file_that_was_changed_is_named(bundle: Any, tmp_path: Path) -> None:
    with open_bundle(bundle.path) as opened_bundle:
        opened_bundle.unpack(tmp_path)
    path = tmp_path / "golden" / "002.pgm"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"002\.pgm is not the file that was installed"):
        read_unpacked(tmp_path)
    path.unlink()
    with pytest.raises(BundleError, match="is not whole"):
        read_unpacked(tmp_path)
