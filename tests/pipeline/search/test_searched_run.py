"""A whole run with a search on a small drawn line; killed, taken up, and on a Ray cluster that loses a node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from beltline.benchmarks.report.reading import read_report
from beltline.inspection.base.errors import LineFileError, MissingPartError
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import LineFile, load_line_file
from beltline.pipeline.run import run_job
from beltline.pipeline.search import searching
from beltline.pipeline.search.found import with_found
from beltline.pipeline.search.searching import require_search
from beltline.pipeline.stages.stages import journal
from searched import LINE

ROOT = Path(__file__).parents[3]


def line(home: Path, text: str = LINE) -> LineFile:
    (home / "line.yaml").write_text(text)
    return load_line_file(home / "line.yaml")


def finished(folder: Path) -> Counter[str]:
    return Counter(entry["digest"] for entry in journal(folder) if entry["event"] == "finished")


def test_a_search_needs_optuna_and_a_teacher_of_torch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = line(home)
    monkeypatch.setattr(
        searching, "missing_package", lambda name, extra: f"{name} is not installed; run: pip install '[{extra}]'"
    )
    with pytest.raises(MissingPartError, match=r"search: optuna is not installed; run: pip install '\[search\]'"):
        require_search(asked, notify=print)
    teacher = asked.teacher.model_copy(update={"onnx": Path("model.onnx")})
    with pytest.raises(LineFileError, match="the teacher is a finished ONNX file"):
        require_search(asked.model_copy(update={"teacher": teacher}), notify=print)


def test_neither_recipes_nor_a_search_is_told(home: Path) -> None:
    notified: list[str] = []
    require_search(line(home).model_copy(update={"search": None}), notify=notified.append)
    assert len(notified) == 1
    assert "neither recipes nor search" in notified[0]


def killed_after(seconds: float, home: Path, runs: Path) -> int:
    argv = [sys.executable, "-m", "beltline.pipeline", "run", str(home / "line.yaml"), "--runs", str(runs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".dev")}
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers end by themselves
            process.wait()
            return -9


@pytest.mark.slow
def test_killed_on_its_way_a_search_repeats_nothing_and_its_best_become_rows(home: Path, tmp_path: Path) -> None:
    asked, folder = line(home), tmp_path / "small"
    deadline = time.monotonic() + 500
    for seconds in (14.0, 18.0):
        killed_after(seconds, home, tmp_path)
        time.sleep(1)
    outcome = run_job(asked, runs=tmp_path, console=Console())
    assert time.monotonic() < deadline
    assert outcome.exit_code in (0, 3, 4)
    assert set(finished(folder).values()) == {1}, "no stage was finished twice"
    report = read_report(folder / "report.json")
    names = [row["name"] for row in report["rows"]]
    assert names[0] == "teacher"
    assert names[1:] == [each["name"] for each in report["search"]["trials"] if each["is_row"]] or len(names) > 2
    assert len(report["search"]["trials"]) == 3
    assert "The search" in (folder / "report.html").read_text()
    before = finished(folder)
    run_job(asked, runs=tmp_path, console=Console())
    assert finished(folder) == before
    assert [each.name for each in with_found(asked, tmp_path).recipes] == names[1:]
    assert load_line_file(folder / "line.lock.yaml").search == asked.search


def two_nodes() -> tuple[Any, Any]:
    """Start a head that offers `local`, and a node beside it."""
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster()
    cluster.add_node(num_cpus=1, resources={"local": 1}, **store)
    node = cluster.add_node(num_cpus=1, **store)
    cluster.wait_for_nodes()
    return cluster, node


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_node_loses_nothing_finished(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = pytest.importorskip("ray")
    asked = line(home, LINE.replace("search:\n", "search:\n  engine: ray\n"))
    cluster, node = two_nodes()
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        killer = threading.Timer(20, lambda: cluster.remove_node(node, allow_graceful=False))
        killer.start()
        outcome = run_job(asked, runs=tmp_path, console=Console())
        killer.join()
        assert sum(each["Alive"] for each in ray.nodes()) == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert outcome.exit_code in (0, 3, 4)
    found = finished(tmp_path / "small")
    assert set(found.values()) == {1}
    trials = read_report(tmp_path / "small" / "report.json")["search"]["trials"]
    assert len(trials) == 3
    assert not [each for each in trials if each["ending"] == "failed"]
