"""line.yaml: everything a user says about one line, checked whole before anything is done; and its JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ...benchmarks.proof.gate import gates_type
from ...benchmarks.proof.verdict import all_gates
from ...compress.recipe import RecipeSettings, StepSettings, methods
from ...compress.teacher.settings import TeacherSettings
from ...inspection.base.errors import LineFileError
from ...inspection.data.camera import CameraSettings
from ...inspection.data.settings import DataSettings
from ...inspection.decision.judging import Judging, misfit
from ...inspection.decision.limits import Limit
from ...inspection.decision.zones import Name, Zone
from ...inspection.line.line import Line, budget_of
from ...targets.profile import profiles
from ...targets.settings import LOCAL, Targets
from ..search.settings import SearchSettings
from .validation_errors import Problem, one_of, one_plugin, problems_in_values, problems_of, raise_if_any
from .written_paths import absolute
from .yaml_positions import Location, PlacedYaml, read_file

if TYPE_CHECKING:
    from ...inspection.line.gates import Gates as AllGates
else:
    AllGates = gates_type(all_gates(), module=__name__)
"""The `gates:` of a line file: a key for each gate that is there, those of other packages included."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class MeasureSettings(BaseModel):
    """How long each row is measured at most; the proof may end sooner.

    Attributes:
        frames: At most so many frames per row; None: what the proof needs.
        minutes: At most so many minutes per row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    frames: int | None = Field(default=None, ge=100, le=100_000_000)
    minutes: float = Field(default=3, gt=0, le=10_080, allow_inf_nan=False)


class ThresholdSettings(BaseModel):
    """Where parts are cut into good and rejected; fitted on val for each artifact.

    Attributes:
        max_overkill: Overkill on val that the threshold surely keeps to; None: the overkill gate's. Lower than the gate
            where the line will bring parts that val does not show, such as a new board design. Where val proves the
            escape gate too, the threshold is higher than this asks for, see `operating_point`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    max_overkill: float | None = Field(default=None, gt=0, lt=1)


class LineFile(BaseModel):
    """The whole of line.yaml.

    Attributes:
        name: Names the run's folder; None: the folder that the file lies in.
        product: What the line inspects, as it stands in its bundles; None: the line's name.
        line: The belt.
        data: Its photographs.
        camera: What takes them.
        zones: Named areas of the part, for limits.
        limits: Which findings are tolerated, by kind, zone and size; none: the score alone decides.
        teacher: The model that the small ones are measured against.
        recipes: The candidates, each a row of the report.
        search: Instead of recipes: look for them.
        target: The device: `local`, the name of a profile (`beltline devices`), `ssh://user@host`, or a list of these.
        threads: Threads an engine may use; None: the profile's.
        gates: What must hold for the verdict `fits`.
        threshold: Where to cut.
        measure: How long to measure.
        seed: Of everything random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Beltline line file")
    name: str | None = Field(default=None, pattern=f"^{_NAME.pattern}$")
    product: str | None = Field(default=None, pattern=f"^{_NAME.pattern}$")
    line: Line
    data: DataSettings
    camera: CameraSettings = CameraSettings()
    zones: dict[Name, Zone] = Field(default_factory=dict, max_length=32)
    limits: tuple[Limit, ...] = Field(default=(), max_length=256)
    teacher: TeacherSettings = TeacherSettings()
    recipes: tuple[RecipeSettings, ...] = ()
    search: SearchSettings | None = None
    target: Targets = LOCAL
    threads: int | None = Field(default=None, ge=1, le=1024)
    gates: AllGates = AllGates()
    threshold: ThresholdSettings = ThresholdSettings()
    measure: MeasureSettings = MeasureSettings()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _compares_with_something(self) -> LineFile:
        if self.teacher.compares and self.data.reference is None:
            msg = (
                "teacher.kind: reference needs data.reference, such as reference/{group}.png or a column of labels.csv"
            )
            raise ValueError(msg)
        if self.teacher.compares is False and self.data.reference is not None:
            msg = "teacher.kind: segment looks at frames alone, data.reference names references; drop one of them"
            raise ValueError(msg)
        if self.camera.bayer is not None and self.data.reference is not None:
            msg = (
                "camera.bayer: raw mosaics are not compared with references; let the camera give colours, or drop "
                "data.reference"
            )
            raise ValueError(msg)
        return self

    @property
    def run_name(self) -> str:
        """Name of the run's folder under `runs/`."""
        return self.name or "line"

    @property
    def judging(self) -> Judging:
        """What is said of findings."""
        return Judging(pixels_per_mm=self.camera.pixels_per_mm, zones=self.zones, limits=self.limits)

    @property
    def val_overkill(self) -> float:
        """Largest share of val's good parts that a threshold may reject."""
        return self.threshold.max_overkill or self.gates.overkill.max

    @property
    def cut(self) -> dict[str, Any]:
        """All that thresholds fitted on val depend on besides scores, JSON-able."""
        escape = self.gates.escape
        return {
            "overkill": self.val_overkill,
            "confidence": self.gates.overkill.confidence,
            "escape": escape.max,
            "kinds": {kind: gate.max for kind, gate in escape.kinds.items()},
        }

    @field_validator("recipes")
    @classmethod
    def _unique_names(cls, recipes: tuple[RecipeSettings, ...]) -> tuple[RecipeSettings, ...]:
        names = [recipe.name for recipe in recipes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"every recipe wants its own name, got {twice[0]!r} more than once; rename one"
            raise ValueError(msg)
        return recipes

    @field_validator("search")
    @classmethod
    def _instead_of_recipes(cls, search: SearchSettings | None, info: ValidationInfo) -> SearchSettings | None:
        if search is not None and info.data.get("recipes"):
            msg = "recipes are written as well; keep one of the two: search looks for recipes, and its best become rows"
            raise ValueError(msg)
        return search


def load_line_file(path: Path) -> LineFile:
    """Read and check a line file; relative paths in it are made absolute, starting from its folder.

    Raises:
        LineFileError: Each mistake in one line: file and line, key, what was wanted, what was got, what to do.
    """
    placed = read_file(path)
    try:
        checked = LineFile.model_validate(placed.content)
    except ValidationError as error:
        raise_if_any(problems_of(error, LineFile), placed)
        raise
    raise_if_any([*problems_in_values(placed.content, checked), *_unknown_names(checked)], placed)
    _check_budget(checked, placed)
    return settled(checked, folder=path.resolve().parent)


def settled(line_file: LineFile, *, folder: Path) -> LineFile:
    """Name a line after its folder, if it has no name, and make every relative path in it start there.

    The folder's name is made safe: what is neither letter, digit, `_`, `.` nor `-` becomes `_`.
    """
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.name).lstrip("_.-")[:64]
    named = line_file.model_copy(update={"name": line_file.name or cleaned or "line"})
    placed: LineFile = absolute(named, folder)
    return placed


