"""Stages: pieces of work named by what goes into them, so that no finished one is done twice.

A stage's folder is `stages/<digest16>/`, the digest being that of its name and inputs: a changed input is another
stage, an unchanged one is found again. It comes into being by one rename, with `stage.json` listing its files.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import StorageError
from ...inspection.base.storage import digest_of_file, digest_of_json, new_folder, write_json

STAGE_FORMAT = 2
"""Goes into every stage's digest; raised when finished stages of an older version must not be taken over."""

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One piece of work.

    Attributes:
        name: What it does, such as `teacher` or `export`; for people and the journal.
        inputs: JSON-able values that decide the result, such as settings, a seed and digests of earlier stages.

    >>> Stage(name="export", inputs={"opset": 18}).key
    '24bcf48b45fdac75'
    """

    name: str
    inputs: dict[str, Any]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the name, the inputs and the format."""
        return digest_of_json({"format": STAGE_FORMAT, "name": self.name, "inputs": self.inputs})

    @property
    def key(self) -> str:
        """The folder's name: the first 16 hex digits of the digest."""
        return self.digest.removeprefix("sha256:")[:16]


def run_stage(run: Path, stage: Stage, work: Callable[[Path], None], *, notify: Notify = lambda _: None) -> Path:
    """Give a stage's finished folder; does the work only if it is not there yet.

    Args:
        run: The run's folder, held by `run_folder.open_run`.
        stage: What is to be done.
        work: Fills the (temporary, empty) folder it is given. If it raises, nothing is left.
        notify: Gets a sentence on what is done and what is found done.

    Returns:
        `<run>/stages/<digest16>`; not to be written to.

    Raises:
        StorageError: The disk is full or cannot be written. What `work` raises passes through.
    """
    done = finished_stage(run, stage)
    if done is not None:
        notify(f"{stage.name}: already done, taken from {done}")
        shutil.rmtree(_partial_of(run, stage), ignore_errors=True)
        return done
    folder = _folder_of(run, stage)
    if folder.exists():
        notify(f"{stage.name}: {folder} is damaged and done again")
        shutil.rmtree(folder)
    notify(f"{stage.name}: working")
    _note(run, stage, "started")
    started = time.monotonic()
    try:
        with new_folder(folder) as temporary:
            work(temporary)
            write_json(temporary / "stage.json", _manifest(stage, temporary))
    except OSError:  # another process of the same search was thought dead and finished it after all
        if finished_stage(run, stage) is None:
            raise
    _note(run, stage, "finished")
    shutil.rmtree(_partial_of(run, stage), ignore_errors=True)
    notify(f"{stage.name}: done in {time.monotonic() - started:.1f} s")
    return folder


def run_resumable_stage(
    run: Path, stage: Stage, work: Callable[[Path, Path], None], *, notify: Notify = lambda _: None
) -> Path:
    """Do as `run_stage`, with a second folder that outlives a kill.

    Args:
        run: The run's folder.
        stage: What is to be done.
        work: Given the folder to fill and `partial/<digest16>/`, where it keeps what it can go on from (written with
            `storage.write_bytes`, so that it is whole). The partial folder is removed when the stage is finished.
        notify: Gets a sentence on what is done.
    """
    partial = _partial_of(run, stage)

    def work_on(folder: Path) -> None:
        try:
            partial.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write {partial}: {error.strerror}; free some space or choose another folder with --runs"
            raise StorageError(msg) from error
        work(folder, partial)

    return run_stage(run, stage, work_on, notify=notify)


def finished_stage(run: Path, stage: Stage) -> Path | None:
    """Give a stage's folder if it is finished and each of its files is as it was written, else None."""
    folder = _folder_of(run, stage)
    try:
        manifest = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
        whole = manifest["digest"] == stage.digest and manifest["files"] == _files_of(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if whole else None


def journal(run: Path) -> list[dict[str, Any]]:
    """Read the run's journal: one entry for each time a stage was started or finished, oldest first.

    Each entry has `event` (`started` or `finished`), `stage`, `digest` and `unix_s`. The journal is for people and
    tests; nothing is decided by it.
    """
    path = run / "journal.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def _folder_of(run: Path, stage: Stage) -> Path:
    return run / "stages" / stage.key


def _partial_of(run: Path, stage: Stage) -> Path:
    return run / "partial" / stage.key


def _manifest(stage: Stage, folder: Path) -> dict[str, Any]:
    return {
        "format": STAGE_FORMAT,
        "stage": stage.name,
        "digest": stage.digest,
        "inputs": stage.inputs,
        "files": _files_of(folder),
    }


def _files_of(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / "stage.json")
    return {path.relative_to(folder).as_posix(): digest_of_file(path) for path in files}


def _note(run: Path, stage: Stage, event: str) -> None:
    entry = {"event": event, "stage": stage.name, "digest": stage.digest, "unix_s": round(time.time(), 3)}
    path = run / "journal.jsonl"
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" * _torn(path) + json.dumps(entry) + "\n")
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; free some space or choose another folder with --runs"
        raise StorageError(msg) from error


def _torn(path: Path) -> bool:
    """Whether a kill cut the last line short."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(size - 1, 0))
        return stream.read(1) not in (b"", b"\n")
