"""The verbs that bring a model to the line: `bundle`, `verify`, `install`, `rollback`, `status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, LineFileArgument, Runs, Verbose, answered, print_json, read_line_file

if TYPE_CHECKING:
    from ..deploy.rollout import RolloutOptions
if TYPE_CHECKING:
    from ...station.versions.activation import Places
    from ...station.versions.admission import Verified
    from ..deploy.bundling import BundleOptions


Hosts = Annotated[
    Path | None, typer.Option("--hosts", metavar="FILE", help="Install on these hosts, one ssh://user@host a line.")
]
Host = Annotated[
    list[str] | None, typer.Option("--host", metavar="ADDRESS", help="Install on this host; may be repeated.")
]
Wheelhouse = Annotated[
    Path | None,
    typer.Option("--wheelhouse", metavar="DIR", help="The hosts' wheels; else their Python has all it needs."),
]
SshConfig = Annotated[
    Path | None, typer.Option("--ssh-config", metavar="FILE", help="An ssh config instead of your own.")
]
HostPython = Annotated[str | None, typer.Option("--host-python", metavar="PATH", help="The hosts' Python.")]


def roll_out_to(bundle: Path, host: list[str], hosts: Path | None, options: RolloutOptions, *, as_json: bool) -> None:
    """Roll a bundle out and exit with 0, or as the install that failed."""
    from ..deploy.rollout import read_hosts, roll_out, rollout_facts, rollout_text

    listed = [*host, *(read_hosts(hosts) if hosts is not None else [])]
    outcomes = roll_out(bundle, listed, options, notify=lambda text: typer.echo(text, err=True))
    facts = rollout_facts(outcomes)
    if as_json:
        print_json(facts)
    else:
        typer.echo(rollout_text(outcomes))
    raise typer.Exit(facts["exit_code"])


BundleArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle, a file *.beltline.")]
PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Public key (PEM) that must have signed the bundle.")
]
OtherDevice = Annotated[
    bool,
    typer.Option("--other-device", help="Take it on another architecture too: decisions are checked, times void."),
]
RootFolder = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="Where versions are kept; /opt/beltline for root, else ~/.local/share/beltline."
    ),
]


def bundle(
    line_file: LineFileArgument = None,
    row: Annotated[
        list[str] | None,
        typer.Option("--row", metavar="NAME", help="A row of the report instead of the selected one; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file; else <run>-<row>.beltline."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Private key (PEM, Ed25519) to sign with.")
    ] = None,
    new_key: Annotated[
        Path | None, typer.Option("--new-key", metavar="FILE", help="Only make a key pair: FILE and its .pub.pem.")
    ] = None,
    licence: Annotated[
        Path | None, typer.Option("--license", metavar="FILE", help="Text to enclose instead of Beltline's licence.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Take a row that does not fit; the bundle says so.")] = False,
    device: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DEVICE", help="A device with TensorRT: its engine is built when it is installed."
        ),
    ] = None,
    workspace_mib: Annotated[
        int, typer.Option("--workspace-mib", metavar="N", min=16, help="With --for: scratch memory for a layer.")
    ] = 1024,
    dla_core: Annotated[
        int | None, typer.Option("--dla-core", metavar="N", min=0, max=1, help="With --for: use this accelerator.")
    ] = None,
    runs: Runs = Path("runs"),
    quick: Annotated[bool, typer.Option("--quick", help="Take the run that `run --quick` makes.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put a model with its evidence into one file. What the run needs and is not done yet is done first."""
    with answered(as_json=as_json):
        if new_key is not None:
            _make_key(new_key, as_json=as_json)
            return
        from ..deploy.bundling import BundleOptions
        from ..deploy.device_bundle import DeviceOptions

        there = DeviceOptions(profile=device, workspace_mib=workspace_mib, dla_core=dla_core) if device else None
        rows = tuple(row or ())
        options = BundleOptions(rows=rows, anyway=anyway, key=key, output=output, licence=licence, device=there)
        _bundle(line_file, options, runs=runs, quick=quick, as_json=as_json, verbose=verbose)


def verify(
    bundle: BundleArgument, key: PublicKey = None, other_device: OtherDevice = False, as_json: Json = False
) -> None:
    """Check a bundle on this machine. Signature, digests, versions, CPU, then the decisions on its golden frames."""
    with answered(as_json=as_json):
        from ...station.versions.admission import verify_bundle

        verified = verify_bundle(bundle, key=key, other_device=other_device, notify=_progress)
        _notify({"bundle": str(bundle), **verified.to_json()}, _text_of(verified), as_json=as_json)


