"""Another bundle while frames come: none is lost, and what does not work is not kept at work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.golden import golden_of
from beltline.export.bundles.reading import open_bundle
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError
from beltline.station.service import Service
from beltline.station.settings import StationSettings
from beltline.station.versions.activation import Places, activate, current_activation
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.rollback import roll_back_on_disk
from stationing import engine_pid, eventually, frozen, offered, running, settings_of


def settings(places: Places) -> StationSettings:
    switch = {"look_every_s": 0.05, "trial_frames": 3, "trial_late": 0}
    return settings_of(bundle=places.root, switch=switch, watchdog={"engine_s": 30})


def installed(places: Places) -> str:
    now = current_activation(places)
    assert now is not None
    return now.version


def said(service: Service, words: str) -> bool:
    return any(words in each.text for each in service.counters.snapshot().incidents)


def test_a_new_version_takes_over_between_two_frames(pair: Any, places: Places, frames: list[Frame]) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings(places)) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        old_engine = engine_pid(service)
        install(pair.new, places, InstallOptions())
        outcomes = [service.offer(offered(frames[0], 0)).result(60)]
        while outcomes[-1].bundle == pair.old_version or not said(service, "passed its trial"):
            outcomes.append(service.offer(offered(frames[0], len(outcomes))).result(60))
            assert len(outcomes) < 100_000
        tally = service.counters.snapshot()
        assert engine_pid(service) != old_engine
    assert {outcome.standing for outcome in outcomes} == {"answered"}
    assert (tally.switches, tally.rollbacks, tally.bundle) == (1, 0, pair.new_version)
    assert tally.under_way == 0
    assert installed(places) == pair.new_version


def test_one_that_misses_deadlines_is_taken_back_here_and_on_the_disk(
    pair: Any, places: Places, frames: list[Frame]
) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings(places)) as service:
        install(pair.new, places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
        with frozen(engine_pid(service)):
            late = service.offer(offered(frames[0], due_in_ms=100))
            waiting = service.offer(offered(frames[0]))
            assert late.result(60).standing == "late"
            assert waiting.result(60).standing == "answered"
        assert waiting.result().bundle == pair.old_version
        eventually(lambda: installed(places) == pair.old_version)
        assert said(service, "1 of its first 1 frames were late")
        eventually(lambda: said(service, f"rolled back to {pair.old_version}"))
        assert service.counters.snapshot().rollbacks == 1
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version


def test_one_that_flips_its_golden_frames_never_decides(
    pair: Any, bundle: Any, places: Places, frames: list[Frame], tmp_path: Path
) -> None:
    """As a version does that was sound when it was installed, before this machine's runtime changed."""
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings(places)) as service:
        version = put_there_flipped(bundle, places, tmp_path)
        eventually(lambda: said(service, f"{version} was not put to work"))
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        eventually(lambda: installed(places) == pair.old_version)
        assert service.counters.snapshot().switches == 0


def put_there_flipped(bundle: Any, places: Places, folder: Path) -> str:
    threshold = bundle.parts.models[0].threshold
    scores = list(bundle.parts.golden.scores["onnx_runtime"])
    scores[3] = float(scores[3] < threshold)
    golden = golden_of(bundle.parts.golden.frames, {"onnx_runtime": scores}, {"onnx_runtime": threshold})
    manifest = write_bundle(folder / "flipped.beltline", replace(bundle.parts, golden=golden), key=bundle.key)
    (places.versions / manifest.version).mkdir()
    with open_bundle(folder / "flipped.beltline") as opened:
        opened.unpack(places.versions / manifest.version)
    before = current_activation(places)
    assert before is not None
    previous = before.number
    activate(places, manifest.version, why="install", previous=previous, signer="test", self_test=())
    return manifest.version


def test_after_a_power_cut_it_starts_with_the_latest_version_that_works(
    both: Places, pair: Any, frames: list[Frame]
) -> None:
    model = next((both.versions / pair.new_version).rglob("*.onnx"))
    model.write_bytes(b"half of it")
    with running(settings(both)) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        assert said(service, "cannot work")
        eventually(lambda: installed(both) == pair.old_version)


def test_where_nothing_works_the_station_says_why(pair: Any, places: Places) -> None:
    with pytest.raises(BundleError, match="nothing is installed"):
        Service(settings(Places(root=places.root.parent)))
    install(pair.old, places, InstallOptions(key=pair.public))
    assert "it was the first" in roll_back_on_disk(places.root)
    assert installed(places) == pair.old_version
