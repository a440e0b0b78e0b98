"""The self-test of an unpacked bundle, in a process of its own with limits of time and memory.

Nobody knows what a model does before it has run: a loop in it may have no end, a tensor no bounds. So whoever verifies,
installs or rolls back starts `python -m beltline.station.versions.self_test test FOLDER`, which runs the golden frames
and times what was built here, and kills it at a limit; `build` in the place of `test` builds the engines that are built
where they run (after an update of JetPack: FOLDER is then `/opt/beltline/current/bundle`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal, TextIO

from ...export.artifacts import backends, built_where_it_runs
from ...export.bundles.manifest import Manifest
from ...export.bundles.proof import Proven, Speed, measure_models, prove_models, runtime_missing
from ...export.bundles.reading import Unpacked, read_unpacked
from ...export.contracts import BuildsOnDevice
from ...inspection.base.errors import (
    BeltlineError,
    BundleError,
    GraphError,
    MissingPartError,
    ParityError,
    StorageError,
    TooSlowError,
)
from ...targets.host import LocalHost
from ..readable import readable

Notify = Callable[[str], None]
"""Takes a line for people."""

Task = Literal["build", "test"]
_POLL_S = 0.05
_MOST_ANSWER_BYTES = 4 << 20
_FAILED = 2
_HELD = "--ends-with-its-parent"
_KINDS = {each.__name__: each for each in (BundleError, MissingPartError, ParityError, StorageError, TooSlowError)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process that runs an unproven model may take.

    Attributes:
        seconds: From its start to its end.
        memory_bytes: Resident memory.
    """

    seconds: float
    memory_bytes: int


def usual_limits(task: Task) -> Limits:
    """Give an hour to a build and five minutes to a test; 4 GiB, or three quarters of a smaller machine's memory."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Limits(seconds=3600.0 if task == "build" else 300.0, memory_bytes=min(4 << 30, machine_bytes * 3 // 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What came of a self-test; no decision flipped, and what was built here is fast enough."""

    proven: tuple[Proven, ...]
    measured: tuple[Speed, ...]


def self_test(unpacked: Unpacked, *, notify: Notify, limits: Limits | None = None) -> Tested:
    """Build what is built where it runs, run the golden frames, then measure; all apart, within limits.

    Args:
        unpacked: A bundle whose signature and digests hold.
        notify: Called with what is built here and how far that is.
        limits: Of the test; None: `usual_limits`.

    Raises:
        BundleError: A runtime does not take its model or gives no score, or a limit was reached.
        MissingPartError: Not one of the runtimes is here.
        ParityError: A decision flipped.
        TooSlowError: A model that was built here is too slow for the belt.
    """
    build_apart(unpacked, notify=notify)
    answer = _run_apart("test", unpacked, notify, limits or usual_limits("test"))
    try:
        proven = tuple(Proven(**each) for each in answer["proven"])
        return Tested(proven=proven, measured=tuple(Speed(**each) for each in answer["measured"]))
    except (KeyError, TypeError) as error:
        msg = f"{unpacked.manifest.version}: its self-test gave no sound answer ({error}); do not use this bundle"
        raise BundleError(msg) from error


def build_apart(unpacked: Unpacked, *, notify: Notify) -> None:
    """Build the engines that are built where they run and are not there yet; nothing is started where there are none.

    Raises:
        BundleError: One cannot be built, or not within the limits.
    """
    if _built_here(unpacked.manifest):
        _run_apart("build", unpacked, notify, usual_limits("build"))


def run_task(task: Task, unpacked: Unpacked, notify: Notify) -> dict[str, Any]:
    """Do in this process what the process of its own does.

    Returns:
        JSON-able: `proven` and `measured` of a test; nothing of a build.
    """
    if task == "build":
        _build(unpacked, notify)
        return {}
    threads = min(unpacked.manifest.device.threads, len(os.sched_getaffinity(0)))
    proven = prove_models(unpacked, threads=threads)
    measured = measure_models(unpacked, threads=threads)
    return {"proven": [asdict(each) for each in proven], "measured": [asdict(each) for each in measured]}


