"""A bundle on many factory PCs, one after the other: the first that does not take it ends the roll-out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import BeltlineError, HostError, LineFileError
from ...targets.address import parse_address
from ...targets.connection import Access
from ...targets.host import Host
from ...targets.ssh import SshHost
from ...targets.untrusted import MOST_ANSWER_BYTES, Answer, flooded, plain_facts

_MOST_BYTES = 1_000_000
_MOST_HOSTS = 10_000
State = Literal["installed", "failed", "untouched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """How a bundle is to be installed on each host.

    Attributes:
        options: Of `beltline install` there, such as `--allow-unsigned`.
        key: Public key that must have signed the bundle; None: the one that each host remembers.
        root: Where versions are kept there; None: its default.
        wheelhouse: Folder with the hosts' wheels; None: their Python has the packages itself.
        config: An ssh config file instead of your own.
        python: The hosts' interpreter; None: the first that is new enough.
    """

    options: tuple[str, ...] = ()
    key: Path | None = None
    root: str | None = None
    wheelhouse: Path | None = None
    config: Path | None = None
    python: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """What became of one host.

    Attributes:
        host: Its address.
        state: `installed`, `failed` (it keeps what it had), or `untouched`.
        before: Version that worked before; None: none, or not known.
        now: Version that works now; None: none, or not known.
        error: Why it failed.
        exit_code: As `beltline install` there ended; 0 but for a failure.
    """

    host: str
    state: State
    before: str | None = None
    now: str | None = None
    error: str | None = None
    exit_code: int = 0


def read_hosts(path: Path) -> list[str]:
    """Read a list of hosts, one `ssh://user@host[:port]` a line; `#` begins a comment.

    Raises:
        LineFileError: A line is no address, a host stands there twice, or there is none; the message names the line.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            lines = stream.read(_MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot read the list of hosts: {error}"
        raise LineFileError(msg) from error
    hosts: list[str] = []
    for number, line in enumerate(lines, start=1):
        if text := line.partition("#")[0].strip():
            hosts.append(_checked(text, hosts, where=f"{path}:{number}"))
    return require_hosts(hosts, where=str(path))


def require_hosts(hosts: list[str], *, where: str) -> list[str]:
    """Refuse an empty list, and one that no roll-out can mean.

    Raises:
        LineFileError: There are no hosts, or too many.
    """
    if not 0 < len(hosts) <= _MOST_HOSTS:
        msg = f"{where}: wanted 1 to {_MOST_HOSTS} hosts, got {len(hosts)}; write one ssh://user@host a line"
        raise LineFileError(msg)
    return hosts


def roll_out(
    bundle: Path, hosts: Sequence[str], rollout: RolloutOptions, *, notify: Callable[[str], None]
) -> list[HostOutcome]:
    """Install a bundle on one host after the other, and stop at the first that does not take it.

    Returns:
        What became of each host, in their order.
    """
    outcomes: list[HostOutcome] = []
    for host in hosts:
        if outcomes and outcomes[-1].state != "installed":
            outcomes.append(HostOutcome(host=host, state="untouched"))
            continue
        outcomes.append(_install(bundle, host, rollout, notify))
        notify(_words_of(outcomes[-1]))
    return outcomes


def rollout_facts(outcomes: Sequence[HostOutcome]) -> dict[str, Any]:
    """Give the JSON form: `hosts`, and the `exit_code` of the roll-out."""
    return {"hosts": [asdict(each) for each in outcomes], "exit_code": max(each.exit_code for each in outcomes)}


def rollout_text(outcomes: Sequence[HostOutcome]) -> str:
    """Say which hosts have the new version and which the old."""
    counts = {state: sum(each.state == state for each in outcomes) for state in ("installed", "failed", "untouched")}
    head = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return "\n".join([f"{len(outcomes)} hosts: {head}", *map(_words_of, outcomes)])


def _install(bundle: Path, address: str, rollout: RolloutOptions, notify: Callable[[str], None]) -> HostOutcome:
    before: str | None = None
    try:
        access = Access(address=parse_address(address), config=rollout.config, python=rollout.python)
        with SshHost(access, wheelhouse=rollout.wheelhouse, notify=lambda text: notify(f"{address}: {text}")) as host:
            root = ["--root", rollout.root] if rollout.root else []
            before = _answer(host, ["status", *root]).get("version")
            key = ["--key", str(host.put(rollout.key))] if rollout.key else []
            answer = _answer(host, ["install", str(host.put(bundle)), *root, *key, *rollout.options])
    except BeltlineError as error:
        return HostOutcome(
            host=address, state="failed", before=before, now=before, error=str(error), exit_code=error.exit_code
        )
    if "error" in answer:
        code = answer.get("exit_code", HostError.exit_code)
        return HostOutcome(
            host=address, state="failed", before=before, now=before, error=answer["error"], exit_code=code
        )
    return HostOutcome(host=address, state="installed", before=before, now=answer["installed"])


def _answer(host: Host, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a verb there and give its JSON answer; that of a verb that failed holds `error` and `exit_code`.

    Raises:
        HostError: It gave none, or one that no verb gives.
    """
    lines: list[str] = []
    left = MOST_ANSWER_BYTES

    def on_line(line: str) -> None:
        nonlocal left
        left -= len(line)
        if left < 0:
            raise flooded(arguments[0])
        lines.append(line)

    argv = [host.python, "-m", f"{__name__.split('.')[0]}.pipeline", *arguments, "--json"]
    ended = host.run(argv, environment={"PYTHONPATH": host.import_path}, on_line=on_line)
    try:
        facts = _Facts.model_validate(plain_facts(json.loads("\n".join(lines))))
    except (ValueError, RecursionError) as error:
        msg = f"beltline {arguments[0]} did not answer there: {ended.errors or f'code {ended.code}'}"
        raise HostError(msg) from error
    return Answer(facts.model_dump(exclude_none=True))


class _Facts(BaseModel):
    """What a roll-out reads of a verb's answer."""

    model_config = ConfigDict(frozen=True, strict=True)
    version: str | None = None
    installed: str | None = None
    error: str | None = None
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None


def _checked(text: str, hosts: Sequence[str], *, where: str) -> str:
    try:
        address = str(parse_address(text))
    except LineFileError as error:
        msg = f"{where}: {error}"
        raise LineFileError(msg) from error
    if address in hosts:
        msg = f"{where}: {address} stands there twice; remove one"
        raise LineFileError(msg)
    return address


def _words_of(outcome: HostOutcome) -> str:
    if outcome.state == "untouched":
        return f"  {outcome.host}  not touched"
    had = outcome.before or "nothing"
    if outcome.state == "failed":
        return f"  {outcome.host}  failed, still has {had}: {outcome.error}"
    return f"  {outcome.host}  installed {outcome.now}, had {had}"
