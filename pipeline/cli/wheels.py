"""The verb `wheels`: fill a folder with what a device needs, where there is a net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, answered, print_json

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Where the wheels go, such as `wheels` beside line.yaml.")
]
Architecture = Annotated[str, typer.Option("--architecture", help="Of the device, as `uname -m` says it there.")]
Python = Annotated[str, typer.Option("--python", metavar="3.N", help="Version of the device's Python.")]
Glibc = Annotated[str, typer.Option("--glibc", metavar="2.N", help="Version of its C library (`ldd --version`).")]
With = Annotated[list[str], typer.Option("--with", metavar="EXTRA", help="A runtime: onnxruntime or openvino. Repeat.")]
Station = Annotated[bool, typer.Option("--station", help="Also what `beltline install` needs there.")]


def wheels(
    folder: Folder,
    architecture: Architecture = "x86_64",
    python: Python = "3.11",
    glibc: Glibc = "2.28",
    extras: With = ["onnxruntime"],  # noqa: B006 - typer wants a list, and copies it
    station: Station = False,
    as_json: Json = False,
) -> None:
    """Download the wheels that a device needs, for its architecture and Python. Devices themselves stay offline."""
    with answered(as_json=as_json):
        from ...targets.wheelhouse import RUNNER, STATION, Platform, fill, minor_of

        platform = Platform(
            architecture=architecture,
            python=(3, minor_of(python, "--python", major=3)),
            glibc=minor_of(glibc, "--glibc", major=2),
        )
        found = fill(folder, platform, extras=extras, packages=STATION if station else RUNNER)
        size = sum(path.stat().st_size for path in found)
        if as_json:
            print_json(
                {
                    "folder": str(folder),
                    "platform": str(platform),
                    "wheels": [path.name for path in found],
                    "bytes": size,
                }
            )
        else:
            typer.echo(f"{folder}: {len(found)} wheels for {platform}, {size / 1e6:.1f} MB")