def install(
    bundle: BundleArgument,
    root: RootFolder = None,
    key: PublicKey = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take a bundle that none of your keys vouches for.")
    ] = False,
    other_device: OtherDevice = False,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="Then remove all but N versions; else all stay."),
    ] = None,
    host: Host = None,
    hosts: Hosts = None,
    wheelhouse: Wheelhouse = None,
    ssh_config: SshConfig = None,
    host_python: HostPython = None,
    as_json: Json = False,
) -> None:
    """Install a bundle on this machine. It is tested beside what works, and put to work by one rename.

    With --host or --hosts: on these machines instead, one after the other, up to the first that does not take it.
    """
    with answered(as_json=as_json):
        if host or hosts is not None:
            from ..deploy.rollout import RolloutOptions

            flags = {"--allow-unsigned": allow_unsigned, "--other-device": other_device}
            kept = ["--keep", str(keep)] if keep is not None else []
            there = RolloutOptions(
                options=(*(flag for flag, given in flags.items() if given), *kept),
                key=key,
                root=None if root is None else str(root),
                wheelhouse=wheelhouse,
                config=ssh_config,
                python=host_python,
            )
            roll_out_to(bundle, host or [], hosts, there, as_json=as_json)
        from ...station.versions.installing import InstallOptions
        from ...station.versions.installing import install as install_bundle
        from ...station.versions.tidying import prune

        places = _places(root)
        options = InstallOptions(key=key, allow_unsigned=allow_unsigned, other_device=other_device)
        installed = install_bundle(bundle, places, options, notify=_progress)
        removed = prune(places, keep=keep) if keep is not None else ()
        facts = {
            "installed": installed.activation.version,
            "since": installed.activation.since,
            "removed": list(removed),
        }
        text = f"{_text_of(installed.verified)}\ninstalled: {places.current} is {installed.activation.version}"
        _notify({"root": str(places.root), **facts, **installed.verified.to_json()}, text, as_json=as_json)


def rollback(root: RootFolder = None, as_json: Json = False) -> None:
    """Put the version before this one to work again. It must pass its self-test; a second call goes back further."""
    with answered(as_json=as_json):
        from ...station.versions.rollback import roll_back

        places = _places(root)
        now = roll_back(places)
        facts = {"root": str(places.root), "version": now.version, "generation": now.number, "since": now.since}
        _notify(facts, f"rolled back: {places.current} is {now.version}", as_json=as_json)


def status(root: RootFolder = None, as_json: Json = False) -> None:
    """Say which version works, since when, what it is worth and what one could go back to."""
    with answered(as_json=as_json):
        from ...station.versions.status import status as status_of
        from ...station.versions.status import status_text

        facts = status_of(_places(root))
        _notify(facts, status_text(facts), as_json=as_json)


def _make_key(path: Path, *, as_json: bool) -> None:
    from ...export.bundles.signing import make_key

    public = make_key(path)
    text = f"private key: {path} (keep it to yourself)\npublic key: {public} (for everyone who installs your bundles)"
    _notify({"private": str(path), "public": str(public)}, text, as_json=as_json)


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
    text = f"{_text_of(made.verified)}\nbundle: {made.path} ({sizes})"
    if made.trtexec is not None:
        facts["trtexec"] = made.trtexec
        text += f"\nthe same engine by hand, beside its model.onnx: {made.trtexec}"
    _notify(facts, text, as_json=as_json)


def _text_of(verified: Verified) -> str:
    lines = [
        f"{verified.manifest.version}: {model.row} on {model.backend}, {model.precision}, verdict {model.verdict}"
        for model in verified.manifest.models
    ]
    lines.append(verified.signer.text)
    lines += [f"caution: {sentence}" for sentence in verified.cautions]
    lines += [
        f"self-test: {each.row} on {each.backend} decided all {each.frames} golden frames as when it was measured "
        f"(largest score difference {each.max_abs:.2g})"
        for each in verified.proven
    ]
    lines += [f"measured here: {each.text}" for each in verified.measured]
    return "\n".join(lines)


def _progress(text: str) -> None:
    """Tell of work that takes its time."""
    typer.echo(text, err=True)


def _places(root: Path | None) -> Places:
    from ...station.versions.activation import Places, default_root

    return Places(root=(root or default_root()).expanduser().absolute())


def _notify(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(text)
