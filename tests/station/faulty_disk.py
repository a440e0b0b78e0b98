"""A process of its own whose power is cut, or whose disk fills up, at one file operation after the other.

    python faulty_disk.py FAULT VERB FOLDER STEP

FOLDER holds `old.beltline`, `new.beltline` and `key.pub.pem`. Each moment is tried in a forked child on a fresh copy of
the tree; a second child then looks whether a version works, whether it is the old or the new one, and whether the verb
succeeds now. Faults: `kill` (what was written stays), `power` (what was written and not synced is lost), `full` (from
that moment on nothing can be written). Prints one JSON object: how many moments there were, and what went wrong.
The fault `none` strikes nowhere and looks, just before the switch, whether all that the new version needs was synced.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from beltline.export.bundles.proof import prove_models
from beltline.export.bundles.reading import read_unpacked
from beltline.inspection.base.errors import BeltlineError
from beltline.station.versions import self_test
from beltline.station.versions.activation import Places, current_activation
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.rollback import roll_back
from beltline.station.versions.status import status
from beltline.station.versions.tidying import prune
from typing_extensions import Self

CUT = 9
CHANGES = ("mkdir", "rename", "replace", "symlink", "unlink", "rmdir", "chmod", "truncate", "pwrite", "fsync")
TAKES_ROOM = {"open", "write", "mkdir", "symlink", "pwrite"}


class Disk:
    """Counts file operations and strikes at one of them."""

    def __init__(self, fault: str, strike_at: int) -> None:
        self.fault, self.strike_at, self.moments = fault, strike_at, 0
        self.unsynced: dict[int, int] = {}
        self.changed: dict[int, int] = {}
        self.late: list[str] = []

    def operation(self, name: str) -> None:
        """Come here before each operation, and once more in the middle of a write."""
        if self.fault == "full":
            if name in TAKES_ROOM:
                self.moments += 1
                if self.moments >= self.strike_at:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return
        self.moments += 1
        if self.moments == self.strike_at and self.fault != "none":
            if self.fault == "power":
                for descriptor in self.unsynced.values():
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2 * (self.moments % 2))
            os._exit(CUT)

    def written(self, descriptor: int) -> None:
        node = os.fstat(descriptor).st_ino
        self.changed[node] = self.moments
        if node not in self.unsynced:
            self.unsynced[node] = os.dup(descriptor)

    def synced(self, descriptor: int) -> None:
        node = os.fstat(descriptor).st_ino
        self.changed.pop(node, None)
        kept = self.unsynced.pop(node, None)
        if kept is not None:
            os.close(kept)

    def entered(self, path: Path) -> None:
        """An entry of a folder was added or renamed; links have no folder that counts but the one they lie in."""
        self.changed[path.parent.stat().st_ino] = self.moments

    def before_switch(self, root: Path) -> None:
        """Everything below the root must be on the disk; the root itself holds the link that is about to be renamed."""
        there = [path for path in root.rglob("*") if not path.is_symlink() and path != root / "lock"]
        self.late += [str(path.relative_to(root)) for path in there if path.stat().st_ino in self.changed]


class Watched:
    """A file open for writing whose every write is an operation, and whose first half may be all that is written."""

    def __init__(self, stream: Any, disk: Disk) -> None:
        self.stream, self.disk = stream, disk

    def write(self, content: Any) -> int:
        self.disk.operation("write")
        half = len(content) // 2
        for piece in (content[:half], content[half:]):
            self.stream.write(piece)
            self.stream.flush()
            self.disk.written(self.stream.fileno())
            if piece is not content[half:] and self.disk.fault != "full":
                self.disk.operation("write")
        return len(content)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __enter__(self) -> Self:
        self.stream.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def watch(disk: Disk) -> None:
    """Let every change to the file system of this process pass by the disk."""
    for name in CHANGES:
        setattr(os, name, watched(getattr(os, name), name, disk))
    plain_open, plain_os_open = io.open, os.open

    def open_watched(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+"):  # an open descriptor is a pipe to another process
            return plain_open(file, mode, *arguments, **options)
        disk.operation("open")
        if not Path(file).exists():
            plain_os_open(file, os.O_CREAT)
            disk.entered(Path(file))
            mode = mode.replace("x", "w")
        return Watched(plain_open(file, mode, *arguments, **options), disk)

    def os_open_watched(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            disk.operation("open")
        return plain_os_open(path, flags, *arguments, **options)

    io.open = builtins.open = open_watched  # type: ignore[assignment]
    os.open = os_open_watched


def watched(plain: Callable[..., Any], name: str, disk: Disk) -> Callable[..., Any]:
    def operation(*arguments: Any, **options: Any) -> Any:
        disk.operation(name)
        if name == "replace" and Path(arguments[1]).name == "current":
            disk.before_switch(Path(arguments[1]).parent)
        result = plain(*arguments, **options)
        if name == "fsync":
            disk.synced(arguments[0])
        if name in {"mkdir", "symlink", "rename", "replace"}:
            disk.entered(Path(arguments[0 if name == "mkdir" else 1]))
        return result

    return operation


def verbs(folder: Path) -> dict[str, Callable[[Places], Any]]:
    wish = InstallOptions(key=folder / "key.pub.pem")
    return {
        "first": lambda places: install(folder / "old.beltline", places, wish),
        "upgrade": lambda places: install(folder / "new.beltline", places, wish),
        "again": lambda places: install(folder / "old.beltline", places, wish),
        "rollback": roll_back,
        "prune": lambda places: prune(places, keep=1),
    }


BEFORE = {"first": (), "upgrade": ("first",), "again": ("first",), "rollback": ("first", "upgrade"),
          "prune": ("first", "upgrade")}  # fmt: skip


def in_child(work: Callable[[], int]) -> int:
    """Run in a forked child; its exit status."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        except BaseException:  # noqa: BLE001 - a child never returns into its parent's work
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def with_synthetic_defect(verb: Callable[[Places], Any], places: Places, fault: str, strike_at: int) -> int:
    watch(Disk(fault, strike_at))
    try:
        verb(places)
    except BeltlineError as error:
        sys.stderr.write(f"{fault} at {strike_at}: {error}\n")
        return 2 if error.exit_code == 2 and str(error) else 1
    return 0


