"""A recipe that keeps escapes: judged on val with the runtime it ends in, and the report says what stayed in float."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beltline.export.contracts import Graph
from beltline.export.graph_file import open_graph
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import open_job, run_job
from beltline.pipeline.stages.build import weight_bits_of
from beltline.pipeline.stages.stages import journal
from beltline.pipeline.stages.val_judge import ValJudge
from beltline.targets.settings import TargetSettings

LINE = """
name: judged
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {onnx: tiny.onnx}
recipes:
  - {name: careful, backend: BACKEND, steps: [{quantize: {frames: 8, keep_escapes: true, ranked_on: 4}}]}
gates: {escape: {max_increase: 0.02}, overkill: {max: 0.4}}
threads: 1
"""


@pytest.fixture(scope="module")
def home(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=60, exposures=1)
    shutil.copyfile(tiny_graph.path, folder / "tiny.onnx")
    return folder


@pytest.mark.parametrize("backend", ["open_vino", "onnx_runtime"])
def test_a_recipe_is_judged_on_val_and_its_file_says_so(backend: str, home: Path) -> None:
    (home / "line.yaml").write_text(LINE.replace("BACKEND", backend))
    line_file = load_line_file(home / "line.yaml")
    runs = home / f"runs-{backend}"
    outcome = run_job(line_file, runs=runs, until="export", console=Console())
    folder = runs / "judged"
    lineages = [open_graph(path).lineage for path in folder.glob("stages/*/model.onnx")]
    lineage = max(lineages, key=len)
    assert lineage[-1].startswith(f"quantize: {backend}, min_max: ")
    assert "escapes against the teacher" in lineage[-1]
    assert outcome.verdict == "done"
    built = [json.loads(path.read_text())["lineage"] for path in folder.glob("stages/*/artifact.json")]
    assert list(lineage) in built
    again = len(journal(folder))
    run_job(line_file, runs=runs, until="export", console=Console())
    assert len([entry for entry in journal(folder)[again:] if entry["event"] == "finished"]) == 0


def test_weights_are_narrow_unless_every_processor_of_the_run_takes_eight_bits(home: Path) -> None:
    """This machine, which scores, stands for one with VNNI and one without; the devices likewise."""
    (home / "line.yaml").write_text(LINE.replace("BACKEND", "onnx_runtime"))
    with open_job(load_line_file(home / "line.yaml"), runs=home / "runs-bits", console=Console()) as job:
        (here,) = job.devices
        new = replace(here, facts={**here.facts, "architecture": "x86_64", "isa": ["avx2", "avx512_vnni"]})
        old = replace(here, facts={**new.facts, "isa": ["avx2"]})
        away = replace(old, settings=TargetSettings(ssh="ssh://bench"))
        two = job.line_file.model_copy(update={"target": (new.settings, away.settings)})
        assert weight_bits_of(replace(job, devices=(new,))) == 8
        assert weight_bits_of(replace(job, devices=(old,))) == 7
        assert weight_bits_of(replace(job, line_file=two, devices=(new, away))) == 7
        assert weight_bits_of(replace(job, line_file=two, devices=(new, replace(away, facts=new.facts)))) == 8
        assert weight_bits_of(replace(job, line_file=two, devices=(new,))) == 7, "the other was not met"


def test_the_judge_reads_val_only_and_finds_the_teacher_as_good_as_itself(home: Path) -> None:
    (home / "line.yaml").write_text(LINE.replace("BACKEND", "onnx_runtime"))
    with open_job(
        load_line_file(home / "line.yaml"), runs=home / "runs-alone", console=Console(), measures=False
    ) as job:
        judge = ValJudge(job=job, backend="onnx_runtime")
        val = job.dataset.of("val")
        scores = judge.scores(home / "tiny.onnx")
        assert scores.shape == (len(val),)
        found = judge.escapes(scores)
        assert (found.new_escapes, found.recovered) == (0, 0)
        few = judge.scores(home / "tiny.onnx", at_most=4)
        good = [place for place, sample in enumerate(val) if not sample.defective]
        assert few.shape == (4,)
        assert few[0] == scores[good[0]]
        defective = np.array([sample.defective for sample in val])
        better = judge.escapes(np.where(defective, 1.0, scores * 0.5))
        assert better.recovered > better.new_escapes == 0
        assert better.increase_upper < found.increase_upper
        assert judge.allowed == 0.02
        assert ValJudge(job=job, backend="tensor_rt").runtime == "onnx_runtime"
