"""Who may put what to work: the remembered key, the key that follows it, numbers, lines and days."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from beltline.export.artifacts import runtime_packages
from beltline.export.bundles.fitness import cautions_for
from beltline.export.bundles.manifest import Manifest
from beltline.export.bundles.signing import check_signature, make_key, public_pem, sign
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError, StationError
from beltline.station.inspector import open_inspector
from beltline.station.versions.activation import Places, current_activation
from beltline.station.versions.at_work import BundleStore
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.rollback import roll_back
from beltline.station.versions.status import status, status_text
from beltline.targets.fingerprint import fingerprint
from pydantic import ValidationError
from stationing import running, settings_of


def written(bundle: Any, folder: Path, *, key: Path | None, **changes: Any) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.beltline"
    write_bundle(path, replace(bundle.parts, **changes), key=key)
    return path


def working(places: Places) -> str:
    now = current_activation(places)
    assert now is not None
    return now.version


def test_a_key_on_the_command_line_does_not_override_the_remembered_one(
    bundle: Any, pair: Any, places: Places, tmp_path: Path
) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    other = make_key(tmp_path / "other.pem")
    foreign = written(bundle, tmp_path, key=tmp_path / "other.pem", report=b"[]\n")
    with pytest.raises(BundleError, match="got that of sha256"):
        install(foreign, places, InstallOptions(key=other))
    with pytest.raises(BundleError, match=r"--key .*other.pub.pem: wanted the key that .* \(remembered in .* remove"):
        install(pair.new, places, InstallOptions(key=other))
    assert working(places) == pair.old_version
    assert places.trusted_key.read_bytes() == public_pem(pair.public)
    install(pair.new, places, InstallOptions(key=pair.public))
    places.trusted_key.unlink()
    install(foreign, places, InstallOptions(key=other))
    assert places.trusted_key.read_bytes() == public_pem(other)


def test_a_key_that_was_signed_by_the_one_before_takes_its_place_offline(
    bundle: Any, pair: Any, places: Places, tmp_path: Path
) -> None:
    """Two rotations in one step: a device that was off in between follows all the same."""
    install(pair.old, places, InstallOptions(key=pair.public))
    make_key(tmp_path / "second.pem", replaces=bundle.key)
    third = make_key(tmp_path / "third.pem", replaces=tmp_path / "second.pem")
    new = written(bundle, tmp_path, key=tmp_path / "third.pem", report=b"[3]\n")
    installed = install(new, places, InstallOptions())
    assert "which replaces the one given and was signed by it" in installed.verified.signer.text
    assert places.trusted_key.read_bytes() == public_pem(third)
    for gone in (pair.new, written(bundle, tmp_path, key=tmp_path / "second.pem", report=b"[2]\n")):
        with pytest.raises(BundleError, match=r"got that of sha256:.* unless you know that the key was replaced"):
            install(gone, places, InstallOptions())
    assert roll_back(places).version == pair.old_version


def test_a_rotation_that_the_old_key_did_not_sign_is_refused(
    bundle: Any, pair: Any, places: Places, tmp_path: Path
) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    make_key(tmp_path / "mine.pem")
    make_key(tmp_path / "next.pem", replaces=bundle.key)
    stolen = (tmp_path / "next.rotation.json").read_bytes()
    (tmp_path / "mine.rotation.json").write_bytes(stolen)  # the proof is for another key
    with pytest.raises(BundleError, match="a replaced key did not sign the next one"):
        install(written(bundle, tmp_path, key=tmp_path / "mine.pem"), places, InstallOptions())
    value = json.loads(stolen)
    value["replaced"][0]["signature"] = "A" * 86 + "=="
    (tmp_path / "next.rotation.json").write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    with pytest.raises(BundleError, match="a replaced key did not sign the next one"):
        install(written(bundle, tmp_path, key=tmp_path / "next.pem"), places, InstallOptions())
    (tmp_path / "next.rotation.json").write_text("{}")
    with pytest.raises(BundleError, match=r"next\.rotation\.json"):
        written(bundle, tmp_path, key=tmp_path / "next.pem")


def test_an_older_signed_bundle_asks_for_a_word(bundle: Any, places: Places, tmp_path: Path) -> None:
    paths = [written(bundle, tmp_path, key=bundle.key, number=number, report=b"[%d]" % number) for number in (6, 7, 7)]
    install(paths[1], places, InstallOptions(key=bundle.public))
    with pytest.raises(BundleError, match=r"number of at least 7, got 6: it is older .* pass --older"):
        install(paths[0], places, InstallOptions())
    install(paths[2], places, InstallOptions())
    install(paths[0], places, InstallOptions(older=True))
    assert status(places)["number"] == 6
    install(paths[1], places, InstallOptions())
    assert roll_back(places).version != working(places) or status(places)["number"] == 6


def test_another_lines_bundle_asks_for_a_word(bundle: Any, pair: Any, places: Places, tmp_path: Path) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    other = written(bundle, tmp_path, key=bundle.key, line="caps", product="cap-32")
    with pytest.raises(BundleError, match=r"line tiny, product tiny, got one for line caps, product cap-32; .*--other"):
        install(other, places, InstallOptions())
    assert working(places) == pair.old_version
    install(other, places, InstallOptions(other_line=True))
    assert "line       caps, product cap-32, number 0" in status_text(status(places))
    with pytest.raises(BundleError, match="got one for line caps, product cap-40"):
        install(written(bundle, tmp_path, key=bundle.key, line="caps", product="cap-40"), places, InstallOptions())


def test_after_its_day_a_bundle_warns_and_goes_on_working(bundle: Any, places: Places, tmp_path: Path) -> None:
    path = written(bundle, tmp_path, key=bundle.key, expires="2020-02-29")
    installed = install(path, places, InstallOptions(key=bundle.public))
    assert any("expired on 2020-02-29" in each for each in installed.verified.cautions)
    assert any("expired on 2020-02-29" in each for each in status(places)["cautions"])
    manifest, machine = installed.verified.manifest, fingerprint(runtime_packages())
    assert not any("expired" in each for each in cautions_for(manifest, machine, today=date(2020, 2, 29)))
    with running(settings_of(bundle=places.root)) as service:
        assert any("expired on 2020-02-29" in each.text for each in service.counters.snapshot().incidents)
    for wrong in ("2020-02-30", "tomorrow"):
        with pytest.raises((ValidationError, ValueError)):
            Manifest.model_validate({**manifest.model_dump(), "expires": wrong})


def test_a_bundle_file_that_nobody_signed_is_not_served_without_a_word(
    bundle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beltline.station.versions.at_work.default_root", lambda: tmp_path / "root")
    unsigned = written(bundle, tmp_path, key=None)
    with pytest.raises(StationError, match=r"not signed: .* --allow-unsigned, in station.yaml `allow_unsigned: true`"):
        open_inspector(unsigned)
    with pytest.raises(StationError, match="from a program allow_unsigned=True"):
        BundleStore(settings_of(bundle=unsigned)).candidates()[0]()
    open_inspector(unsigned, allow_unsigned=True).close()
    with running(settings_of(bundle=unsigned, allow_unsigned=True)) as service:
        assert any("not signed" in each.text for each in service.counters.snapshot().incidents)
    with running(settings_of(bundle=bundle.path)) as service:
        assert any("anybody may have made it" in each.text for each in service.counters.snapshot().incidents)
    with running(settings_of(bundle=bundle.path, key=bundle.public)) as service:
        assert not service.counters.snapshot().incidents


def test_a_bundle_file_must_be_signed_by_the_remembered_key(
    bundle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "trusted.pub.pem").write_bytes(make_key(tmp_path / "other.pem").read_bytes())
    monkeypatch.setattr("beltline.station.versions.at_work.default_root", lambda: tmp_path / "root")
    with pytest.raises(BundleError, match=r"trusted.pub.pem .*got that of sha256"):
        BundleStore(settings_of(bundle=bundle.path)).candidates()[0]()
    store = BundleStore(settings_of(bundle=bundle.path, allow_unsigned=True))
    assert "anybody may have made it" in store.candidates()[0]().cautions[0]
    store.close()


def test_no_bit_of_a_signature_goes_unchecked(bundle: Any, tmp_path: Path) -> None:
    """The last character of base64 has bits that decoders ignore; here they count."""
    make_key(tmp_path / "next.pem", replaces=bundle.key)
    raw = sign(b"manifest", tmp_path / "next.pem")
    assert check_signature(b"manifest", raw, key=bundle.public).rotated
    for at in range(len(raw)):
        for bit in range(8):
            flipped = raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]
            with pytest.raises(BundleError):
                check_signature(b"manifest", flipped, key=bundle.public)
