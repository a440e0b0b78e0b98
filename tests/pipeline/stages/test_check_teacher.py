"""A useless teacher stops a run before anything is compressed, and says what it looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from beltline.benchmarks.proof.verdict import Verdict
from beltline.compress.checkpoint import load_checkpoint, save_checkpoint
from beltline.inspection.base.errors import GraphError, WeightsError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.streaming import read_sample
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import open_job, run_job
from beltline.pipeline.stages.check_teacher import useful_teacher
from beltline.pipeline.stages.job import RunJob
from beltline.pipeline.stages.judge import _doubted
from beltline.pipeline.stages.stages import journal
from torch import nn

LINE = """
name: NAME
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105, fixed_ms: {plc: 5}}
data: {root: data}
teacher: TEACHER
recipes: [{name: pruned, steps: [{prune: {ratio: 0.3, fit: {epochs: 1, samples_per_epoch: 8, batch: 8}}}]}]
threads: 1
"""
FACTORY = "{factory: 'MODULE:build', weights: w.pt, normalisation: unit, output: class_logits MORE}"
READS_THE_ANSWER = """
import torch
from torch import nn


class Reads(nn.Module):
    '''Knows every val frame by its mean, as a well trained network would know its defects.'''

    def __init__(self):
        super().__init__()
        self.means = nn.Parameter(torch.zeros(COUNT))
        self.answers = nn.Parameter(torch.zeros(COUNT))

    def forward(self, pixels):
        mean = pixels.mean(dim=(1, 2, 3))
        nearest = (mean[:, None] - self.means[None]).abs().argmin(dim=1)
        return SIGN * self.answers[nearest] + 0.001 * mean


def build():
    return Reads()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=130, exposures=1)
    return folder


def opened(home: Path, teacher: str, *, name: str = "checked") -> Path:
    (home / "line.yaml").write_text(LINE.replace("NAME", name).replace("TEACHER", teacher))
    return home / "line.yaml"


def val_of(home: Path) -> Dataset:
    path = opened(home, "{network: {family: plain}}", name="data")
    with open_job(load_line_file(path), runs=home / "runs", console=Console()) as job:
        return job.dataset


def write_answers(home: Path, *, sign: int, module: str) -> None:
    """Write a factory whose class logit is right (or wrong) for every val frame."""
    data = val_of(home)
    val = data.of("val")
    means = [float(torch.from_numpy(read_sample(data, each)).float().mean()) / 255 for each in val]
    answers = [20.0 if each.defective else -20.0 for each in val]
    source = READS_THE_ANSWER.replace("COUNT", str(len(val))).replace("SIGN", str(sign))
    (home / f"{module}.py").write_text(source)
    torch.save({"means": torch.tensor(means), "answers": torch.tensor(answers)}, home / "w.pt")


def checkpoint(home: Path, tiny: Path, change: Callable[[nn.Module], None]) -> None:
    made = load_checkpoint(tiny)
    change(made.inspector.network)
    save_checkpoint(home / "t.safetensors", made)


def compressed(home: Path, path: Path, *, quick: bool = False) -> list[str]:
    run_job(load_line_file(path), runs=home / "runs", quick=quick, until="compress", console=Console())
    return finished(home, path, quick=quick)


def finished(home: Path, path: Path, *, quick: bool = False) -> list[str]:
    name = load_line_file(path).run_name + ("-quick" if quick else "")
    return [entry["stage"] for entry in journal(home / "runs" / name) if entry["event"] == "finished"]


def test_an_untrained_teacher_stops_the_run_before_anything_is_compressed(home: Path, tiny_checkpoint: Path) -> None:
    checkpoint(home, tiny_checkpoint, lambda _: None)
    path = opened(home, "{weights: t.safetensors}", name="untrained")
    with pytest.raises(WeightsError, match=r"0\.5 is a coin toss.*another line.*Nothing was compressed"):
        compressed(home, path)
    assert "prune" not in finished(home, path)
    assert finished(home, path).count("check teacher") == 1
    with pytest.raises(WeightsError, match="coin toss"):
        compressed(home, path)
    assert finished(home, path).count("check teacher") == 1, "found again, not done again"


