"""The built-in line: a fast belt with drawn parts, for `beltline run` without a file."""

from __future__ import annotations

from pathlib import Path

from ...compress.networks.base.backbones import usual_teacher
from ...compress.recipe import RecipeSettings
from ...compress.teacher.settings import TeacherSettings
from ...inspection.base.storage import new_folder
from ...inspection.data.settings import DataSettings
from ...inspection.line.gates import EscapeGate, Gates, MissGate, OverkillGate
from ...inspection.line.line import Line
from ..stages.run_folder import open_run
from .line_file import LineFile, MeasureSettings, ThresholdSettings, settled

_NAME = "synthetic"
_SEED = 0
_VIEWS = {"rotation_deg": 10}
_FROM_BACKBONE = {"epochs": 3, "samples_per_epoch": 704, "batch": 16, "ema": 0.99, "augmentation": _VIEWS}
_FROM_NOISE = {"epochs": 10, "batch": 16, "learning_rate": 0.0015, "augmentation": {**_VIEWS, "crop": 96}}
_RECIPES = ({"name": "int8", "steps": ("quantize",)},)


def builtin_line_file(runs: Path) -> LineFile:
    """Give the built-in line: 50 small parts a second, 40 ms for a decision.

    Args:
        runs: Folder of the runs; the images are looked for in `<runs>/synthetic/data`.
    """
    line_file = LineFile(
        name=_NAME,
        line=Line(
            belt_speed_mm_s=1500,
            part_pitch_mm=30,
            camera_to_ejector_mm=105,
            fixed_ms={"exposure": 1, "transfer": 4, "plc": 5, "ejector": 20},
        ),
        data=DataSettings(root=_data_of(runs), reader="labels_csv"),
        gates=Gates(
            deadline_miss=MissGate(max=0.002, confidence=0.95, stall_ms=40),
            escape=EscapeGate(max=0.05, max_increase=0.03, confidence=0.95),
            overkill=OverkillGate(max=0.1, confidence=0.95),
        ),
        threshold=ThresholdSettings(max_overkill=0.05),
        teacher=_teacher(),
        recipes=tuple(RecipeSettings.model_validate(recipe) for recipe in _RECIPES),
        measure=MeasureSettings(minutes=1.5),
    )
    return settled(line_file, folder=runs.resolve() / _NAME)


def write_builtin_data(runs: Path) -> Path:
    """Write the built-in line's images once, from a fixed seed; returns their folder.

    Raises:
        StorageError: Another process works in the run's folder, or the disk is full.
    """
    from ...inspection.synthetic.dataset import write_synthetic_line

    data = _data_of(runs)
    with open_run(runs, _NAME):
        if not data.is_dir():
            with new_folder(data) as temporary:
                write_synthetic_line(temporary, seed=_SEED)
    return data


def _teacher() -> TeacherSettings:
    """A teacher on a pretrained backbone where one is installed; else one from noise, which learns this less well."""
    network = usual_teacher()
    if not network.get("pretrained"):
        return TeacherSettings.model_validate({"fit": _FROM_NOISE})
    return TeacherSettings.model_validate({"network": {**network, "whole_frame": False}, "fit": _FROM_BACKBONE})


def _data_of(runs: Path) -> Path:
    return runs.resolve() / _NAME / "data"
