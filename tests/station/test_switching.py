"""Another bundle while frames come: none is lost, and what does not work is not kept at work."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
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


def noted(service: Service, text: str) -> bool:
    return any(text in each.text for each in service.counters.snapshot().incidents)


def test_a_new_version_takes_over_between_two_frames(pair: Any, places: Places, frames: list[Frame]) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings(places)) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        old_engine = engine_pid(service)
        install(pair.new, places, InstallOptions())
        outcomes = [service.offer(offered(frames[0], 0)).result(60)]
        while outcomes[-1].bundle == pair.old_version or not noted(service, "passed its trial"):
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
        assert noted(service, "1 of its first 1 frames were late")
        eventually(lambda: noted(service, f"rolled back to {pair.old_version}"))
        assert service.counters.snapshot().rollbacks == 1
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version


def test_one_that_flips_its_golden_frames_never_decides(
    pair: Any, bundle: Any, places: Places, frames: list[Frame], tmp_path: Path
) -> None:
    """As a version does that was sound when it was installed, before this machine's runtime changed."""
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings(places)) as service:
        version = put_there_flipped(bundle, places, tmp_path)
        eventually(lambda: noted(service, f"{version} was not put to work"))
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
        assert noted(service, "cannot work")
        eventually(lambda: installed(both) == pair.old_version)


def test_where_nothing_works_the_station_says_why(pair: Any, places: Places) -> None:
    with pytest.raises(BundleError, match="nothing is installed"):
        Service(settings(Places(root=places.root.parent)))
    install(pair.old, places, InstallOptions(key=pair.public))
    assert "it was the first" in roll_back_on_disk(places.root)
    assert installed(places) == pair.old_version


def strict(bundle: Any, folder: Path) -> Path:
    """Make a bundle that rejects every part, and is sure of it."""
    golden = bundle.parts.golden
    cut = min(golden.scores["onnx_runtime"]) / 2
    rejecting = golden_of(golden.frames, golden.scores, {"onnx_runtime": cut})
    models = (replace(bundle.parts.models[0], threshold=cut),)
    write_bundle(folder / "strict.beltline", replace(bundle.parts, models=models, golden=rejecting), key=bundle.key)
    return folder / "strict.beltline"


def on_trial(places: Places, **switch: Any) -> StationSettings:
    usual = {"look_every_s": 0.05, "trial_frames": 64, "trial_late": 0}
    return settings_of(bundle=places.root, switch={**usual, **switch}, watchdog={"engine_s": 30})


def test_a_bundle_for_other_frames_is_refused_before_the_switch(
    pair: Any, fixed_size: Path, places: Places, frames: list[Frame]
) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(on_trial(places)) as service:
        assert service.offer(offered(frames[0])).result(60).standing == "answered"
        install(fixed_size, places, InstallOptions())
        eventually(lambda: noted(service, "takes frames of 64 x 96 x 1 (height, width, channels), the sources give 80"))
        assert service.offer(offered(frames[0])).result(60).standing == "answered"
        eventually(lambda: installed(places) == pair.old_version)
        assert service.counters.snapshot().switches == 0


def test_one_whose_frames_are_all_faulty_goes_back_by_itself(
    pair: Any, fixed_size: Path, places: Places, frames: list[Frame]
) -> None:
    """No frame had come before, so that only the trial can see it."""
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(on_trial(places)) as service:
        install(fixed_size, places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
        standings = [service.offer(offered(frames[0], number)).result(60).standing for number in range(6)]
        assert standings == [*["faulty"] * 4, *["answered"] * 2]
        assert noted(service, "4 of its first 4 frames were refused or faulty")
        eventually(lambda: installed(places) == pair.old_version)


def test_one_that_rejects_every_part_goes_back_by_itself(
    pair: Any, bundle: Any, places: Places, frames: list[Frame], tmp_path: Path
) -> None:
    scores = bundle.parts.golden.scores["onnx_runtime"]
    good = frames[scores.index(min(scores))]
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(on_trial(places)) as service:
        assert {service.offer(offered(good)).result(60).answer for _ in range(60)} == {"pass"}
        install(strict(bundle, tmp_path), places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
        answers = [service.offer(offered(good, number)).result(60).answer for number in range(5)]
        assert answers == [*["reject"] * 4, "pass"]
        assert noted(
            service, "rejects more parts than chance explains: it rejected 4 of 4 parts, the version before 0 of"
        )
        eventually(lambda: installed(places) == pair.old_version)


def test_a_trial_ends_by_time_too(pair: Any, places: Places, frames: list[Frame]) -> None:
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(on_trial(places, trial_s=0.05)) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        install(pair.new, places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
        time.sleep(0.1)
        assert service.offer(offered(frames[0])).result(60).bundle == pair.new_version
        eventually(lambda: noted(service, "passed its trial: 0 of its first 1 frames were late, 0 refused"))
    assert installed(places) == pair.new_version


def test_ready_means_that_answers_come_from_the_model(
    fixed_size: Path, bundle: Any, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings_of(bundle=fixed_size, key=bundle.public)) as service:
        assert service.ready
        for number in range(8):
            assert service.ready
            assert service.offer(offered(frames[0], number)).result(60).standing == "faulty"
        assert not service.ready
        assert service.healthy() == "", "starting it anew would change nothing"
        monkeypatch.setattr("beltline.station.service._UNANSWERED_S", 0.0)
        assert service.ready, "nothing came for a while"
        monkeypatch.undo()
        assert not service.ready
        whole = np.ascontiguousarray(frames[0][:64, :96])
        assert service.offer(offered(whole)).result(60).standing == "answered"
        assert service.ready


def test_what_was_on_trial_when_the_power_failed_does_not_work_afterwards(
    pair: Any, places: Places, frames: list[Frame], tmp_path: Path
) -> None:
    """Nothing is written when a station ends, so that stopping it in a trial leaves what a power cut leaves."""
    install(pair.old, places, InstallOptions(key=pair.public))
    (state := tmp_path / "state").mkdir()
    with running(settings(places), state=state) as service:
        install(pair.new, places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
    assert installed(places) == pair.new_version
    with running(settings(places), state=state) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.old_version
        assert noted(service, f"{pair.new_version} had not passed its trial when the station ended")
        eventually(lambda: installed(places) == pair.old_version)
        assert service.counters.snapshot().switches == 0
    with running(settings(places), state=state) as service:
        install(pair.new, places, InstallOptions())
        eventually(lambda: service.counters.snapshot().switches == 1)
        while not noted(service, "passed its trial"):
            service.offer(offered(frames[0])).result(60)
    with running(settings(places), state=state) as service:
        assert service.offer(offered(frames[0])).result(60).bundle == pair.new_version