def main(arguments: list[str], answers: TextIO) -> int:
    """Do one task on one unpacked bundle.

    Args:
        arguments: The task and the folder.
        answers: Takes one JSON object a line.

    Returns:
        0, or 2 after an error that a user can correct: then the last line is `{"error": ..., "kind": ...}`.
    """
    task, folder = arguments

    def answer(facts: dict[str, Any]) -> None:
        answers.write(f"{json.dumps(facts)}\n")
        answers.flush()

    try:
        wanted: Task = "build" if task == "build" else "test"
        answer({"done": run_task(wanted, read_unpacked(Path(folder)), lambda text: answer({"progress": text}))})
    except BeltlineError as error:
        answer({"error": str(error), "kind": type(error).__name__})
        return _FAILED
    return 0


def _built_here(manifest: Manifest) -> bool:
    models = (model for model in manifest.models if built_where_it_runs(model.backend))
    return any(runtime_missing(model) is None for model in models)


def _build(unpacked: Unpacked, notify: Notify) -> None:
    for model in unpacked.manifest.models:
        backend = backends().get(model.backend)
        if isinstance(backend, BuildsOnDevice) and runtime_missing(model) is None:
            try:
                backend.prepare(unpacked.artifact(model), notify=notify)
            except GraphError as error:
                msg = f"model {model.row}: {error}"
                raise BundleError(msg) from error


def _run_apart(task: Task, unpacked: Unpacked, notify: Notify, limits: Limits) -> dict[str, Any]:
    """Run a task in a process that ends with this one, and take its answer."""
    argv = [sys.executable, "-m", "beltline.station.versions.self_test", task, str(unpacked.folder), _HELD]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,  # nothing comes by it: its end tells the process that this one is gone
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": LocalHost().import_path},
        start_new_session=True,
    )
    version = unpacked.manifest.version
    with process:
        try:
            for facts in _answers(process, version, limits):
                if "progress" in facts:
                    notify(str(facts["progress"]))
                elif "error" in facts:
                    raise _KINDS.get(str(facts.get("kind")), BundleError)(str(facts["error"]))
                elif isinstance(facts.get("done"), dict):
                    return dict(facts["done"])
        finally:
            process.kill()
    msg = (
        f"{version}: the process that runs its self-test ended with code {process.returncode} and no answer; do not "
        "use this bundle on this machine, or was memory short?"
    )
    raise BundleError(msg)


def _answers(process: subprocess.Popen[bytes], version: str, limits: Limits) -> Iterator[dict[str, Any]]:
    """Give the answers of a process as they come, while it keeps to its limits."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    end_s, raw, taken = time.monotonic() + limits.seconds, b"", 0
    while True:
        if time.monotonic() > end_s:
            raise _beyond(version, f"at most {limits.seconds:g} s", "more")
        if (resident := _resident_bytes(process.pid)) > limits.memory_bytes:
            raise _beyond(version, f"at most {limits.memory_bytes:,} bytes of memory", f"{resident:,}")
        if not readable([process.stdout.fileno()], _POLL_S):
            continue
        if not (piece := os.read(process.stdout.fileno(), 1 << 16)):
            return
        raw, taken = raw + piece, taken + len(piece)
        if taken > _MOST_ANSWER_BYTES:
            raise _beyond(version, f"an answer of at most {_MOST_ANSWER_BYTES:,} bytes", "more")
        *lines, raw = raw.split(b"\n")
        for line in lines:
            with suppress(ValueError):
                facts = json.loads(line)
                yield facts if isinstance(facts, dict) else {}


def _beyond(version: str, wanted: str, got: str) -> BundleError:
    return BundleError(f"{version}: wanted a self-test that takes {wanted}, got {got}; do not use this bundle")


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0  # it has just ended


def _end_with_parent() -> None:
    """Wait for the end of stdin, which only the process that started this one holds open."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[3:] == [_HELD]:
        Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(os.dup(1), "w") as stdout:
        os.dup2(2, 1)  # what a runtime writes there is no answer
        raise SystemExit(main(sys.argv[1:3], stdout))
