"""What every method promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.recipe import Method, ModuleContext, Step, StepSettings, methods
from beltline.compress.training.fit_settings import FitSettings
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.base.packages import versions_of
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.synthetic.dataset import write_synthetic_line
from frames_judge import FramesJudge, context_of, scores_of
from pydantic import ValidationError

METHODS = [pytest.param(method, id=name) for name, method in methods().items()]
BRIEFLY = FitSettings(epochs=1, samples_per_epoch=8, batch=4)
LEAST = {"prune": {"ratio": 0.5, "round_to": 4}}
"""For a method that works with no settings at all nothing need be written here."""


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("small-line")
    write_synthetic_line(root, seed=4, parts=30, exposures=1)
    return load_dataset(DataSettings(root=root, reader="labels_csv"))


@pytest.fixture(scope="session")
def int8_graph(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantize = Step.model_validate("quantize")
    methods()["quantize"].apply(tiny_graph.path, quantize.settings, context_of(frames, path))
    return open_graph(path)


def least(method: Method) -> Step:
    """Give a step with as few settings as the method takes, its training cut short."""
    step = Step.model_validate({method.name: LEAST.get(method.name, {})})
    settings = step.settings if step.settings.training is None else step.settings.trained_with(BRIEFLY)
    return step.model_copy(update={"settings": settings})


@pytest.mark.parametrize("method", METHODS)
def test_its_settings_are_frozen_closed_and_documented(method: Method) -> None:
    settings = method.step_type
    assert issubclass(settings, StepSettings)
    assert settings.model_config.get("frozen")
    assert settings.model_config.get("extra") == "forbid"
    described = settings.__doc__ or ""
    assert [name for name in settings.model_fields if f"{name}:" not in described] == []


@pytest.mark.parametrize("method", METHODS)
def test_it_says_what_it_works_on_what_it_is_made_of_and_what_is_missing(method: Method) -> None:
    assert method.works_on in ("module", "graph")
    assert method.packages
    missing = method.missing()
    assert missing is None or "pip install" in missing
    assert missing is not None or set(versions_of(method.packages)) == set(method.packages)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_written_back_as_it_was_read(method: Method) -> None:
    step = least(method)
    assert Step.model_validate(step.model_dump(mode="json")) == step
    assert step.sentence().startswith(method.name)
    assert step.works_on == method.works_on


@pytest.mark.parametrize("method", METHODS)
def test_a_mistake_in_its_settings_is_answered_with_its_place(method: Method) -> None:
    with pytest.raises(ValidationError, match=rf"{method.name}\.no_such_key: unknown key"):
        Step.model_validate({method.name: {**LEAST.get(method.name, {}), "no_such_key": 1}})


@pytest.mark.parametrize("method", METHODS)
def test_what_a_step_asks_for_hangs_together(method: Method) -> None:
    settings = least(method).settings
    assert settings.wanted_ms is None or method.works_on == "module"
    assert not settings.judged or method.works_on == "graph"
    assert not settings.unjudged().judged
    if settings.training is not None:
        assert settings.training == BRIEFLY
        assert settings.trained_with(FitSettings(epochs=3)).training == FitSettings(epochs=3)


@pytest.mark.parametrize("method", [each for each in METHODS if each.values[0].works_on == "module"])  # type: ignore[attr-defined]
def test_a_checkpoint_comes_out_and_the_one_that_went_in_stays(
    method: Method, tiny_checkpoint: Path, small_data: Dataset, tmp_path: Path
) -> None:
    if (missing := method.missing()) is not None:
        pytest.skip(missing)
    before, notified = digest_of_file(tiny_checkpoint), list[str]()
    context = ModuleContext(
        dataset=small_data,
        teacher=tiny_checkpoint,
        target_file=tmp_path / "made.safetensors",
        partial=tmp_path / "partial",
        device="cpu",
        seed=0,
        progress=lambda what, _done, _of: notified.append(what),
    )
    method.apply(tiny_checkpoint, least(method).settings, context)
    made, source = load_checkpoint(context.target_file), load_checkpoint(tiny_checkpoint)
    assert digest_of_file(tiny_checkpoint) == before
    assert made.frame.channels == source.frame.channels
    assert made.lineage
    assert made.lineage[-1] != source.lineage[-1], "what was done stands in the lineage"
    assert notified


@pytest.mark.parametrize("method", [each for each in METHODS if each.values[0].works_on == "graph"])  # type: ignore[attr-defined]
def test_a_graph_of_the_contract_comes_out_and_the_one_that_went_in_stays(
    method: Method, tiny_graph: Graph, int8_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    if (missing := method.missing()) is not None:
        pytest.skip(missing)
    made_file, before = tmp_path / "made.onnx", {each: digest_of_file(each.path) for each in (tiny_graph, int8_graph)}

    def applied(source: Graph) -> Graph:
        judge = FramesJudge(frames, scores_of(source.path, frames), allowed=0.99)
        method.apply(source.path, least(method).settings, context_of(frames, made_file, judge=judge))
        return source

    try:
        source = applied(tiny_graph)
    except RecipeError as error:  # it stands behind another step, and says so
        if "int8" not in str(error) or made_file.exists():
            raise
        source = applied(int8_graph)
    made = open_graph(made_file)
    assert {each: digest_of_file(each.path) for each in before} == before
    assert made.frame == source.frame
    assert len(made.lineage) > len(source.lineage)
    scores = scores_of(made.path, frames)
    assert ((scores >= 0) & (scores <= 1)).all()