def lock_text(line_file: LineFile) -> str:
    """Write the line file with every default filled in; `load_line_file` reads it back as the same line.

    >>> from beltline.inspection.data.settings import DataSettings
    >>> line = Line(belt_speed_mm_s=500, part_pitch_mm=120, camera_to_ejector_mm=60)
    >>> lock_text(LineFile(line=line, data=DataSettings(root=Path("/data")))).splitlines()[-1]
    'seed: 0'
    """
    asked = line_file.model_dump(mode="json", exclude={"recipes"} if line_file.search else {"search"})
    text: str = yaml.safe_dump(asked, sort_keys=False, allow_unicode=True, width=100)
    return text


def _unknown_names(checked: LineFile) -> list[Problem]:
    places: list[Location] = [
        ("target", i) if len(checked.target) > 1 else ("target",) for i in range(len(checked.target))
    ]
    named = [
        (place, each.profile) for place, each in zip(places, checked.target, strict=True) if each.profile is not None
    ]
    found = [one_of(place, name, profiles()) for place, name in named]
    if checked.data.reader is not None:
        found.append(one_plugin(("data", "reader"), checked.data.reader, "inspection.readers"))
    if (problem := misfit(checked.limits, checked.zones, checked.camera.pixels_per_mm)) is not None:
        found.append(Problem(location=("limits", problem[0]), text=problem[1]))
    folder = "export.backends"
    found += [one_plugin(("recipes", i, "backend"), each.backend, folder) for i, each in enumerate(checked.recipes)]
    wanted = checked.search.space.backend if checked.search else ()
    found += [one_plugin(("search", "space", "backend", i), each, folder) for i, each in enumerate(wanted)]
    return [problem for problem in found if problem is not None]


def _check_budget(checked: LineFile, placed: PlacedYaml) -> None:
    try:
        budget_of(checked.line)
    except LineFileError as error:
        msg = f"{placed.source}:{placed.line_of(('line',))}: {error}"
        raise LineFileError(msg) from error


_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*?)(?=^ {4}\w|\Z)", re.MULTILINE | re.DOTALL)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def line_schema() -> dict[str, Any]:
    """Give the schema; a recipe's steps are those of the methods that are there.

    >>> sorted(line_schema()["required"])
    ['data', 'line']
    """
    schema = LineFile.model_json_schema()
    definitions = _with_steps(schema.pop("$defs"))
    definitions.pop(StepSettings.__name__)  # never written by itself
    explained: dict[str, Any] = _explained({**schema, "$defs": definitions})
    return {"$schema": _DIALECT, **explained}


def schema_text() -> str:
    """Give the schema as the text of `pipeline/line/line.schema.json`."""
    return json.dumps(line_schema(), indent=1, sort_keys=True) + "\n"


def _explained(value: Any) -> Any:
    """Move what models' docstrings say of their attributes to the keys, where an editor shows it; at any depth."""
    if isinstance(value, list):
        return [_explained(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _explained(each) for name, each in value.items()}
    text = inner.get("description")
    return _moved_to_keys(inner, text) if isinstance(text, str) and "properties" in inner else inner


def _moved_to_keys(model: dict[str, Any], text: str) -> dict[str, Any]:
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    properties = dict(model["properties"])
    for name, described in _ATTRIBUTE.findall(attributes):
        if name in properties:
            properties[name] = {"description": " ".join(described.split()), **properties[name]}
    return {**model, "description": summary, "properties": properties}


def _with_steps(definitions: dict[str, Any]) -> dict[str, Any]:
    """Add what a step is: a method's name, or that name with its settings below it.

    A model within a method's settings keeps its class's name as long as no other model has it.
    """
    forms: list[dict[str, Any]] = [{"enum": sorted(methods())}]
    for name, method in methods().items():
        settings = method.step_type.model_json_schema()
        inner = settings.pop("$defs", {})
        if any(definitions.get(key, value) != value for key, value in inner.items()):
            settings = method.step_type.model_json_schema(ref_template=f"#/$defs/step_{name}_{{model}}")
            inner = {f"step_{name}_{key}": value for key, value in settings.pop("$defs").items()}
        definitions = {**definitions, **inner, f"step_{name}": settings}
        below = {"anyOf": [{"$ref": f"#/$defs/step_{name}"}, {"type": "null"}]}
        forms.append({"type": "object", "properties": {name: below}, "required": [name], "additionalProperties": False})
    step = {"title": "Step", "description": "One step: `{method: {settings}}`.", "anyOf": forms}
    return {**definitions, "Step": step}
