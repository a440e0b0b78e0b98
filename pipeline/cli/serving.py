"""The verb `serve`: what runs on the factory PC, day and night."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, answered, print_json

if TYPE_CHECKING:
    from ...station.counters import Histogram, Tally
    from ...station.serving import Admit
    from ...station.settings import StationSettings

Station = Annotated[
    Path | None,
    typer.Argument(
        metavar="STATION.YAML | BUNDLE",
        help="Settings, a bundle file, or a folder with installed versions; without one: what you have installed.",
    ),
]


def serve(
    station: Station = None,
    systemd: Annotated[bool, typer.Option("--systemd", help="Only print a systemd unit for it.")] = False,
    container: Annotated[bool, typer.Option("--container", help="Only print a container file for it.")] = False,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take a bundle file that none of your keys vouches for.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Inspect frames and answer in time, until it is stopped. Takes what is installed, needs no torch."""
    with answered(as_json=as_json):
        from ..deploy.station_file import settings_for

        settings = settings_for(station)
        if allow_unsigned:
            several = tuple(each.model_copy(update={"allow_unsigned": True}) for each in settings.inspectors)
            settings = settings.model_copy(update={"inspectors": several, "allow_unsigned": True})
        if systemd or container:
            _print_files(station, settings, systemd=systemd, container=container)
            return
        from ...station.serving import serve_together

        tallies = serve_together(settings, lambda text: typer.echo(text, err=True), admit=_admission(settings))
        if as_json:
            facts = {name: facts_of(tally) for name, tally in tallies.items()}
            print_json({"inspectors": facts} if settings.inspectors else next(iter(facts.values())))
        else:
            for name, tally in tallies.items():
                typer.echo(f"{name}: {_describe(tally)}" if settings.inspectors else _describe(tally))


def _admission(settings: StationSettings) -> Admit:
    """Look at belts together only where there are several: a device with one needs nothing for that."""
    if not settings.inspectors:
        return lambda _: None
    from ..deploy.admission import admission_for

    return admission_for(settings.admit)


def facts_of(tally: Tally) -> dict[str, Any]:
    """Give a station's counts as `--json` prints them."""
    names = (
        "offered", "answered", "late", "refused", "faulty", "passed", "rejected", "under_way", "most_waiting",
        "without_reference", "not_aligned",
    )  # fmt: skip
    return {
        **{name: getattr(tally, name) for name in names},
        "bundle": tally.bundle,
        "restarts": dict(tally.restarts),
        "dropped": dict(tally.dropped),
        "switches": tally.switches,
        "rollbacks": tally.rollbacks,
        "latency_ms": _quantiles(tally.latency_ms),
        "engine_ms": _quantiles(tally.engine_ms),
        "incidents": [asdict(each) for each in tally.incidents],
    }


def _quantiles(histogram: Histogram) -> dict[str, float | None]:
    """Give p50 and p99; None where there were no frames, or where they lie above all buckets."""
    found = {"p50": histogram.quantile(0.5), "p99": histogram.quantile(0.99)}
    return {name: value if value is not None and isfinite(value) else None for name, value in found.items()}


def _describe(tally: Tally) -> str:
    return (
        f"{tally.offered:,} frames: {tally.answered:,} answered in time, {tally.late:,} late, "
        f"{tally.refused:,} refused, {tally.faulty:,} faulty; {tally.passed:,} passed, {tally.rejected:,} rejected"
    )


def _print_files(station: Path | None, settings: StationSettings, *, systemd: bool, container: bool) -> None:
    import shutil
    import sys

    from ...station.unit_file import container_file, systemd_unit, writable_by

    program = shutil.which("beltline")
    command = [program] if program else [sys.executable, "-m", "beltline.pipeline"]
    named = [] if station is None else [str(station.expanduser().absolute())]
    if systemd:
        typer.echo(
            systemd_unit(
                [*command, "serve", *named, *(["--allow-unsigned"] if settings.allow_unsigned else [])],
                writable=writable_by(settings),
            ),
            nl=False,
        )
    if container:
        typer.echo(container_file(), nl=False)
