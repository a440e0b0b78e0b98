"""What a step holds is counted before it is tried; large frames are decoded once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from beltline.compress.networks.base.families import build_network
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.memory import free_bytes, require_room, step_bytes
from beltline.compress.training.prepared_cache import PreparedCache
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset, Sample
from numpy.typing import NDArray

LARGE = Sample(
    path="a.png",
    label="good",
    defective=False,
    mask=None,
    group="a",
    split="train",
    digest="sha256:0",
    height=1000,
    width=1000,
)

MEASURED = """
import torch
from pathlib import Path
from beltline.compress.networks.base.families import build_network
network = build_network({"family": "plain", "width": 32, "depth": 2}, 3)
network(torch.zeros(2, 3, 64, 64)).mean().backward()
peak = lambda: next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
before = peak()
network(torch.zeros(8, 3, 512, 512)).mean().backward()
print(1024 * (peak() - before))
"""


def test_what_a_step_holds_is_counted_about_right() -> None:
    network = build_network({"family": "plain", "width": 32, "depth": 2}, 3)
    counted = step_bytes(network, 3, (512, 512), batch=8)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".dev")}
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, env=environment)
    assert counted is not None
    assert 0.5 < counted / int(done.stdout) < 2


def test_a_batch_that_does_not_fit_is_refused_before_anything_is_trained(line_data: Dataset, tmp_path: Path) -> None:
    fit = FitSettings(batch=4096, samples_per_epoch=4096, augmentation=AugmentationSettings(crop=None))
    settings = TeacherSettings(
        network={"family": "plain", "width": 64, "depth": 3}, fit=fit, device="cpu", input_size=(2048, 2048)
    )
    with pytest.raises(
        RecipeError, match=r"4096 views of 2048 x 2048 pixels holds about .* GB are free; write fit.batch"
    ):
        train_teacher(settings, line_data, tmp_path / "t", partial=tmp_path, seed=0, progress=lambda *_: None)


def test_the_message_names_a_batch_that_fits() -> None:
    with pytest.raises(RecipeError) as refused:
        require_room(8_000_000_000, 3_000_000_000, name="teacher", size=(480, 640), batch=16)
    assert re.search(
        r"16 views of 640 x 480 pixels holds about 8.0 GB, 3.0 GB are free; write fit.batch: 6$", str(refused.value)
    )
    with pytest.raises(RecipeError, match=r"smaller teacher.input_size, or cut frames into camera.tiles"):
        require_room(8_000_000_000, 300_000_000, name="teacher", size=(4096, 4096), batch=16)


def test_what_is_free_is_less_than_the_machine_has() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is not None
    assert 0 < free < 1024 * int(Path("/proc/meminfo").read_text().split()[1])


def test_a_large_frame_is_prepared_once_and_a_small_one_each_time(tmp_path: Path) -> None:
    reads: list[str] = []

    def read(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        reads.append(sample.path)
        return np.full((100, 80, 3), len(reads), np.uint8), np.eye(100, 80, dtype=np.uint8)

    cache = PreparedCache(tmp_path / "prepared", most_bytes=50_000)
    small, next_large = replace(LARGE, path="s.png", height=100, width=80), replace(LARGE, path="b.png")
    found = [cache.of(sample, read) for sample in (LARGE, LARGE, small, small, next_large, next_large)]
    assert reads == ["a.png", "s.png", "s.png", "b.png", "b.png"]  # there is no room for two
    for pixels, mask in found[:2]:
        assert (pixels == 1).all()
        assert np.array_equal(mask, np.eye(100, 80, dtype=np.uint8))
    cache.remove()
    assert not list(tmp_path.iterdir())
