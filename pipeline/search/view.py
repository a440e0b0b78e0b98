"""A search as it is watched: the Pareto front and what is under way on a terminal, a line for each trial elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..console import Console
from .found import edge_numbers
from .loop import Track, Watch
from .settings import SearchSettings
from .space import trial_name
from .trials import Trial


@contextmanager
def search_view(console: Console, settings: SearchSettings, track: Track) -> Iterator[Watch]:
    """Show a search while it goes on.

    Yields:
        A function that is called with all trials and the seconds spent, as often as one likes.
    """
    shown: set[int] = set()
    with console.live() as show:

        def watch(trials: list[Trial], seconds: float) -> None:
            for trial in trials:
                if trial.ending != "under way" and trial.number not in shown:
                    shown.add(trial.number)
                    if show is None:
                        console.notify(trial_line(trial))
            if show is not None:
                show(search_table(trials, seconds, settings, track))

        yield watch


def trial_line(trial: Trial) -> str:
    """Say in one line what came of a trial."""
    return f"{trial_name(trial.number)} {trial.ending}: {trial.words}{_figures(trial)}"


def search_table(trials: Sequence[Trial], seconds: float, settings: SearchSettings, track: Track) -> RenderableType:
    """Draw the Pareto front of the trained trials, fastest first, and below it what is under way."""
    edge = edge_numbers(trials)
    ended = sum(each.ending != "under way" for each in trials)
    title = f"{ended} of {settings.trials} trials, {seconds / 60:.1f} of {settings.minutes:g} minutes"
    table = Table(title=f"search: {title}", title_justify="left", expand=False)
    for heading in ("trial", "is", "p99 ms", "escapes on val", "gates on val"):
        table.add_column(heading, justify="right" if heading in ("p99 ms", "escapes on val") else "left")
    front = [each for each in trials if each.number in edge]
    for trial in sorted(front, key=lambda each: each.score.p99_ms if each.score else 0.0):
        table.add_row(*_cells(trial, track))
    going = [each for each in trials if each.ending == "under way"]
    lines = (f"under way: {trial_name(each.number)}: {each.words}{_figures(each)}" for each in going)
    return Group(table, *(Text(line) for line in lines))


def _cells(trial: Trial, track: Track) -> tuple[str, ...]:
    last = trial.grades[-1]
    time = f"{trial.timing.engine_p99_ms:.3g}" if trial.timing else ""
    holds = "hold" if trial.holds(track.budget, track.gates) else "do not hold"
    return trial_name(trial.number), trial.words, time, f"{last.escapes} of {last.defects}", holds


def _figures(trial: Trial) -> str:
    parts = [f"p99 {trial.timing.engine_p99_ms:.3g} ms"] if trial.timing else []
    if trial.grades:
        last = trial.grades[-1]
        parts.append(f"{last.escapes} of {last.defects} escape on val after {last.epochs} epochs")
    parts += [trial.error] if trial.error else []
    return "".join(f"; {part}" for part in parts)
