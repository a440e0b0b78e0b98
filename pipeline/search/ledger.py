"""The study on disk: what was tried, what came of it, and what to try next; it outlives a kill at any moment."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...inspection.base.errors import BeltlineError, StorageError
from .space import Point, Space, suggest, warm_starts
from .trials import Trial, trial_from_json

if TYPE_CHECKING:
    import optuna

_FACTS, _SPENT_S = "facts", "spent_s"
_GATES = ("deadline_miss", "escape")
_RANDOM_TRIALS = 2
_PROPOSALS = 30
_NAME = "search"
_NOTHING_SEEN = 1.0
"""The escape rate given to the sampler where no escapes were counted, because the trial was too slow to be trained."""


class Ledger:
    """One study of optuna in a journal; this process is the only one that writes to it.

    A trial that was under way when the last process was killed is under way still: `unfinished` gives it back, with the
    same number and the same point. What it had finished lies in the run's stages.
    """

    def __init__(self, study: optuna.Study, space: Space) -> None:
        self._study = study
        self._space = space
        self._running: dict[int, optuna.trial.Trial] = {}
        self._seen = {trial.words for trial in self.trials}
        self.exhausted = False

    def unfinished(self) -> list[tuple[int, Point]]:
        """Give the trials that an earlier call left behind."""
        import optuna

        left = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return [self._begun(optuna.trial.Trial(self._study, each._trial_id)) for each in left]  # noqa: SLF001

    def ask(self) -> tuple[int, Point] | None:
        """Begin the next trial: first the warm starts, then what optuna proposes; None: it proposes nothing new."""
        import optuna

        for _ in range(_PROPOSALS):
            with _quietly():
                asked = self._study.ask()
                point = suggest(asked, self._space)
                if point.describe() not in self._seen:
                    return self._begun(asked)
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
        self.exhausted = True
        return None

    def begin_again(self, number: int) -> tuple[int, Point]:
        """Begin a trial that has ended once more, under a new number: optuna never changes an ended trial."""
        import optuna

        ended = self._study.get_trials(deepcopy=False)[number]
        again = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, params=ended.params, distributions=ended.distributions
        )
        with _quietly():
            self._study.add_trial(again)
        begun = self._study.get_trials(deepcopy=False)[-1]
        return self._begun(optuna.trial.Trial(self._study, begun._trial_id))  # noqa: SLF001

    def note(self, trial: Trial, violations: tuple[float, float]) -> None:
        """Write down how far a trial is; once it has ended, its values guide what is asked next."""
        import optuna

        running = self._running[trial.number]
        running.set_user_attr(_FACTS, trial.to_json())
        if trial.ending == "under way":
            return
        del self._running[trial.number]
        for gate, violation in zip(_GATES, violations, strict=True):
            running.set_constraint(gate, violation)
        with _quietly():
            if trial.ending == "failed" or trial.drawn is None:
                self._study.tell(running, state=optuna.trial.TrialState.FAIL)
            else:
                escape_rate = trial.rung_scores[-1].escape_rate if trial.rung_scores else _NOTHING_SEEN
                self._study.tell(running, [trial.drawn.engine_p99_ms, escape_rate])

    @property
    def trials(self) -> list[Trial]:
        """All trials of which something is known, by number; of one that was begun again the latest."""
        found = self._study.get_trials(deepcopy=False)
        known = [trial_from_json(each.user_attrs[_FACTS]) for each in found if _FACTS in each.user_attrs]
        latest = {trial.words: trial.number for trial in known}
        return [trial for trial in known if latest[trial.words] == trial.number]

    @property
    def begun(self) -> int:
        """How many trials were begun in all calls; one that was begun again is still one."""
        import optuna

        state, found = optuna.trial.TrialState, self._study.get_trials(deepcopy=False)
        begun = (each for each in found if each.state != state.WAITING)
        known = (each for each in begun if each.state != state.FAIL or _FACTS in each.user_attrs)
        return len({tuple(sorted(each.params.items())) for each in known})

    def point(self, number: int) -> Point:
        """Give a trial's point again."""
        import optuna

        parameters = self._study.get_trials(deepcopy=False)[number].params
        return suggest(optuna.trial.FixedTrial(parameters, number), self._space)

    @property
    def spent_s(self) -> float:
        """Seconds of search in all calls."""
        return float(self._study.user_attrs.get(_SPENT_S, 0.0))

    def spend(self, spent_s: float) -> None:
        """Write down how long all calls took so far."""
        self._study.set_user_attr(_SPENT_S, round(spent_s, 1))

    def _begun(self, trial: optuna.trial.Trial) -> tuple[int, Point]:
        self._running[trial.number] = trial
        with _quietly():
            point = suggest(trial, self._space)
        self._seen.add(point.describe())
        return trial.number, point


@contextmanager
def open_ledger(folder: Path, space: Space, *, seed: int) -> Iterator[Ledger]:
    """Open a study, or begin it with the warm starts.

    Args:
        folder: Belongs to this search alone.
        space: What may be chosen.
        seed: Of what optuna proposes.

    Raises:
        StorageError: The file cannot be read or written.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = folder / "study.journal"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield Ledger(_study(_storage(path), space, seed), space)
    except (OSError, json.JSONDecodeError) as error:
        if isinstance(error, BeltlineError):
            raise
        msg = f"{path}: the search's study cannot be used: {error}; free some space, or move it away to begin anew"
        raise StorageError(msg) from error


def _storage(path: Path) -> optuna.storages.BaseStorage:
    """Open the journal as a killed process left it: its last line may be cut short, its lock may lie about."""
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage

    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


def _study(storage: optuna.storages.BaseStorage, space: Space, seed: int) -> optuna.Study:
    """Open the study; a start that it does not hold yet is put in line."""
    import optuna

    starts = warm_starts(space)
    with _quietly():
        study = optuna.create_study(
            storage=storage, study_name=_NAME, directions=["minimize", "minimize"], load_if_exists=True
        )
        study.sampler = _sampler(seed + len(study.get_trials(deepcopy=False)), starts=len(starts))
        for each in starts:
            study.enqueue_trial(each, skip_if_exists=True)
    return study


def _sampler(seed: int, *, starts: int) -> optuna.samplers.BaseSampler:
    """Multi-objective TPE (Ozaki et al. 2022, doi:10.1613/jair.1.13188) that knows the gates.

    Families have widths of their own, so parameters are grouped; what is under way counts as poor, so that workers do
    not all try the same.
    """
    import optuna

    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=starts + _RANDOM_TRIALS,
        multivariate=True,
        group=True,
        constant_liar=True,
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to ourselves that parts of optuna which we rely on are called experimental."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
