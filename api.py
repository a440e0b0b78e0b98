"""Beltline from a program of one's own: this is all of it that stays as it is from one version to the next.

```python
import beltline

with beltline.open("line.beltline", key="key.pub.pem") as inspector:
    decision = inspector.inspect(frame)          # uint8 [height, width, channels]
    if decision.rejected:
        eject()
```

On a line's PC: `open`, `verify`. Where models are made: `load_line`, then `run`, or a part of it with `train`,
`compress_line`, `export_line`, `bench`. (`beltline.compress` and `beltline.export` are folders.)
What a user can correct is a `BeltlineError`, whose message says what to do; everything else is a bug. Other modules of
Beltline are private and move without notice, except the contracts that plug-ins keep (CONTRIBUTING.md).

This page loads nothing: packages come in where a function is called, and `open` and `verify` never need torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

if TYPE_CHECKING:
    from .inspection.base.errors import BeltlineError
    from .pipeline.line.line_file import LineFile
    from .pipeline.run import Outcome
    from .station.inspector import Decision, Inspector
    from .station.versions.admission import Verified

    __version__: str

__all__ = [
    "BeltlineError",
    "Decision",
    "Inspector",
    "LineFile",
    "Outcome",
    "Verified",
    "__version__",
    "bench",
    "compress_line",
    "export_line",
    "load_line",
    "open",
    "run",
    "train",
    "verify",
]

AnyPath: TypeAlias = "str | os.PathLike[str]"


def open(  # noqa: A001  read as `beltline.open`, as `wave.open` and `gzip.open` are
    bundle: AnyPath | None = None,
    *,
    key: AnyPath | None = None,
    allow_unsigned: bool = False,
    row: str | None = None,
    deadline_ms: float | None = None,
    late: Literal["pass", "reject"] = "reject",
    cpus: tuple[int, ...] | None = None,
    threads: int | None = None,
    spare: bool = False,
) -> Inspector:
    """Open a bundle and start its engine, with the checks and the binding to CPUs of `beltline serve`.

    Nothing of a bundle is run before its layout, signature and digests hold; it is then run on its own golden frames,
    and refused where a decision differs from the one that was measured.

    Args:
        bundle: A bundle file, or a folder that versions are installed in; None: what this user has installed.
        key: Public key that a bundle file must be signed with; None: the one that `beltline install` has
            remembered; where there is none, its digests are checked alone.
        allow_unsigned: Take a bundle file that nobody signed, or that the remembered key does not vouch for.
        row: Which of its models; None: the first whose runtime is here.
        deadline_ms: From capture to decision; None: the bundle's. What is late goes to the safe side.
        late: The safe side: what a frame is answered with that the model did not decide in time.
        cpus: For the engine; None: one for each thread, where one is left over for the program.
        threads: Of the runtime; None: as measured.
        spare: Keep a second engine loaded that takes over at once where the first is lost.

    Raises:
        BeltlineError: The bundle is damaged, forged, not for this machine, its runtime is not installed, or a golden
            decision flipped; the message says which and what to do.

    >>> import beltline
    >>> try:
    ...     beltline.open("no-such.beltline")
    ... except beltline.BeltlineError as error:
    ...     print(error)
    no-such.beltline: cannot be read: No such file or directory; name a bundle (*.beltline)
    """
    from .station.inspector import open_inspector

    return open_inspector(
        _path(bundle),
        key=_path(key),
        allow_unsigned=allow_unsigned,
        row=row,
        deadline_ms=deadline_ms,
        late=late,
        cpus=cpus,
        threads=threads,
        spare=spare,
    )


def verify(bundle: AnyPath, *, key: AnyPath | None = None, other_device: bool = False) -> Verified:
    """Check a bundle from its signature to its golden decisions on this machine; nothing of it is kept.

    Args:
        bundle: The file.
        key: Public key that must have signed it; None: see `Verified.signer`.
        other_device: Check it on another architecture than it was measured on, too.

    Raises:
        BeltlineError: It does not hold; the message says why.
    """
    from .station.versions.admission import verify_bundle

    return verify_bundle(Path(bundle), key=_path(key), other_device=other_device)


def load_line(path: AnyPath) -> LineFile:
    """Read and check a line file; paths in it become absolute.

    Raises:
        BeltlineError: Each mistake in one line: file and line, key, what was wanted, what was got, what to do.

    >>> import beltline, pathlib
    >>> _ = pathlib.Path("line.yaml").write_text('''
    ... line: {belt_speed_mm_s: 500, part_pitch_mm: 120, camera_to_ejector_mm: 60}
    ... data: {root: parts}
    ... recipes: [{name: small, steps: [quantize]}]
    ... ''')
    >>> line = beltline.load_line("line.yaml")
    >>> line.run_name == pathlib.Path.cwd().name, [recipe.name for recipe in line.recipes]
    (True, ['small'])
    """
    from .pipeline.line.line_file import load_line_file

    return load_line_file(Path(path))


def run(
    line: LineFile | AnyPath,
    *,
    runs: AnyPath = "runs",
    quick: bool = False,
    baselines: bool = False,
    progress: TextIO | None = None,
) -> Outcome:
    """Do the whole job, or go on with it: train, compress, export, measure, judge, report, bundle.

    Args:
        line: From `load_line`, or the path of a line file.
        runs: Folder that holds the runs' folders; finished stages there are not done again.
        quick: Fewer epochs and frames, in a run folder of its own: the same path in minutes, not a result to rely on.
        baselines: Add the rows that one would otherwise choose.
        progress: Where progress and notices go; None: stderr.

    Returns:
        `verdict` (`fits`, `misses`, `inconclusive`), `message`, `report` (report.html) and `summary` with the paths of
        report.json and of the bundle.

    Raises:
        BeltlineError: What a user can correct; nothing half-written is left.
    """
    return _worked(line, "report", runs=runs, quick=quick, baselines=baselines, progress=progress)


def bench(
    line: LineFile | AnyPath,
    *,
    runs: AnyPath = "runs",
    quick: bool = False,
    baselines: bool = False,
    progress: TextIO | None = None,
) -> Outcome:
    """Measure and judge every row at line rate, and what that needs first; as `run`."""
    return _worked(line, "bench", runs=runs, quick=quick, baselines=baselines, progress=progress)


def train(
    line: LineFile | AnyPath, *, runs: AnyPath = "runs", quick: bool = False, progress: TextIO | None = None
) -> Path:
    """Train a line's teacher, or take the one that it names; gives its checkpoint. Arguments as of `run`."""
    return _files(_worked(line, "train", runs=runs, quick=quick, progress=progress))[0]