def looked_at(verb: str, folder: Path, places: Places, allowed: set[str | None]) -> int:
    """What works must work: its digests and its decisions hold; and the verb must succeed now."""
    now = current_activation(places) if places.root.exists() else None
    version = None if now is None else now.version
    assert version in allowed, f"{version} works, wanted one of {allowed}"
    if now is not None:
        prove_models(read_unpacked(places.current / "bundle"), threads=1)
    if verb == "rollback":
        install(folder / "new.beltline", places, InstallOptions())
    verbs(folder)[verb](places)
    assert status(places)["version"] in allowed
    left = list(places.root.rglob(".*.tmp"))
    assert not left, f"left over: {left}"
    return 0


def version_at(places: Places) -> str | None:
    now = current_activation(places) if places.root.exists() else None
    return None if now is None else now.version


def main(fault: str, verb: str, folder: Path, step: int) -> dict[str, Any]:
    base, places = Places(root=folder / "base"), Places(root=folder / "root")
    shutil.rmtree(base.root, ignore_errors=True)
    for earlier in BEFORE[verb]:
        assert in_child(partial(succeed, verbs(folder)[earlier], base)) == 0
    if fault == "none":
        return {"fault": fault, "verb": verb, "wrong": late(verbs(folder)[verb], base)}
    self_test._run_apart = in_this_process
    allowed = {version_at(base)} | new_versions(verb, folder)
    seen: Counter[str] = Counter()
    wrong = []
    for strike_at in count(1, step):
        copy_tree(base.root, places.root)
        code = in_child(partial(with_synthetic_defect, verbs(folder)[verb], places, fault, strike_at))
        if code == 0:
            break
        seen[str(version_at(places))] += 1
        if code != (2 if fault == "full" else CUT):
            wrong.append(f"moment {strike_at}: ended with {code}")
        if in_child(partial(looked_at, verb, folder, places, allowed)) != 0:
            wrong.append(f"moment {strike_at}: no working version, or no way on")
    return {"fault": fault, "verb": verb, "moments": sum(seen.values()), "worked": seen, "wrong": wrong}


def in_this_process(task: Any, unpacked: Any, notify: Any, _limits: Any) -> dict[str, Any]:
    """Test where the fault strikes: starting a process at each of hundreds of moments would take most of the time.

    The fault `none` goes without this; the process writes nothing below the root.
    """
    return self_test.run_task(task, unpacked, notify)


def late(verb: Callable[[Places], Any], places: Places) -> list[str]:
    """Do the verb and give what was not yet on the disk at its switch."""
    disk = Disk("none", 0)
    watch(disk)
    verb(places)
    return disk.late


def succeed(verb: Callable[[Places], Any], places: Places) -> int:
    verb(places)
    return 0


def copy_tree(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target, symlinks=True)


def new_versions(verb: str, folder: Path) -> set[str | None]:
    from beltline.export.bundles.reading import open_bundle

    name = {"upgrade": "new.beltline", "first": "old.beltline", "again": "old.beltline", "rollback": "old.beltline"}
    if verb not in name:
        return set()
    with open_bundle(folder / name[verb]) as bundle:
        return {bundle.manifest.version}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
