"""The verb `bundle`: a model with its evidence in one file, the keys that sign it, and its files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...inspection.base.errors import BundleError
from .options import Json, Runs, Verbose, answered, print_answer, read_line_file

if TYPE_CHECKING:
    from ..deploy.bundling import BundleOptions

Source = Annotated[
    Path | None,
    typer.Argument(
        metavar="LINE.YAML | BUNDLE",
        help="The line file; without one: the built-in synthetic line. With --unpack: a bundle, a file *.beltline.",
    ),
]
Row = Annotated[
    list[str] | None,
    typer.Option("--row", metavar="NAME", help="A row of the report instead of the selected one; may be repeated."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file; else <run>-<row>.beltline.")
]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Private key (PEM, Ed25519) to sign with; with --unpack: public key."),
]
NewKey = Annotated[
    Path | None, typer.Option("--new-key", metavar="FILE", help="Only make a key pair: FILE and its .pub.pem.")
]
Replaces = Annotated[
    Path | None,
    typer.Option("--replaces", metavar="FILE", help="With --new-key: the private key that it takes the place of."),
]
Licence = Annotated[
    Path | None, typer.Option("--license", metavar="FILE", help="Text to enclose instead of Beltline's licence.")
]
Anyway = Annotated[bool, typer.Option("--anyway", help="Take a row that does not fit; the bundle says so.")]
Number = Annotated[
    int | None,
    typer.Option(
        "--number", metavar="N", min=0, help="Ascending with every bundle; else the second the run was measured in."
    ),
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="YYYY-MM-DD", help="Warn everyone who uses it after that day.")
]
Device = Annotated[
    str | None,
    typer.Option("--for", metavar="DEVICE", help="A device with TensorRT: its engine is built when it is installed."),
]
WorkspaceMib = Annotated[
    int, typer.Option("--workspace-mib", metavar="N", min=16, help="With --for: scratch memory for a layer.")
]
DlaCore = Annotated[
    int | None, typer.Option("--dla-core", metavar="N", min=0, max=1, help="With --for: use this accelerator.")
]
Unpack = Annotated[
    Path | None,
    typer.Option(
        "--unpack",
        metavar="FOLDER",
        help="Only write a bundle's models there, for OpenVINO Model API, OpenVINO Model Server and Triton.",
    ),
]


def bundle(
    source: Source = None,
    row: Row = None,
    output: Output = None,
    key: Key = None,
    new_key: NewKey = None,
    replaces: Replaces = None,
    licence: Licence = None,
    anyway: Anyway = False,
    number: Number = None,
    expires: Expires = None,
    device: Device = None,
    workspace_mib: WorkspaceMib = 1024,
    dla_core: DlaCore = None,
    unpack: Unpack = None,
    runs: Runs = Path("runs"),
    quick: Annotated[bool, typer.Option("--quick", help="Take the run that `run --quick` makes.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put a model with its evidence into one file. What the run needs and is not done yet is done first."""
    with answered(as_json=as_json):
        if new_key is not None:
            _make_key(new_key, replaces, as_json=as_json)
            return
        if unpack is not None:
            _unpack(source, unpack, key=key, as_json=as_json)
            return
        from ..deploy.bundling import BundleOptions
        from ..deploy.device_bundle import DeviceOptions

        there = DeviceOptions(profile=device, workspace_mib=workspace_mib, dla_core=dla_core) if device else None
        options = BundleOptions(
            rows=tuple(row or ()),
            anyway=anyway,
            key=key,
            output=output,
            licence=licence,
            device=there,
            number=number,
            expires=_day(expires),
        )
        _bundle(source, options, runs=runs, quick=quick, as_json=as_json, verbose=verbose)


def _day(text: str | None) -> str | None:
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError as error:
        msg = f"--expires: wanted a day as YYYY-MM-DD, such as 2027-12-31, got {text!r}"
        raise BundleError(msg) from error


def _make_key(path: Path, replaces: Path | None, *, as_json: bool) -> None:
    from ...export.bundles.signing import make_key

    public = make_key(path, replaces=replaces)
    text = f"private key: {path} (keep it to yourself)\npublic key: {public} (for everyone who installs your bundles)"
    if replaces is not None:
        proof = path.with_suffix(".rotation.json")
        text += f"\nproof that it replaces {replaces}: {proof} (keep it beside the private key)"
    print_answer({"private": str(path), "public": str(public)}, text, as_json=as_json)


def _unpack(source: Path | None, folder: Path, *, key: Path | None, as_json: bool) -> None:
    from ...export.bundles.elsewhere import unpack_elsewhere

    if source is None:
        msg = "--unpack: wanted a bundle to unpack, got none; write `beltline bundle line.beltline --unpack FOLDER`"
        raise BundleError(msg)
    facts = unpack_elsewhere(source, folder, key=key)
    models = "\n".join(f"{each['row']} for {each['backend']}: {folder / each['path']}" for each in facts["models"])
    text = f"{facts['signer']}\n{models}\nthreshold, frame and versions: {folder / 'inspector.json'}"
    print_answer({"folder": str(folder), **facts}, text, as_json=as_json)


def _bundle(
    path: Path | None, options: BundleOptions, *, runs: Path, quick: bool, as_json: bool, verbose: bool
) -> None:
    from ..console import Console
    from ..deploy.bundle_run import bundle_job
    from ..line.builtin import write_builtin_data

    line_file = read_line_file(path, runs=runs)
    if path is None:
        write_builtin_data(runs)
    made = bundle_job(line_file, runs=runs, quick=quick, options=options, console=Console(verbose=verbose))
    facts: dict[str, Any] = {
        "bundle": str(made.path),
        "size_bytes": made.path.stat().st_size,
        "installed_bytes": made.verified.manifest.installed_bytes,
        **made.verified.to_json(),
    }
    sizes = f"{facts['size_bytes']:,} bytes to send, {facts['installed_bytes']:,} installed"
    text = f"{made.verified.text}\nbundle: {made.path} ({sizes})"
    if made.trtexec is not None:
        facts["trtexec"] = made.trtexec
        text += f"\nthe same engine by hand, beside its model.onnx: {made.trtexec}"
    print_answer(facts, text, as_json=as_json)
