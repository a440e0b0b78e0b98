"""The verbs of a factory PC: `verify`, `install` (also on many, over ssh), `rollback`, `status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, answered, print_answer, print_json

if TYPE_CHECKING:
    from ...station.versions.activation import Places
    from ..deploy.rollout import RolloutOptions

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


def verify(
    bundle: BundleArgument, key: PublicKey = None, other_device: OtherDevice = False, as_json: Json = False
) -> None:
    """Check a bundle on this machine. Signature, digests, versions, CPU, then the decisions on its golden frames."""
    with answered(as_json=as_json):
        from ...station.versions.admission import verify_bundle

        verified = verify_bundle(bundle, key=key, other_device=other_device, notify=_progress)
        print_answer({"bundle": str(bundle), **verified.to_json()}, verified.text, as_json=as_json)


def install(
    bundle: BundleArgument,
    root: RootFolder = None,
    key: PublicKey = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take a bundle that none of your keys vouches for.")
    ] = False,
    other_device: OtherDevice = False,
    other_line: Annotated[
        bool, typer.Option("--other-line", help="Take a bundle of another line or product than the one at work.")
    ] = False,
    older: Annotated[bool, typer.Option("--older", help="Take a bundle that is older than the one at work.")] = False,
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

            flags = {
                "--allow-unsigned": allow_unsigned,
                "--other-device": other_device,
                "--other-line": other_line,
                "--older": older,
            }
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
        options = InstallOptions(
            key=key, allow_unsigned=allow_unsigned, other_device=other_device, other_line=other_line, older=older
        )
        installed = install_bundle(bundle, places, options, notify=_progress)
        removed = prune(places, keep=keep) if keep is not None else ()
        facts = {
            "installed": installed.activation.version,
            "since": installed.activation.since,
            "removed": list(removed),
        }
        text = f"{installed.verified.text}\ninstalled: {places.current} is {installed.activation.version}"
        print_answer({"root": str(places.root), **facts, **installed.verified.to_json()}, text, as_json=as_json)


def rollback(root: RootFolder = None, as_json: Json = False) -> None:
    """Put the version before this one to work again. It must pass its self-test; a second call goes back further."""
    with answered(as_json=as_json):
        from ...station.versions.rollback import roll_back

        places = _places(root)
        now = roll_back(places)
        facts = {"root": str(places.root), "version": now.version, "generation": now.number, "since": now.since}
        print_answer(facts, f"rolled back: {places.current} is {now.version}", as_json=as_json)


def status(root: RootFolder = None, as_json: Json = False) -> None:
    """Say which version works, since when, what it is worth and what one could go back to."""
    with answered(as_json=as_json):
        from ...station.versions.status import status as status_of
        from ...station.versions.status import status_text

        facts = status_of(_places(root))
        print_answer(facts, status_text(facts), as_json=as_json)


def _progress(text: str) -> None:
    """Tell of work that takes its time."""
    typer.echo(text, err=True)


def _places(root: Path | None) -> Places:
    from ...station.versions.activation import Places, default_root

    return Places(root=(root or default_root()).expanduser().absolute())
