"""Calibrators of both quantizers: each gives a range of its own, and none of them a graph that decides otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.methods.cluster import int8_weights
from beltline.compress.methods.quantize import METHOD
from beltline.compress.methods.quantize.calibration import Calibration, onnx_runtime_reader, spread_frames
from beltline.compress.methods.quantize.schemes import SCHEMES
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.compress.recipe import Step
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.parity import compare_scores
from frames_judge import context_of, scores_of
from onnx import numpy_helper

CALIBRATORS: dict[str, dict[str, object]] = {
    "min_max": {},
    "mean": {"calibrator": "mean"},
    "percentile": {"calibrator": "percentile", "percentile": 99.0},
    "histogram": {"calibrator": "histogram"},
}


def activation_scales(path: Path) -> list[float]:
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    names = dict.fromkeys(node.input[1] for node in graph.node if node.op_type == "QuantizeLinear")
    return [float(values[name].max()) for name in names]


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_each_calibrator_gives_its_own_ranges_and_nearly_the_same_scores(
    scheme: str, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    reference, scales = scores_of(tiny_graph.path, frames), {}
    for name, written in CALIBRATORS.items():
        path = tmp_path / f"{name}.onnx"
        step = QuantizeStep.model_validate({"scheme": scheme, **written})
        METHOD.apply(tiny_graph.path, step, context_of(frames, path))
        scales[name] = activation_scales(path)
        parity = compare_scores(reference, scores_of(path, frames), threshold=0.5, against="float")
        assert parity.rank_correlation > 0.8, name
    assert len({len(each) for each in scales.values()}) == 1
    assert scales["percentile"] != scales["min_max"]
    assert scales["histogram"] != scales["percentile"]
    assert np.mean(scales["percentile"]) < np.mean(scales["min_max"])


def test_the_lineage_names_scheme_calibrator_and_narrow_weights(
    tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    context = replace(context_of(frames, tmp_path / "int8.onnx"), weight_bits=8)
    step = QuantizeStep(scheme="onnx_runtime", frames=2)
    METHOD.apply(tiny_graph.path, step, context)
    assert open_graph(context.target_file).lineage[-1] == "quantize: onnx_runtime, min_max"
    METHOD.apply(tiny_graph.path, step, replace(context, weight_bits=7))
    narrow = "weights in 7 bits, since sums of 8-bit ones overflow on x86 processors without VNNI"
    assert open_graph(context.target_file).lineage[-1] == f"quantize: onnx_runtime, min_max; {narrow}"


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_weights_keep_to_the_bits_that_the_processor_multiplies(
    scheme: str, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    def largest(weight_bits: int, **settings: object) -> int:
        context = replace(context_of(frames, tmp_path / "int8.onnx"), weight_bits=weight_bits)
        step = QuantizeStep.model_validate({"scheme": scheme, "frames": 4, **settings})
        METHOD.apply(tiny_graph.path, step, context)
        weights = int8_weights(onnx.load(context.target_file))
        return max(int(np.abs(numpy_helper.to_array(each).astype(int)).max()) for each in weights)

    assert largest(8) in (127, 128)
    assert largest(7) in (63, 64)
    assert largest(8, reduce_range=True) in (63, 64)


def test_a_step_is_done_again_only_where_weights_are_narrower() -> None:
    assert (QuantizeStep().made_for(8), QuantizeStep().made_for(7)) == ({}, {"weight_bits": 7})
    assert QuantizeStep(reduce_range=True).made_for(8) == {"weight_bits": 7}
    for other in ("cluster", {"prune": {"ratio": 0.5}}):
        assert Step.model_validate(other).settings.made_for(7) == {}


def test_the_reader_gives_every_frame_once_in_equal_parts(frames: list[Frame], tmp_path: Path) -> None:
    calibration = Calibration(context=context_of(frames, tmp_path / "x"), wanted=10)
    assert (len(calibration), calibration.part) == (10, 10)
    assert Calibration(context=context_of(frames * 8, tmp_path / "x"), wanted=90).part == 15
    reader = onnx_runtime_reader(calibration)
    seen = []
    for start in (0, 5):
        reader.set_range(start_index=start, end_index=start + 5)
        while (given := reader.get_next()) is not None:
            seen.append(given["frame"])
    wanted = list(spread_frames(calibration.context, 10, doing="looking"))
    assert len(seen) == len(wanted) == 10
    assert all(np.array_equal(one, other["frame"]) for one, other in zip(seen, wanted, strict=True))


def test_what_is_written_down_comes_back() -> None:
    for written in ("quantize", {"quantize": {"calibrator": "histogram"}}, {"cluster": {"levels": 4}}):
        step = Step.model_validate(written)
        assert Step.model_validate(step.model_dump(mode="json")) == step
    step = Step.model_validate({"quantize": {"calibrator": "percentile", "percentile": 99.9}})
    assert Step.model_validate(step.model_dump(mode="json")) == step
    assert step.sentence() == "quantize calibrator=percentile percentile=99.9"


def test_only_steps_that_ask_are_judged() -> None:
    assert not Step.model_validate("quantize").settings.judged
    assert Step.model_validate({"quantize": {"keep_escapes": True}}).settings.judged
    assert not Step.model_validate({"prune": {"ratio": 0.5}}).settings.judged


def test_a_step_for_networks_that_do_not_matter_asks_nothing() -> None:
    asking = Step.model_validate({"quantize": {"frames": 7, "keep_escapes": True}})
    assert asking.unjudged() == Step.model_validate({"quantize": {"frames": 7}})
    plain = Step.model_validate({"prune": {"ratio": 0.5}})
    assert plain.unjudged() is plain


@pytest.mark.parametrize("settings", [{"percentile": 99.0}, {"calibrator": "entropy"}, {"ranked_on": 1}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="quantize"):
        Step.model_validate({"quantize": settings})
