from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from beltline.export.artifacts import backends
from beltline.export.contracts import Graph
from beltline.inspection.base.errors import DataError, MeasurementError, MissingPartError
from beltline.inspection.base.storage import write_json
from beltline.studies.latency import benchmark_app, loadgen
from beltline.studies.latency.peers import Trial, chosen_artifact, compare_interleaved, frames_for
from beltline.targets.target import Target

TARGET = Target(name="local", threads=1, cpus=(0,))


@pytest.fixture(scope="module")
def built(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    artifact = backends()["open_vino"].build(tiny_graph, TARGET, folder)
    write_json(folder / "artifact.json", {**artifact.to_json(), "path": artifact.path.name})
    return folder


@pytest.fixture
def trial(built: Path) -> Trial:
    artifact = chosen_artifact(str(built))
    frames, noise = frames_for(artifact)
    return Trial(artifact=artifact, frames=frames, noise=noise, target=TARGET, rounds=4, seconds=1)


def test_both_tools_take_turns_and_the_ratio_is_that_of_their_figures(trial: Trial) -> None:
    order: list[str] = []

    def ours() -> float:
        order.append("ours")
        return 1.0 + len(order) / 10

    def theirs() -> float:
        order.append("theirs")
        return 2.0

    found = compare_interleaved(trial, peer="a stopwatch", statistic="p50", ours=ours, theirs=theirs)
    assert order == ["ours", "theirs", "theirs", "ours"] * 2
    assert found.theirs_ms == (2.0,) * 4
    assert found.ratio.by_round == pytest.approx([each / 2 for each in found.ours_ms])
    assert "| a stopwatch | 2 ms | 2 ms | 2 ms | 2 ms |" in found.text()
    assert "frames of noise" in found.text()


def test_benchmark_app_runs_the_same_model(trial: Trial) -> None:
    assert 0 < benchmark_app.benchmark_app_p50_ms(trial) < 1000


def test_loadgen_runs_the_same_model(trial: Trial) -> None:
    pytest.importorskip("mlperf_loadgen", reason="an extra: pip install 'beltline[studies]'")
    assert 0 < loadgen.loadgen_p90_ms(trial) < 1000


def test_a_peer_that_is_not_installed_is_named(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingPartError, match=r"pip install 'beltline\[studies\]'"):
        loadgen.study(trial)


def test_a_model_that_is_not_there_ends_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loadgen.main([str(tmp_path)]) == 2
    assert "no model is built there" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"report\.json"):
        chosen_artifact(f"{tmp_path}:small")
    (tmp_path / "artifact.json").write_text(json.dumps({"path": "../x"}))
    with pytest.raises(MeasurementError, match="no model is built there"):
        chosen_artifact(str(tmp_path))


def test_a_model_of_another_backend_is_not_benchmark_apps(trial: Trial) -> None:
    other = replace(trial, artifact=replace(trial.artifact, backend="onnx_runtime"))
    with pytest.raises(MeasurementError, match="wanted a model of open_vino, got onnx_runtime"):
        benchmark_app.study(other)


def test_a_peer_that_fails_is_quoted(trial: Trial, tmp_path: Path) -> None:
    gone = replace(trial, artifact=trial.artifact.moved_to(tmp_path / "gone.xml"))
    with pytest.raises(MeasurementError, match=r"(?s)benchmark_app ended with code \d+: .*gone.xml"):
        benchmark_app.benchmark_app_p50_ms(gone)
