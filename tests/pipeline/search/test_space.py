from __future__ import annotations

from typing import Any

import pytest
from beltline.compress.training.fit_settings import FitSettings
from beltline.compress.training.teacher_terms import DistillWeights
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.search.settings import SpaceSettings
from beltline.pipeline.search.space import Point, Space, parameters_of, recipe_of, space_of, suggest, warm_starts

optuna = pytest.importorskip("optuna")

TEACHER_INPUT = (96, 160)


def space(of_line: int = 4, **written: Any) -> Space:
    return space_of(SpaceSettings.model_validate(written), backends=["open_vino", "onnx_runtime"], threads=of_line)


def point(**changes: Any) -> Point:
    plain = {"family": "plain", "width": 24, "depth": 2, "stride": 4}
    facts = {"network": plain, "scale": 1.0, "prune": 0.0, "precision": "int8", "backend": "open_vino", "threads": 1}
    return Point(**{**facts, **changes})


def test_threads_are_powers_of_two_up_to_the_lines() -> None:
    assert space(6).shared["threads"] == (1, 2, 4, 6)
    assert space(1).shared["threads"] == (1,)
    assert space(2, threads=[1, 2, 8]).shared["threads"] == (1, 2), "more than the line has are not tried"


def test_a_point_comes_back_from_its_parameters() -> None:
    for seed in range(20):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        chosen = suggest(study.ask(), space())
        parameters = parameters_of(chosen, space())
        assert parameters is not None
        again = suggest(optuna.trial.FixedTrial(parameters), space())
        assert again.describe() == chosen.describe()


def test_every_start_lies_in_the_usual_space_and_is_another_one() -> None:
    starts = warm_starts(space())
    assert len(starts) == 10
    assert len({suggest(optuna.trial.FixedTrial(each), space()).describe() for each in starts}) == 10


def test_a_search_begins_with_networks_from_noise_and_from_pretrained_weights() -> None:
    first, second = (suggest(optuna.trial.FixedTrial(each), space()).network for each in warm_starts(space())[:2])
    assert first["family"] == "plain"
    assert second == {
        "family": "timm", "backbone": "tf_efficientnet_lite0", "pretrained": True, "width": 24, "coarsest": 16,
    }  # fmt: skip


def test_a_choice_that_a_description_leaves_out_is_found_by_its_default() -> None:
    cut = space(networks=[{"family": "timm", "coarsest": [8, 32], "stride": [4, 8]}])
    whole = parameters_of(point(network={"family": "timm"}), cut)
    assert whole is not None
    assert (whole["timm.coarsest"], whole["timm.stride"]) == (1, 0)
    only_cut = space(networks=[{"family": "timm", "coarsest": [8, 16]}])
    assert parameters_of(point(network={"family": "timm"}), only_cut) is None


def test_starts_outside_a_space_are_left_out() -> None:
    assert warm_starts(space(networks=[{"family": "timm", "width": [16, 24]}])) == []
    narrow = warm_starts(space(networks=[{"width": [8, 16]}], precision=["fp32"], scale=[1.0], prune=[0.0]))
    assert [each.get("plain.width") for each in narrow] == [1], "width 16, by its place"


def test_a_family_written_twice_has_two_names() -> None:
    twice = space(networks=[{"width": [8, 16]}, {"width": [32, 48], "depth": [1, 2]}])
    assert list(twice.networks) == ["plain", "plain#2"]
    assert parameters_of(point(network={"family": "plain", "width": 32, "depth": 1}), twice) == {
        "network": "plain#2", "plain#2.width": 0, "plain#2.depth": 0,
        "scale": 2, "prune": 0, "precision": "int8", "backend": "open_vino", "threads": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"family": "plane"}, "family: wanted one of factory, memory, plain"),
        ({"family": "plain", "widths": [8]}, "widths"),
        ({"family": "plain", "width": [8, 1]}, "width"),
        ({"family": "plain", "width": []}, "1 to 64 values"),
        ({"family": "factory", "factory": "mine:build"}, "code of your own"),
        ({"family": "plain", "width": [[8]]}, "plain values"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_before_anything_is_tried(
    entry: dict[str, Any], message: str
) -> None:
    with pytest.raises((ValueError, LineFileError), match=message):
        SpaceSettings.model_validate({"networks": [entry]})


def test_a_recipe_has_the_steps_that_its_point_asks_for() -> None:
    fit = FitSettings(epochs=16, learning_rate=0.004)
    taught = DistillWeights.model_validate({"heatmap": 4, "features": {}})
    whole = recipe_of(point(prune=0.4, scale=0.5), name="a", fit=fit, teacher=taught, input_size=TEACHER_INPUT)
    assert [step.method for step in whole.steps] == ["distill", "prune", "quantize"]
    distill, prune = whole.steps[0].settings, whole.steps[1].settings
    assert distill.input_size == (64, 96), "halves of 96 and 160 to the nearest 32, 48 upwards"
    assert (distill.fit.epochs, prune.fit.epochs, prune.ratio) == (16, 4, 0.4)
    assert distill.teacher == prune.teacher == taught
    usual = DistillWeights()
    bare = recipe_of(point(precision="fp32"), name="b", fit=fit, teacher=usual, input_size=TEACHER_INPUT)
    assert [step.method for step in bare.steps] == ["distill"]
    assert bare.steps[0].settings.input_size is None, "as a recipe by hand has it, so that stages are shared"
    assert (bare.threads, bare.backend) == (1, "open_vino")


def test_points_that_train_the_same_student_say_so() -> None:
    assert point().student == point(precision="fp32", threads=2, prune=0.2).student
    assert point().student != point(scale=0.5).student
