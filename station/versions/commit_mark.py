"""Which version is on trial, remembered on the disk: what was not committed does not work after a restart.

As Mender does it (docs.mender.io, "Mender Client", artifact commit): the mark is written before a new version takes
over, and removed when it has passed its trial. A station that finds it at its start, after a power cut in between,
begins with the version before. It lies in the station's own folder, for it may not write where bundles are installed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...inspection.base.errors import StorageError
from ...inspection.base.storage import sync, write_bytes

FILE = "on-trial"
_MOST_BYTES = 4096


class CommitMark:
    """The mark of one station; used by one thread at a time."""

    def __init__(self, folder: Path | None, *, root: Path) -> None:
        """Look at a folder.

        Args:
            folder: Of this station alone; must exist. None: nothing is remembered.
            root: Where its bundles are installed; a mark of another one means nothing.
        """
        self._path = None if folder is None else folder / FILE
        self._root = str(root)

    def begin(self, generation: int) -> None:
        """Remember that a generation is on trial.

        Raises:
            StorageError: The folder cannot be written.
        """
        if self._path is not None:
            write_bytes(self._path, f"{generation}\n{self._root}\n".encode())

    def commit(self) -> None:
        """Forget it: what is installed may work from the start.

        Raises:
            StorageError: The folder cannot be written.
        """
        if self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
            sync(self._path.parent)
        except OSError as error:
            msg = f"{self._path} cannot be removed: {error.strerror}; a restart would go back to the version before"
            raise StorageError(msg) from error

    def uncommitted(self) -> int | None:
        """Give the generation that was on trial when the station ended; None: none was, or nobody can read it."""
        if self._path is None:
            return None
        with suppress(OSError, ValueError):
            with self._path.open("rb") as stream:
                number, _, root = stream.read(_MOST_BYTES).decode().partition("\n")
            return int(number) if root == f"{self._root}\n" and number.isdigit() else None
        return None
