"""What the verbs have in common: options, the way results are printed, the way errors end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ...inspection.base.errors import BeltlineError

if TYPE_CHECKING:
    from ..line.line_file import LineFile

_OF_THE_LINE_EXTRA = {"cv2": "opencv-python-headless", "jinja2": "jinja2", "scipy": "scipy"}
"""What a device does without: module and package."""

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""

LineFileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="LINE.YAML", help="The line file; without one: the built-in synthetic line."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; all else goes to stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done and what is found done.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder that holds the runs' folders.")]


FORMATS, RUNTIMES = "FORMATS-THERE", "RUNTIMES-THERE"
"""Stand in an option's help for the names that are there; see `VerbThatLists`."""


class VerbThatLists(TyperCommand):
    """A verb whose help names what is installed, plug-ins of other packages included; looked up when it is printed."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill the names in, then print as any verb does."""
        for parameter in self.params:
            text = str(getattr(parameter, "help", None) or "")
            if FORMATS in text:
                from ...benchmarks.report.finished import formats

                parameter.help = text.replace(FORMATS, ", ".join(formats()))  # type: ignore[attr-defined]
            if RUNTIMES in text:
                from ...export.device_check.device_runtime import RUNTIMES as KNOWN

                parameter.help = text.replace(RUNTIMES, ", ".join(KNOWN))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


@contextmanager
def answered(*, as_json: bool) -> Iterator[None]:
    """Turn what a user can put right into one message and its exit code, Ctrl-C into 130; a bug keeps its traceback."""
    try:
        yield
    except BeltlineError as error:
        _refuse(str(error), error.exit_code, as_json=as_json)
        raise typer.Exit(error.exit_code) from error
    except ModuleNotFoundError as error:
        if (package := _OF_THE_LINE_EXTRA.get(str(error.name).partition(".")[0])) is None:
            raise
        _refuse(f"{package} is not installed; run: pip install 'beltline[line]'", 2, as_json=as_json)
        raise typer.Exit(2) from error
    except SystemExit as error:  # of a factory or a plug-in: a script's own exit(0) must not read as `fits`
        how = "code that was loaded (a factory's or a plug-in's) ended the program, so that nothing was judged"
        _refuse(f"{how}; take exit({error.code!r}) out of it", 2, as_json=as_json)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("\nbeltline: stopped; run again to go on from here", err=True)
        raise typer.Exit(STOPPED) from error


def _refuse(text: str, code: int, *, as_json: bool) -> None:
    typer.echo(f"beltline: {text}", err=True)
    if as_json:
        print_json({"error": text, "exit_code": code})


def print_json(value: dict[str, Any]) -> None:
    """Print the one JSON object that a verb answers with."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


def print_answer(facts: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print what a verb answers: its facts as JSON, or its text for people."""
    if as_json:
        print_json(facts)
    else:
        typer.echo(text)


def read_line_file(path: Path | None, *, runs: Path) -> LineFile:
    """Load the line file, or give the built-in line where there is none (its images may not be there yet)."""
    from ..line.builtin import builtin_line_file
    from ..line.line_file import load_line_file

    return builtin_line_file(runs) if path is None else load_line_file(path)