def test_a_quick_run_goes_on_and_can_not_fit(
    home: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint(home, tiny_checkpoint, lambda _: None)
    path = opened(home, "{weights: t.safetensors}", name="untrained")
    assert "prune" in compressed(home, path, quick=True)
    assert "CAUTION: teacher: its AUROC on val" in capsys.readouterr().err
    with open_job(
        load_line_file(path).model_copy(update={"name": "x-quick"}), runs=home / "runs", console=Console()
    ) as job:
        doubted, _ = useful_teacher(job)
    assert doubted.doubt is not None
    assert doubted.doubt.text.startswith("its AUROC on val is")
    verdict = _doubted(Verdict(verdict="fits", findings={}), doubted.doubt)
    assert verdict.verdict == "inconclusive"
    assert verdict.reasons[0].startswith("The teacher may be useless: its AUROC on val is")
    assert verdict.next_steps
    assert _doubted(Verdict(verdict="misses", findings={}), doubted.doubt).verdict == "misses"


def test_train_keeps_a_useless_teacher_and_says_so_on_every_channel(
    home: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint(home, tiny_checkpoint, lambda _: None)
    path = opened(home, "{weights: t.safetensors}", name="trained")
    done = run_job(load_line_file(path), runs=home / "runs", until="train", console=Console())
    (caution,) = done.summary["cautions"]
    assert caution.startswith("The teacher may be useless: its AUROC on val is")
    assert f"mind: {caution}" in done.message
    assert "`beltline run` will compress nothing with it" in capsys.readouterr().err
    assert Path(done.summary["files"][0]).is_file()


@pytest.mark.parametrize("quick", [False, True])
def test_a_constant_teacher_always_stops(home: Path, tiny_checkpoint: Path, *, quick: bool) -> None:
    def constant(network: nn.Module) -> None:
        for parameter in network.head.logits.parameters():
            parameter.data.zero_()

    checkpoint(home, tiny_checkpoint, constant)
    path = opened(home, "{weights: t.safetensors}", name="constant")
    with pytest.raises(WeightsError, match=r"all its scores on val are 0\.5"):
        compressed(home, path, quick=quick)


@pytest.mark.parametrize("quick", [False, True])
def test_a_teacher_that_gives_no_number_always_stops(home: Path, tiny_checkpoint: Path, *, quick: bool) -> None:
    def nan(network: nn.Module) -> None:
        network.head.logits.bias.data.fill_(float("nan"))

    checkpoint(home, tiny_checkpoint, nan)
    path = opened(home, "{weights: t.safetensors}", name="nan")
    with pytest.raises(GraphError, match="got score nan"):
        compressed(home, path, quick=quick)


def test_a_good_teacher_goes_through_and_an_inverted_one_is_told_the_key(home: Path) -> None:
    write_answers(home, sign=1, module="right_way")
    path = opened(home, FACTORY.replace("MODULE", "right_way").replace("MORE", ""), name="right")
    line_file = load_line_file(path)
    with open_job(line_file, runs=home / "runs", console=Console()) as job:
        known, teacher = useful_teacher(job)
    assert isinstance(known, RunJob)
    assert known.doubt is None
    assert teacher.path.suffix == ".safetensors"
    write_answers(home, sign=-1, module="wrong_way")
    for quick in (False, True):
        path = opened(home, FACTORY.replace("MODULE", "wrong_way").replace("MORE", ""), name="wrong")
        with pytest.raises(WeightsError, match=r"wrong way round \(1 - AUROC is 1\.000\); .*write good_class: 1"):
            compressed(home, path, quick=quick)
    path = opened(home, FACTORY.replace("MODULE", "wrong_way").replace("MORE", ", good_class: 1"), name="turned")
    with open_job(load_line_file(path), runs=home / "runs", console=Console()) as job:
        assert useful_teacher(job)[0].doubt is None


def test_a_factory_at_chance_is_told_what_it_looks_like(home: Path) -> None:
    (home / "random_head.py").write_text(
        "from torch import nn\n\n\ndef build():\n"
        "    layers = nn.Conv2d(1, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)\n"
        "    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 2))\n"
    )
    torch.manual_seed(1)
    made = nn.Sequential(
        nn.Conv2d(1, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).state_dict()
    torch.save(made, home / "w.pt")
    path = opened(home, FACTORY.replace("MODULE", "random_head").replace("MORE", ""), name="random")
    with pytest.raises(WeightsError, match=r"another normalisation .*now unit, channels rgb.*good_class 0"):
        compressed(home, path)
