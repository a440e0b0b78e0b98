"""A row for a Jetson: what travels, what is expected of it there, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.golden import ROUNDING, Golden
from beltline.export.bundles.writing import BundleModel
from beltline.inspection.base.errors import BundleError, GraphError, LineFileError
from beltline.inspection.data.dataset import Dataset, Sample
from beltline.pipeline.deploy.device_bundle import (
    MARGIN,
    DeviceOptions,
    device_model,
    frames_of_line,
    golden_there,
    margin_for,
)


def dataset(*sizes: tuple[int, int]) -> Dataset:
    samples = tuple(
        Sample(path=f"{at}.png", label="good", defective=False, mask=None, group=str(at), split="val",
               digest="sha256:0", height=height, width=width)
        for at, (height, width) in enumerate(sizes)
    )  # fmt: skip
    return Dataset(name="made", root=Path("/nowhere"), channels=1, bit_depth=8, samples=samples)


@pytest.fixture
def model(bundle: Any) -> BundleModel:
    found: BundleModel = bundle.parts.models[0]
    return found


def test_the_engine_takes_the_sizes_of_the_line() -> None:
    found = frames_of_line(dataset((80, 100), (80, 100), (70, 120)))
    assert (found.least, found.usual, found.most) == ((70, 100), (80, 100), (80, 120))
    assert not found.fixed
    assert frames_of_line(dataset((80, 100), (80, 100))).fixed


def test_a_row_becomes_onnx_with_a_recipe(model: BundleModel, tmp_path: Path) -> None:
    made = device_model(
        model, DeviceOptions(profile="jetson-orin-nano", workspace_mib=256), dataset((80, 100)), tmp_path
    )
    assert (made.model.row, made.model.threshold, made.model.verdict) == (model.row, model.threshold, "inconclusive")
    assert (made.model.artifact.backend, made.model.artifact.built_for) == ("tensor_rt", "jetson-orin-nano")
    recipe = json.loads((tmp_path / "model.json").read_text())
    assert (recipe["workspace_mib"], recipe["frames"]["usual"], recipe["format"]) == (256, [80, 100], 1)
    assert "jetpack6.2" in made.runtimes
    assert "neither run nor measured before" in made.caution


def test_decisions_of_the_reference_are_expected_with_a_margin(model: BundleModel, bundle: Any, tmp_path: Path) -> None:
    made = device_model(model, DeviceOptions(profile="jetson-orin-nano"), dataset((80, 100)), tmp_path)
    golden: Golden = golden_there(bundle.parts.golden, model, [made])
    assert golden.rejects["tensor_rt"] == golden.rejects["onnx_runtime"]
    assert margin_for([made]) == MARGIN["fp32"] > ROUNDING
    assert margin_for([]) == ROUNDING


def test_what_cannot_be_built_there_is_refused(model: BundleModel, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="wanted a device that runs tensor_rt, got local"):
        device_model(model, DeviceOptions(profile="local"), dataset((80, 100)), tmp_path)
    with pytest.raises(LineFileError, match="jetson-orin-nano"):
        device_model(model, DeviceOptions(profile="jetson-tx1"), dataset((80, 100)), tmp_path)
    other = replace(model, artifact=model.artifact.moved_to(model.artifact.path.with_suffix(".xml")))
    with pytest.raises(BundleError, match="wanted one that runs on onnx_runtime"):
        device_model(other, DeviceOptions(profile="jetson-orin-nano"), dataset((80, 100)), tmp_path)
    with pytest.raises(GraphError, match="one size in fp16 or int8"):
        device_model(model, DeviceOptions(profile="jetson-orin-nano", dla_core=0), dataset((80, 100)), tmp_path)
