"""References changed over HTTP: the same checks and the same record as `beltline reference`, in a process of its own.

Photographs come from outside, and the model that looks at them takes seconds: both happen beside the line, in a process
that gives way to it, and one at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from ..inspection.base.errors import BeltlineError, DataError, StationError, StorageError
from ..targets.host import LocalHost
from .reference_check import comparing_model
from .references import add_reference, journal_problem, kept_references, remove_reference
from .settings import StationSettings

MOST_PHOTOGRAPHS = 8
_TIMEOUT_S = 120.0
_NICENESS = 10


class ReferenceChanges:
    """Changes the references of a running station, which takes them up by itself; called by any thread.

    Attributes:
        allowed: Whether requests may change anything: only where they must bring a token.
    """

    def __init__(self, settings: StationSettings, *, note_incident: Callable[[str], None]) -> None:
        """Change nothing yet.

        Args:
            settings: Of the station; with `references`.
            note_incident: Takes a sentence for people about each change.
        """
        if settings.references is None:
            msg = "this station tells no products apart; write references in station.yaml"
            raise StationError(msg)
        self.allowed = settings.http is not None and settings.http.token_file is not None
        self._settings, self._folder = settings, settings.references.folder
        self._note_incident = note_incident
        self._lock, self._listing = Lock(), Lock()

    def listed(self) -> dict[str, Any]:
        """Give what `beltline reference list --json` does.

        Raises:
            DataError: A file cannot be read.
            StationError: Somebody else is being answered: each file is read for that.
        """
        if not self._listing.acquire(blocking=False):
            msg = "the references are being listed for somebody else; ask again in a moment"
            raise StationError(msg)
        try:
            kept, problem = kept_references(self._folder), journal_problem(self._folder)
        finally:
            self._listing.release()
        return {"products": [asdict(each) for each in kept], "journal": problem or "whole"}

    def add(self, product: str, photographs: Sequence[bytes], *, by: str) -> dict[str, Any]:
        """Make a product's reference of image files, as `beltline reference add --json` does.

        Args:
            product: Its name.
            photographs: Image files of good parts.
            by: Who says so, for the journal.

        Raises:
            DataError: Name or photographs cannot be used.
            StationError: Another change is under way, or this one did not end in time.
        """
        if not 0 < len(photographs) <= MOST_PHOTOGRAPHS:
            msg = f"reference {product[:80]}: wanted 1 to {MOST_PHOTOGRAPHS} photographs, got {len(photographs)}"
            raise DataError(msg)
        if not self._lock.acquire(blocking=False):
            msg = "another reference is being made; ask again in a moment"
            raise StationError(msg)
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="beltline-references-")))
            paths = [folder / f"photograph {number}" for number in range(1, len(photographs) + 1)]
            for path, content in zip(paths, photographs, strict=True):
                path.write_bytes(content)
            made = _made_beside(self._settings, product, paths, by=by)
        self._note_incident("; ".join([f"reference of {product} is changed, says {by}", *made["warnings"]]))
        return made

    def remove(self, product: str, *, by: str) -> dict[str, Any]:
        """Take a product's reference away.

        Raises:
            DataError: There is none.
            StationError: The folder cannot be written.
        """
        try:
            remove_reference(self._folder, product, by=by)
        except StorageError as error:
            raise StationError(str(error)) from error
        self._note_incident(f"reference of {product} is removed, says {by}; its parts go to the safe side")
        return {"removed": product}


def _made_beside(settings: StationSettings, product: str, paths: Sequence[Path], *, by: str) -> dict[str, Any]:
    """Run `main`; gives its answer."""
    orders = {"settings": settings.model_dump(mode="json"), "product": product, "paths": [*map(str, paths)], "by": by}
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "beltline.station.reference_changes"],
            input=json.dumps(orders).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": LocalHost().import_path, "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        msg = f"the photographs were not looked at within {_TIMEOUT_S:g} s; is this machine overloaded?"
        raise StationError(msg) from error
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        msg = f"the process that looks at photographs ended with {ended.returncode}: {ended.stderr[-300:].decode()!r}"
        raise StationError(msg)
    answer: dict[str, Any] = json.loads(lines[-1])
    if "problem" in answer:
        raise DataError(answer["problem"])
    return answer


def main() -> None:
    """Read what is to be made from standard input, make it, and write what came of it as one line of JSON."""
    os.nice(_NICENESS)
    orders = json.loads(sys.stdin.buffer.read())
    settings, paths = StationSettings.model_validate(orders["settings"]), [*map(Path, orders["paths"])]
    if settings.references is None:
        msg = "wanted a station with references"
        raise StationError(msg)
    with ExitStack() as stack:
        model, notes = None, []
        try:
            model = stack.enter_context(comparing_model(settings))
        except BeltlineError as error:
            notes = [f"no model looked at the photographs: {error}"]
        try:
            kept, warnings = add_reference(
                settings.references.folder, orders["product"], paths, model=model, by=orders["by"]
            )
            answer = {**asdict(kept), "warnings": [*warnings, *notes]}
        except BeltlineError as error:
            answer = {"problem": str(error)}
    # the temporary folder means nothing to whoever asked
    print(json.dumps(answer).replace(f"{paths[0].parent}/", ""))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
