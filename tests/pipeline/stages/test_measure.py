"""A run on this machine and on a device over ssh: a real sshd, real measurements, one report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from beltline.benchmarks.report.reading import read_report
from beltline.export.contracts import Graph
from beltline.inspection.base.errors import HostError, MissingPartError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import Outcome, run_job
from beltline.pipeline.stages.measure import Device, devices_of, meet, on_each, require_on_devices, this_machine
from beltline.pipeline.stages.rows import RowPlan
from beltline.targets.settings import TargetSettings
from loopback import LoopbackDevice

LINE = """
name: two
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 300}
data: {root: data}
teacher: {onnx: model.onnx}
target:
  - local
  - {ssh: ADDRESS, config: CONFIG, python: PYTHON, wheelhouse: null, name: bench, profile: jetson-orin-nano}
gates: {deadline_miss: {max: 0.2, confidence: 0.9}, escape: {max: 0.999, max_increase: 0.9}, overkill: {max: 0.9}}
threads: 1
measure: {minutes: 0.05}
"""


def settings_of(device: LoopbackDevice, **more: object) -> TargetSettings:
    access = device.access()
    given = {"ssh": str(access.address), "config": access.config, "python": access.python, "wheelhouse": None}
    return TargetSettings.model_validate({**given, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_graph: Graph, device: LoopbackDevice) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_synthetic_line(folder / "data", seed=4, parts=40, exposures=1)
    shutil.copy(tiny_graph.path, folder / "model.onnx")
    access = device.access()
    text = LINE.replace("ADDRESS", str(access.address)).replace("CONFIG", str(access.config))
    (folder / "line.yaml").write_text(text.replace("PYTHON", str(access.python)))
    return folder


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    return run_job(load_line_file(folder / "line.yaml"), runs=folder / "runs", console=Console())


def test_a_model_on_two_devices_is_two_rows_of_one_report(folder: Path, outcome: Outcome) -> None:
    assert outcome.verdict
    report = read_report(folder / "runs/two/report.json")
    assert [(row["name"], row["device"]) for row in report["rows"]] == [
        ("teacher@local", "local"),
        ("teacher@bench", "bench"),
    ]
    assert [device["name"] for device in report["devices"]] == ["local", "bench"]
    assert all(row["latency_ms"]["frames"] > 0 for row in report["rows"])
    traces = {path.name for path in (folder / "runs/two/traces").glob("*@*.npz")}
    assert {"teacher@local.npz", "teacher@bench.npz"} <= traces


def test_a_device_that_is_not_its_profile_is_marked(folder: Path, outcome: Outcome, device: LoopbackDevice) -> None:
    assert outcome.verdict
    local, bench = read_report(folder / "runs/two/report.json")["devices"]
    assert "Orin Nano" in bench["not_its_profile"]
    assert "not_its_profile" not in local
    assert bench["address"] == str(device.access().address)
    assert "Orin Nano" in (folder / "runs/two/report.html").read_text()


def test_a_second_run_measures_nothing_again(folder: Path, outcome: Outcome, device: LoopbackDevice) -> None:
    before = (folder / "runs/two/report.json").read_bytes()
    again = run_job(load_line_file(folder / "line.yaml"), runs=folder / "runs", console=Console())
    assert again.verdict == outcome.verdict
    assert (folder / "runs/two/report.json").read_bytes() == before
    assert device.jobs == []


def test_a_checkpoint_is_measured_here(device: LoopbackDevice) -> None:
    devices = meet([settings_of(device, name="bench")], threads=None, console=Console())
    assert [each.name for each in devices_of(RowPlan(name="a", role="candidate", backend="open_vino"), devices)] == [
        "bench"
    ]
    (here,) = devices_of(RowPlan(name="teacher", role="teacher", backend="torch_eager"), devices)
    assert (here.name, here.here) == ("local", True)


def test_a_runtime_that_is_not_there_is_told_before_the_work(device: LoopbackDevice) -> None:
    here = this_machine(())
    lacking = Device(
        settings=settings_of(device, wheelhouse=Path("wheels")), target=here.target, facts=here.facts,
        missing={"open_vino": "not installed"},
    )  # fmt: skip
    plans = [RowPlan(name="small", role="candidate", backend="open_vino")]
    with pytest.raises(MissingPartError, match="row small: open_vino is not on local: not installed; get it: beltline"):
        require_on_devices(plans, [lacking])
    require_on_devices(plans, [here])


def test_one_failing_device_does_not_end_the_others() -> None:
    here = this_machine(())
    devices = [here, Device(settings=here.settings, target=here.target, facts=here.facts, missing={})]
    done: list[int] = []

    def work(device: Device) -> None:
        if device is devices[0]:
            msg = "gone"
            raise HostError(msg)
        done.append(1)

    with pytest.raises(HostError, match="gone"):
        on_each(devices, work)
    assert done == [1]


def test_what_line_yaml_says_of_devices_survives_the_lock(folder: Path, outcome: Outcome) -> None:
    assert outcome.exit_code in (0, 3, 4)
    given, locked = (load_line_file(path) for path in (folder / "line.yaml", folder / "runs/two/line.lock.yaml"))
    assert locked.target == given.target
    assert json.loads(given.model_dump_json())["target"][1]["name"] == "bench"
