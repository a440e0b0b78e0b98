"""The verbs `reference add`, `reference list` and `reference remove`: the products of a station, also while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...inspection.base.errors import BeltlineError, StationError
from .options import Json, answered, print_json

if TYPE_CHECKING:
    from ...station.reference_check import ComparingModel
    from ...station.settings import StationSettings

Station = Annotated[
    Path, typer.Argument(metavar="STATION", help="The station file with `references`, or the folder of references.")
]
Product = Annotated[str, typer.Argument(metavar="PRODUCT", help="Name of the product.")]

Inspector = Annotated[
    str | None, typer.Option("--inspector", metavar="NAME", help="Which one, where the station file has several.")
]

reference = typer.Typer(
    name="reference",
    epilog="Example: beltline reference list station.yaml",
    help="Good photographs of a station's products, which its frames are compared with; also while it runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@reference.command(epilog="Example: beltline reference add station.yaml boardA first.png second.png")
def add(
    station: Station,
    product: Product,
    photographs: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Of good parts of it, as the camera.")],
    inspector: Inspector = None,
    as_json: Json = False,
) -> None:
    """Make a product's reference of good photographs; a running station takes it within a second.

    Its model looks at them first: what looks like a defect, a single photograph, and one that does not show what the
    parts show that the station kept are warned about.
    """
    with answered(as_json=as_json):
        from ...station.references import add_reference

        folder = _folder(station, inspector)
        with _model_of(station, inspector) as (model, note):
            kept, warnings = add_reference(folder, product, photographs, model=model)
        warnings = [*warnings, *([note] if note else [])]
        for warning in warnings:
            typer.echo(f"{product}: {warning}", err=True)
        if as_json:
            print_json({"folder": str(folder), **asdict(kept), "warnings": warnings})
        else:
            typer.echo(f"{folder / product}.png: {kept.width} x {kept.height}, {kept.digest[:19]}")


@reference.command("list", epilog="Example: beltline reference list station.yaml --json")
def show(station: Station, inspector: Inspector = None, as_json: Json = False) -> None:
    """List the products that have a reference."""
    with answered(as_json=as_json):
        from ...station.references import journal_problem, kept_references

        folder = _folder(station, inspector)
        kept, problem = kept_references(folder), journal_problem(folder)
        if as_json:
            print_json(
                {"folder": str(folder), "products": [asdict(each) for each in kept], "journal": problem or "whole"}
            )
            return
        if problem:
            typer.echo(problem, err=True)
        lines = [f"{each.product}  {each.width} x {each.height}  {each.digest[:19]}" for each in kept]
        typer.echo("\n".join(lines) or f"{folder}: no product has a reference")


@reference.command(epilog="Example: beltline reference remove station.yaml boardA")
def remove(station: Station, product: Product, inspector: Inspector = None, as_json: Json = False) -> None:
    """Take a product's reference away: its frames are answered to the safe side from then on."""
    with answered(as_json=as_json):
        from ...station.references import remove_reference

        folder = _folder(station, inspector)
        remove_reference(folder, product)
        if as_json:
            print_json({"folder": str(folder), "removed": product})
        else:
            typer.echo(f"{product}: removed from {folder}")


def _folder(station: Path, inspector: str | None) -> Path:
    """Give the folder that a station file names, or the one that was named itself."""
    settings = _settings(station, inspector)
    if settings is None:
        return station
    if settings.references is None:
        msg = f"{station}: wanted references: {{folder: ...}}, got none; write where the references are to lie"
        raise StationError(msg)
    return settings.references.folder


def _settings(station: Path, inspector: str | None) -> StationSettings | None:
    """Read a station file, one inspector of several; None: a folder was named."""
    if station.suffix.lower() not in (".yaml", ".yml"):
        return None
    from ..deploy.station_file import load_station_file

    settings = load_station_file(station)
    if not settings.inspectors and inspector is None:
        return settings
    found = [each for each in settings.inspectors if each.name == inspector]
    if not found:
        names = ", ".join(str(each.name) for each in settings.inspectors) or "none"
        msg = f"{station}: wanted one of its inspectors ({names}), got {inspector}; name it with --inspector"
        raise StationError(msg)
    return found[0]


@contextmanager
def _model_of(station: Path, inspector: str | None) -> Iterator[tuple[ComparingModel | None, str]]:
    """Open the station's model; where there is none, say why nobody looked at the photographs."""
    from ...station.reference_check import comparing_model

    with ExitStack() as stack:
        settings, model, note = _settings(station, inspector), None, ""
        if settings is None:
            note = "no model looked at the photographs; name the station file instead of the folder"
        else:
            try:
                model = stack.enter_context(comparing_model(settings))
            except BeltlineError as error:
                note = f"no model looked at the photographs: {error}"
        yield model, note