def compress_line(
    line: LineFile | AnyPath, *, runs: AnyPath = "runs", quick: bool = False, progress: TextIO | None = None
) -> tuple[Path, ...]:
    """Work off a line's recipes as far as they work on torch modules; gives the checkpoints. Arguments as of `run`."""
    return _files(_worked(line, "compress", runs=runs, quick=quick, progress=progress))


def export_line(
    line: LineFile | AnyPath, *, runs: AnyPath = "runs", quick: bool = False, progress: TextIO | None = None
) -> tuple[Path, ...]:
    """Export and build every row of a line, decisions compared stage by stage; gives the models' main files."""
    return _files(_worked(line, "export", runs=runs, quick=quick, progress=progress))


def _worked(
    line: LineFile | AnyPath, until: Any, *, runs: AnyPath, progress: TextIO | None, **options: bool
) -> Outcome:
    from .pipeline.console import Console
    from .pipeline.run import run_job

    line_file = load_line(line) if isinstance(line, (str, os.PathLike)) else line
    return run_job(line_file, runs=Path(runs), until=until, console=Console(stream=progress), **options)


def _files(outcome: Outcome) -> tuple[Path, ...]:
    return tuple(Path(each) for each in outcome.summary["files"])


def _path(given: AnyPath | None) -> Path | None:
    return None if given is None else Path(given)


_DEFINED_IN = {
    "BeltlineError": ".inspection.base.errors",
    "Decision": ".station.inspector",
    "Inspector": ".station.inspector",
    "LineFile": ".pipeline.line.line_file",
    "Outcome": ".pipeline.run",
    "Verified": ".station.versions.admission",
}

if not TYPE_CHECKING:  # a type checker reads the imports above, and so finds misspelt names

    def __getattr__(name: str) -> Any:
        """Load a type where it is asked for (PEP 562)."""
        if name == "__version__":
            from importlib.metadata import PackageNotFoundError, version

            try:
                return version("beltline")
            except PackageNotFoundError:
                return "0"
        if name in _DEFINED_IN:
            from importlib import import_module

            return getattr(import_module(_DEFINED_IN[name], __name__), name)
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def __dir__() -> list[str]:
        return sorted(__all__)
