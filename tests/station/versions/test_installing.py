"""Install, roll back, status, prune: real bundles, the real runtime, a real disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.golden import golden_of
from beltline.export.bundles.signing import make_key
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError, ParityError, StorageError
from beltline.station.versions.activation import Places, activate, current_activation, default_root
from beltline.station.versions.admission import verify_bundle
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.rollback import roll_back
from beltline.station.versions.status import status, status_text
from beltline.station.versions.tidying import prune

SOURCE = Path(__file__).parents[3]


def working(places: Places) -> str:
    now = current_activation(places)
    assert now is not None
    assert (places.current / "bundle" / "manifest.json").is_file()
    return now.version


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_the_first_install_remembers_the_key_and_works(pair: Any, places: Places) -> None:
    installed = install(pair.old, places, InstallOptions(key=pair.public))
    assert working(places) == pair.old_version == installed.activation.version
    assert installed.verified.proven[0].frames == 12
    assert installed.activation.previous is None
    install(pair.new, places, InstallOptions())
    assert working(places) == pair.new_version
    assert names(places.versions) == sorted([pair.old_version, pair.new_version])


def test_a_bundle_that_nobody_vouches_for_must_be_wished_for(pair: Any, places: Places, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"compared with none of yours.*--allow-unsigned"):
        install(pair.old, places, InstallOptions())
    assert current_activation(places) is None
    assert names(places.versions) == []
    with pytest.raises(BundleError, match="got that of sha256"):
        install(pair.old, places, InstallOptions(key=make_key(tmp_path / "other.pem")))
    install(pair.old, places, InstallOptions(allow_unsigned=True))
    assert working(places) == pair.old_version


def test_rollback_goes_back_version_by_version_and_stops_at_the_first(
    both: Places, pair: Any, bundle: Any, tmp_path: Path
) -> None:
    third = write_bundle(tmp_path / "third.beltline", replace(bundle.parts, report=b"[]\n"), key=bundle.key)
    install(tmp_path / "third.beltline", both, InstallOptions())
    assert working(both) == third.version
    assert roll_back(both).version == working(both) == pair.new_version
    assert roll_back(both).version == working(both) == pair.old_version
    with pytest.raises(BundleError, match="it was the first"):
        roll_back(both)
    assert working(both) == pair.old_version
    install(pair.new, both, InstallOptions())
    assert roll_back(both).version == pair.old_version


def test_installing_the_same_bundle_again_keeps_what_one_can_go_back_to(both: Places, pair: Any) -> None:
    install(pair.new, both, InstallOptions())
    assert names(both.versions) == sorted([pair.old_version, pair.new_version])
    assert roll_back(both).version == pair.old_version


def test_a_damaged_version_is_not_gone_back_to_and_is_named(both: Places, pair: Any) -> None:
    (both.versions / pair.old_version / "report.json").write_text("changed")
    with pytest.raises(BundleError, match=f"{pair.old_version}: .*report.json is not the file.*goes on working"):
        roll_back(both)
    assert working(both) == pair.new_version


def test_a_damaged_version_at_work_is_told_and_replaced(both: Places, pair: Any) -> None:
    (both.versions / pair.new_version / "report.json").write_text("changed")
    with pytest.raises(BundleError, match=r"report\.json is not the file that was installed"):
        status(both)
    install(pair.new, both, InstallOptions())
    assert working(both) == f"{pair.new_version}.2"
    assert status(both)["models"][0]["row"] == "tiny"
    assert roll_back(both).version == pair.old_version


def test_a_flipped_decision_leaves_what_worked(both: Places, pair: Any, bundle: Any, tmp_path: Path) -> None:
    golden, threshold = bundle.parts.golden, bundle.parts.models[0].threshold
    scores = [float(score < threshold) for score in golden.scores["onnx_runtime"]]
    wrong = golden_of(golden.frames, {"onnx_runtime": scores}, {"onnx_runtime": threshold})
    write_bundle(tmp_path / "wrong.beltline", replace(bundle.parts, golden=wrong), key=bundle.key)
    before = names(both.versions)
    with pytest.raises(ParityError, match="12 flipped of 12"):
        install(tmp_path / "wrong.beltline", both, InstallOptions())
    assert working(both) == pair.new_version
    assert names(both.versions) == before


def test_nothing_of_a_damaged_bundle_is_run_or_left(both: Places, pair: Any, tmp_path: Path) -> None:
    """The runtime is one that fails the test as soon as it is asked for anything."""
    raw, before = bytearray(pair.old.read_bytes()), names(both.versions)
    path = tmp_path / "flipped.beltline"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("beltline.station.versions.admission.self_test", lambda *_, **__: pytest.fail("it was run"))
        for place in range(7, len(raw), len(raw) // 25):
            flipped = raw.copy()
            flipped[place] ^= 0x10
            path.write_bytes(flipped)
            with pytest.raises(BundleError):
                install(path, both, InstallOptions())
        with pytest.raises(pytest.fail.Exception, match="it was run"):
            install(pair.old, both, InstallOptions())
    assert names(both.versions) == before
    assert working(both) == pair.new_version


def test_status_says_what_works_and_what_there_is(both: Places, pair: Any) -> None:
    facts = status(both)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["version"], facts["back"]) == (pair.new_version, [pair.old_version])
    assert facts["models"][0]["verdict"] == "fits"
    assert facts["self_test"][0]["frames"] == 12
    assert pair.old_version in status_text(facts)
    roll_back(both)
    assert (status(both)["why"], status(both)["back"]) == ("rollback", [])


def test_nothing_installed_is_said(tmp_path: Path) -> None:
    for verb in (status, roll_back, lambda places: prune(places, keep=1)):
        with pytest.raises(BundleError, match="nothing is installed"):
            verb(Places(root=tmp_path / "none"))


def test_prune_keeps_what_one_would_go_back_to_first(both: Places, pair: Any, bundle: Any, tmp_path: Path) -> None:
    third = write_bundle(tmp_path / "third.beltline", replace(bundle.parts, report=b"[]\n"), key=bundle.key)
    install(tmp_path / "third.beltline", both, InstallOptions())
    assert prune(both, keep=9) == ()
    assert prune(both, keep=2) == (pair.old_version,)
    assert names(both.versions) == sorted([pair.new_version, third.version])
    assert roll_back(both).version == pair.new_version
    with pytest.raises(BundleError, match="it was the first"):
        roll_back(both)
    assert prune(both, keep=1) == (third.version,)
    assert names(both.generations) == ["000004"]
    with pytest.raises(BundleError, match="at least 1"):
        prune(both, keep=0)


def test_a_clock_that_jumps_back_changes_no_order(both: Places, pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Early:
        @staticmethod
        def now(tz: Any) -> Any:
            from datetime import datetime

            return datetime(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr("beltline.station.versions.activation.datetime", Early)
    install(pair.old, both, InstallOptions())
    assert (status(both)["since"], status(both)["generation"]) == ("1970-01-01T00:00:00+00:00", 3)
    assert roll_back(both).version == pair.new_version


def test_verify_leaves_nothing_behind(pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    verified = verify_bundle(pair.old, key=pair.public)
    assert verified.signer.trusted
    assert json.dumps(verified.to_json())
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sys, time
from pathlib import Path
from beltline.inspection.base.locking import locked
with locked(Path(sys.argv[1]), instead=""):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_installs_at_once_name_the_owner_of_the_lock(both: Places, pair: Any) -> None:
    argv = [sys.executable, "-c", HOLDER, str(both.root)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for work in (
            lambda: install(pair.old, both, InstallOptions()),
            lambda: roll_back(both),
            lambda: prune(both, keep=1),
        ):
            with pytest.raises(StorageError, match=f"in use by process {holder.pid} since"):
                work()
        assert working(both) == pair.new_version
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert roll_back(both).version == pair.old_version


def test_a_place_that_cannot_be_written_is_said(pair: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*--root"):
        install(pair.old, Places(root=tmp_path / "file" / "root"), InstallOptions(key=pair.public))


def test_a_current_that_is_no_link_is_left_alone(both: Places, pair: Any) -> None:
    both.current.unlink()
    both.current.mkdir()
    for work in (lambda: status(both), lambda: roll_back(both)):
        with pytest.raises(BundleError, match="wanted a link to what works"):
            work()
    with pytest.raises(StorageError, match="cannot switch"):
        activate(both, pair.old_version, why="install", previous=None, signer="", self_test=())
    assert both.current.is_dir()


def test_the_root_is_opt_for_root_and_home_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_root() == Path("/opt/beltline")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_root() == Path("/data/beltline")
