"""`beltline install --hosts`: the same on many factory PCs over ssh, staged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import print_json

if TYPE_CHECKING:
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


def roll_out_to(bundle: Path, host: list[str], hosts: Path | None, wish: RolloutOptions, *, as_json: bool) -> None:
    """Roll a bundle out and exit with 0, or as the install that failed."""
    from ..deploy.rollout import read_hosts, roll_out, rollout_facts, rollout_text

    listed = [*host, *(read_hosts(hosts) if hosts is not None else [])]
    outcomes = roll_out(bundle, listed, wish, notify=lambda text: typer.echo(text, err=True))
    facts = rollout_facts(outcomes)
    if as_json:
        print_json(facts)
    else:
        typer.echo(rollout_text(outcomes))
    raise typer.Exit(facts["exit_code"])
