"""A bundle whose engine is built where it is installed: build, compare, measure, and only then work."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from beltline.export.artifacts import backends
from beltline.export.bundles.golden import golden_of
from beltline.export.bundles.manifest import BudgetFacts
from beltline.export.bundles.writing import BundleModel, BundleParts, write_bundle
from beltline.export.tensor_rt import presence
from beltline.export.tensor_rt.freezing import freeze
from beltline.inspection.base.errors import BundleError, ParityError, TooSlowError
from beltline.pipeline.deploy.device_bundle import trtexec_of
from beltline.station.versions import self_test
from beltline.station.versions.activation import Places, current_activation
from beltline.station.versions.admission import verify_bundle
from beltline.station.versions.at_work import BundleStore
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.rollback import roll_back
from beltline.station.versions.self_test import build_apart
from beltline.station.versions.status import status, status_text
from beltline.station.versions.tidying import prune
from beltline.targets.target import Target
from stationing import settings_of
from tensor_rt_machine import VERSIONS, Machine, machine_with

FREELY = InstallOptions(allow_unsigned=True)
any_version = pytest.mark.parametrize("jetson", VERSIONS[:1], indirect=True)


@dataclass(frozen=True)
class Jetson:
    """A bundle with its parts, and the machine that it is installed on."""

    path: Path
    parts: BundleParts
    machine: Machine

    def changed(self, folder: Path, **changes: Any) -> Path:
        write_bundle(folder / "changed.beltline", replace(self.parts, **changes), key=None)
        return folder / "changed.beltline"


APART = self_test._run_apart


def in_this_process(task: Any, unpacked: Any, notify: Any, _limits: Any) -> Any:
    """A process of its own would have no double of TensorRT; what comes back is JSON all the same."""
    return json.loads(json.dumps(self_test.run_task(task, unpacked, notify)))


@pytest.fixture(params=VERSIONS)
def jetson(
    request: pytest.FixtureRequest, bundle: Any, tiny_graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Jetson:
    """The tiny inspector for TensorRT alone, expected to decide as ONNX Runtime does."""
    machine = machine_with(request.param, tmp_path / "cache", monkeypatch)
    monkeypatch.setattr(self_test, "_run_apart", in_this_process)
    (tmp_path / "frozen").mkdir()
    artifact = freeze(tiny_graph, Target(name="jetson-orin-nano", threads=1, cpus=(0,)), tmp_path / "frozen")
    reference = bundle.parts.models[0]
    model = BundleModel(
        row="tiny", artifact=artifact, threshold=reference.threshold, verdict="inconclusive", relies_on=(), runtime={}
    )
    golden = bundle.parts.golden
    scored = golden_of(golden.frames, {"tensor_rt": golden.scores["onnx_runtime"]}, {"tensor_rt": reference.threshold})
    generous = BudgetFacts(period_ms=60_000, deadline_ms=60_000)
    parts = replace(bundle.parts, models=(model,), golden=scored, report=b'{"for": "jetson"}\n', budget=generous)
    path = tmp_path / "jetson.beltline"
    write_bundle(path, parts, key=None)
    return Jetson(path=path, parts=parts, machine=machine)


@pytest.fixture
def notified() -> list[str]:
    return []


def test_install_builds_compares_measures_and_then_it_works(
    jetson: Jetson, places: Places, notified: list[str]
) -> None:
    installed = install(jetson.path, places, FREELY, notify=notified.append)
    assert notified[0].startswith("building the engine of model.onnx for TensorRT")
    (speed,) = installed.activation.measured
    assert (speed.backend, speed.frames, installed.verified.proven[0].frames) == ("tensor_rt", 200, 12)
    assert 0 < speed.p50_ms <= speed.p99_ms <= speed.worst_ms
    assert len(list(places.engines.glob("*.engine"))) == 1
    assert jetson.machine.scene.builds == 1
    shown = status(places)
    assert shown["measured"][0]["frames"] == 200
    assert "measured   tiny on tensor_rt: " in status_text(shown)


def test_verify_builds_once_and_install_takes_that_engine(jetson: Jetson, places: Places, notified: list[str]) -> None:
    verified = verify_bundle(jetson.path, notify=notified.append)
    assert verified.to_json()["measured"][0]["backend"] == "tensor_rt"
    install(jetson.path, places, FREELY)
    assert jetson.machine.scene.builds == 1


def test_the_engine_is_built_again_when_jetpack_changes(
    jetson: Jetson, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(jetson.path, places, FREELY)
    monkeypatch.setattr("beltline.export.tensor_rt.engine_store.l4t_release", lambda: "39.2.0")
    artifact = replace(jetson.parts.models[0].artifact, path=places.current / "bundle/models/tensor_rt/model.onnx")
    with backends()["tensor_rt"].load(artifact, threads=1):
        assert jetson.machine.scene.builds == 2
    assert len(list(places.engines.glob("*.engine"))) == 1, "the new one has taken the old one's place"
    with backends()["tensor_rt"].load(artifact, threads=1):
        assert jetson.machine.scene.builds == 2


@any_version
def test_a_flipped_decision_keeps_it_from_work(jetson: Jetson, places: Places, tmp_path: Path) -> None:
    scores = jetson.parts.golden.scores["tensor_rt"]
    threshold = jetson.parts.models[0].threshold
    other = [float(score < threshold) for score in scores]
    wrong = golden_of(jetson.parts.golden.frames, {"tensor_rt": other}, {"tensor_rt": threshold})
    with pytest.raises(ParityError, match="12 flipped of 12"):
        install(jetson.changed(tmp_path, golden=wrong), places, FREELY)
    assert current_activation(places) is None


@any_version
def test_a_model_that_is_too_slow_here_is_kept_from_work(jetson: Jetson, places: Places, tmp_path: Path) -> None:
    install(jetson.path, places, FREELY)
    hasty = jetson.changed(tmp_path, budget=BudgetFacts(period_ms=1e-6, deadline_ms=1e-6))
    with pytest.raises(TooSlowError, match=r"wanted decisions within 1e-06 ms .*nvpmodel"):
        install(hasty, places, FREELY)
    now = current_activation(places)
    assert now is not None
    assert now.number == 1


def test_a_model_that_tensorrt_refuses_is_kept_from_work(jetson: Jetson, places: Places) -> None:
    jetson.machine.scene.parser_errors = ["no importer for HardSwish"]
    with pytest.raises(BundleError, match=r"model tiny: .*no importer for HardSwish"):
        install(jetson.path, places, FREELY)
    assert current_activation(places) is None


@any_version
def test_rollback_and_prune_mind_the_engines(jetson: Jetson, places: Places, pair: Any) -> None:
    install(jetson.path, places, FREELY)
    install(pair.old, places, FREELY)
    assert roll_back(places).version.startswith("tiny-")
    assert jetson.machine.scene.builds == 1
    install(pair.new, places, FREELY)
    prune(places, keep=1)
    assert not list(places.engines.glob("*.engine"))


@any_version
def test_it_may_come_from_another_architecture(jetson: Jetson, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures are made here; without TensorRT here there would be none, and it is refused."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert any("measure on this machine" in each for each in verify_bundle(jetson.path).cautions)
    monkeypatch.setattr(presence, "_answer", lambda: {"missing": "driver", "seen": "none"})
    with pytest.raises(BundleError, match="wanted a machine with"):
        verify_bundle(jetson.path)


@any_version
def test_the_engine_is_built_ahead_by_a_command(
    jetson: Jetson, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(jetson.path, places, FREELY)
    monkeypatch.setattr("beltline.export.tensor_rt.engine_store.l4t_release", lambda: "39.2.0")
    assert self_test.main(["build", str(places.current / "bundle")], answers := StringIO()) == 0
    assert "Jetson Linux 39.2.0" in json.loads(answers.getvalue().splitlines()[0])["progress"]
    assert jetson.machine.scene.builds == 2
    jetson.machine.scene.parser_errors = ["no importer for HardSwish"]
    monkeypatch.setattr("beltline.export.tensor_rt.engine_store.l4t_release", lambda: "39.3.0")
    assert self_test.main(["build", str(places.current / "bundle")], answers := StringIO()) == 2
    assert "no importer for HardSwish" in json.loads(answers.getvalue().splitlines()[-1])["error"]


@any_version
def test_building_ahead_is_a_process_of_its_own_and_tells_why_it_failed(
    jetson: Jetson, places: Places, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has no double: with a whole bundle it finds no TensorRT and nothing to do."""
    install(jetson.path, places, FREELY)
    monkeypatch.setattr(self_test, "_run_apart", APART)
    at_work = BundleStore(settings_of(bundle=places.root)).candidates()[0]()
    build_apart(at_work.unpacked, notify=pytest.fail)
    (places.current / "bundle" / "report.json").write_text("changed")
    with pytest.raises(BundleError, match=r"report\.json is not the file"):
        build_apart(at_work.unpacked, notify=pytest.fail)
    install(pair.old, places, FREELY)
    other = BundleStore(settings_of(bundle=places.root)).candidates()[0]()
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a process was started for nothing"))
    build_apart(other.unpacked, notify=pytest.fail)
    assert other.model.backend == "onnx_runtime"


@any_version
def test_an_older_activation_is_read_as_one_without_figures(jetson: Jetson, places: Places) -> None:
    installed = install(jetson.path, places, FREELY)
    path = places.generations / installed.activation.name / "activation.json"
    value = json.loads(path.read_text())
    del value["measured"]
    path.write_text(json.dumps(value))
    now = current_activation(places)
    assert now is not None
    assert now.measured == ()


@any_version
def test_the_same_engine_by_hand(jetson: Jetson, pair: Any) -> None:
    assert (trtexec_of(jetson.path) or "").startswith("trtexec --onnx=model.onnx --saveEngine=model.engine")
    assert trtexec_of(pair.old) is None
