"""Weights on few levels: the best ones, still an int8 graph, and less to send."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.methods.cluster import METHOD, ClusterStep, int8_weights, nearest_levels
from beltline.compress.methods.quantize import METHOD as QUANTIZE
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.compress.recipe import RecipeSettings
from beltline.export.bundles.packing import packed
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.parity import compare_scores
from beltline.inspection.base.errors import RecipeError
from frames_judge import FramesJudge, context_of, scores_of
from onnx import numpy_helper


@pytest.fixture(scope="module")
def int8(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    QUANTIZE.apply(tiny_graph.path, QuantizeStep(scheme="onnx_runtime"), context_of(frames, path))
    return path


def test_no_other_levels_are_better() -> None:
    chance = np.random.default_rng(1)
    for _ in range(20):
        codes = chance.integers(-6, 7, 30).astype(np.int8)
        found = float(((nearest_levels(codes, 3) - codes.astype(float)) ** 2).sum())
        best = min(
            sum(float(((codes[part] - np.round(codes[part].mean())) ** 2).sum()) for part in parts if part.any())
            for cuts in itertools.combinations(range(-6, 7), 2)
            for parts in [[codes < cuts[0], (codes >= cuts[0]) & (codes < cuts[1]), codes >= cuts[1]]]
        )
        assert found <= best + 30 * 0.25  # the levels are whole numbers, chosen after the division


def test_few_values_stay_as_they_are_and_more_levels_err_less() -> None:
    codes = np.array([[-128, 5], [127, 5]], dtype=np.int8)
    assert np.array_equal(nearest_levels(codes, 3), codes)
    normal = np.clip(np.random.default_rng(2).normal(0, 40, 5_000), -128, 127).astype(np.int8)
    errors = [np.abs(nearest_levels(normal, levels).astype(float) - normal).mean() for levels in (4, 16, 64, 256)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0
    assert np.unique(nearest_levels(normal, 16)).size == 16


def test_the_graph_stays_int8_and_packs_smaller(int8: Path, frames: list[Frame], tmp_path: Path) -> None:
    path = tmp_path / "clustered.onnx"
    METHOD.apply(int8, ClusterStep(levels=16, keep_escapes=False), context_of(frames, path))
    values = [np.unique(numpy_helper.to_array(tensor)).size for tensor in int8_weights(onnx.load(path))]
    assert values
    assert max(values) <= 16
    assert open_graph(path).precision == "int8"
    assert open_graph(path).lineage[-1] == "cluster: the weights of each layer on 16 levels"
    before, after = (len(packed(each.read_bytes()) or b"") for each in (int8, path))
    assert 0 < after < 0.95 * before
    parity = compare_scores(scores_of(int8, frames), scores_of(path, frames), threshold=0.5, against="int8")
    assert parity.rank_correlation > 0.8


def test_levels_double_until_escapes_hold(int8: Path, frames: list[Frame], judge: FramesJudge, tmp_path: Path) -> None:
    path = tmp_path / "clustered.onnx"
    step = ClusterStep(levels=2)
    METHOD.apply(int8, step, context_of(frames, path, judge=judge))
    reference = max(judge.allowed, judge.escapes(judge.scores(int8)).increase_upper)
    assert judge.escapes(judge.scores(path)).increase_upper <= reference
    METHOD.apply(int8, step, context_of(frames, path, judge=replace(judge, allowed=0.99)))
    assert open_graph(path).lineage[-1].endswith("on 2 levels")


def test_what_cannot_be_clustered_is_refused(
    tiny_graph: Graph, int8: Path, frames: list[Frame], tmp_path: Path
) -> None:
    context = context_of(frames, tmp_path / "x.onnx")
    with pytest.raises(RecipeError, match="write quantize before it"):
        METHOD.apply(tiny_graph.path, ClusterStep(), context)
    with pytest.raises(RecipeError, match="keep_escapes: false"):
        METHOD.apply(int8, ClusterStep(), context)
    assert not context.target_file.exists()


def test_it_is_written_behind_quantize() -> None:
    recipe = RecipeSettings.model_validate({"name": "a", "steps": ["quantize", {"cluster": {"levels": 32}}]})
    assert [step.sentence() for step in recipe.steps] == ["quantize", "cluster levels=32"]
