"""The built-in line: a fast belt with drawn parts, for `beltline run` without a file."""

from __future__ import annotations

from pathlib import Path

from ...compress.recipe import RecipeSettings
from ...compress.teacher.settings import TeacherSettings
from ...inspection.base.storage import new_folder
from ...inspection.data.settings import DataSettings
from ...inspection.line.gates import EscapeGate, Gates, MissGate, OverkillGate
from ...inspection.line.line import Line
from ..stages.run_folder import open_run
from .line_file import LineFile, MeasureSettings, settled

_NAME = "synthetic"
_SEED = 0
_VIEWS = {"crop": 96, "rotation_deg": 10}
_TEACHER = {
    "network": {"family": "smp", "decoder_width": 64},
    "fit": {"epochs": 10, "batch": 16, "learning_rate": 0.0015, "augmentation": _VIEWS},
}
_DISTILL = {
    "distill": {
        "network": {"family": "plain", "width": 16, "depth": 2},
        "fit": {"epochs": 12, "batch": 16, "learning_rate": 0.004, "augmentation": _VIEWS},
    }
}
_RECIPES = (
    {"name": "small-fp32", "steps": (_DISTILL,)},
    {"name": "small-int8", "steps": (_DISTILL, "quantize")},
)


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
            # a demonstration, trained for minutes: nobody would accept so many escapes, and the report says how many
            escape=EscapeGate(max=0.25, max_increase=0.02, confidence=0.95),
            overkill=OverkillGate(max=0.1, confidence=0.95),
        ),
        teacher=TeacherSettings.model_validate(_TEACHER),
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


def _data_of(runs: Path) -> Path:
    return runs.resolve() / _NAME / "data"
