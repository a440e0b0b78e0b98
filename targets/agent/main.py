"""The agent's verbs: `python agent.pyz FOLDER VERB [ARGUMENT ...]`, further facts as JSON on stdin."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import RefusalError, answer, runtimes, store, supervisor

_REFUSED = 3


def main(argv: list[str]) -> int:
    """Do one verb and print its answer, one JSON object on one line.

    Returns:
        0, or 3 with `{"error": text}` where the device cannot do what was asked.
    """
    folder, verb, *arguments = argv
    os.umask(0o077)
    try:
        answered = _VERBS[verb](Path(folder), *arguments)
    except RefusalError as refusal:
        return _refuse(str(refusal))
    except OSError as error:
        return _refuse(f"{error.strerror or error}: {error.filename or folder}")
    if answered is not None:
        answer(answered)
    return 0


def _refuse(text: str) -> int:
    answer({"error": text})
    return _REFUSED


def _device(folder: Path) -> dict[str, Any]:
    """Say what this device is, after clearing away what earlier sessions may have left."""
    supervisor.clear_abandoned(folder)
    store.forget_old(folder)
    return {
        "python": list(sys.version_info[:2]),
        "architecture": platform.machine(),
        "libc": list(platform.libc_ver()),
        "free_bytes": shutil.disk_usage(folder).free,
    }


def _facts() -> Any:
    return json.load(sys.stdin)


def _take(folder: Path, digest: str, size: str, offset: str) -> dict[str, Any]:
    return store.take(folder, digest, size_bytes=int(size), offset=int(offset), source=sys.stdin.fileno())


def _send(folder: Path, job: str, name: str, offset: str) -> None:
    supervisor.touch(folder, job)
    store.send(supervisor.inside(folder, job, name), offset=int(offset), stream=sys.stdout.buffer)


def _describe(folder: Path, job: str, name: str) -> dict[str, Any]:
    supervisor.touch(folder, job)
    return store.describe(supervisor.inside(folder, job, name))


def _place(folder: Path, job: str) -> dict[str, Any]:
    supervisor.touch(folder, job)
    return {"placed": store.place(folder, supervisor.folder_of(folder, job), _facts())}


def _follow(folder: Path, job: str, number: str, offset: str) -> None:
    supervisor.follow(folder, job, int(number), offset=int(offset))


_VERBS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "look": _device,
    "missing": lambda folder: {"missing": store.missing(folder, _facts())},
    "take": _take,
    "installed": lambda folder, key: {"path": runtimes.installed(folder, key)},
    "install": lambda folder: {"path": runtimes.install(folder, _facts())},
    "unpack": lambda folder: {"path": runtimes.unpack(folder, _facts())},
    "open": lambda folder, job, lease: supervisor.open_job(folder, job, lease_s=float(lease)),
    "place": _place,
    "order": lambda folder, job, number: supervisor.order(folder, job, int(number), _facts()),
    "follow": _follow,
    "stop": lambda folder, job, number: supervisor.stop(folder, job, int(number)),
    "describe": _describe,
    "send": _send,
    "end": supervisor.end_job,
}
