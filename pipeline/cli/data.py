"""The verb `data`: what was understood of a folder of photographs, before anything is trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, answered, print_answer

if TYPE_CHECKING:
    from ...inspection.data.camera import CameraSettings
    from ...inspection.data.settings import DataSettings

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Photographs with their labels, or a line file.")]
Keys = Annotated[
    str | None,
    typer.Option("--keys", metavar="YAML", help="Keys of `data:` as in line.yaml: '{good: [OK], unlabelled: good}'."),
]
Scale = Annotated[
    float | None, typer.Option("--pixels-per-mm", min=1e-6, help="The camera's scale, for sizes in millimetres.")
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a sheet of photographs to look at.")]


def data(
    folder: Folder, keys: Keys = None, pixels_per_mm: Scale = None, html: Html = None, as_json: Json = False
) -> None:
    """Say what was understood of a folder. Layout, images, kinds of defect and their sizes, splits, what was left out.

    With --html: a sheet of photographs of every kind with their marks drawn in.
    """
    with answered(as_json=as_json):
        from ...inspection.base.storage import write_bytes
        from ...inspection.readers import reader_for
        from ..data.understood import understood, understood_text

        settings, camera = _settings(folder, keys, pixels_per_mm)
        dataset = _loaded(settings, camera)
        facts = understood(dataset, reader_for(dataset.root, settings.reader))
        if html is not None:
            from ..data.contact_sheet import contact_sheet

            write_bytes(html, contact_sheet(dataset, facts).encode())
            typer.echo(f"wrote {html}", err=True)
        print_answer(facts, understood_text(facts), as_json=as_json)


def _settings(folder: Path, keys: str | None, pixels_per_mm: float | None) -> tuple[DataSettings, CameraSettings]:
    from ...inspection.base.validation import checked_settings
    from ...inspection.data.camera import CameraSettings
    from ...inspection.data.settings import DataSettings
    from ..line.line_file import load_line_file

    if not folder.is_dir() and folder.suffix in (".yaml", ".yml"):
        if keys is not None or pixels_per_mm is not None:
            msg = f"--keys and --pixels-per-mm go with a folder; write them into {folder}"
            raise typer.BadParameter(msg)
        line_file = load_line_file(folder)
        return line_file.data, line_file.camera
    given = {"root": folder, **_keys(keys)}
    settings = checked_settings(DataSettings, given, key="data")
    return settings, CameraSettings(pixels_per_mm=pixels_per_mm)


def _keys(text: str | None) -> dict[str, Any]:
    import yaml

    try:
        given = yaml.safe_load(text) if text else {}
    except yaml.YAMLError:
        given = text
    if not isinstance(given, dict):
        msg = f"--keys wants keys of `data:`, such as '{{unlabelled: good}}', got {text!r}"
        raise typer.BadParameter(msg)
    return given


def _loaded(settings: DataSettings, camera: CameraSettings) -> Any:
    from ...inspection.data.loading import load_dataset
    from ..console import Console

    if not sys.stderr.isatty():
        return load_dataset(settings, camera=camera)
    with Console().progress("data") as advance:
        return load_dataset(settings, camera=camera, progress=lambda done, of: advance("files", done, of))
