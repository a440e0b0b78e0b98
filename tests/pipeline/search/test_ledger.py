from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import StorageError
from beltline.pipeline.search.ledger import open_ledger
from beltline.pipeline.search.settings import SpaceSettings
from beltline.pipeline.search.space import space_of
from beltline.pipeline.search.trials import Trial

pytest.importorskip("optuna")

SPACE = space_of(SpaceSettings(), backends=["open_vino"], threads=2)


def begin(folder: Path) -> tuple[int, str]:
    with open_ledger(folder, SPACE, seed=0) as ledger:
        asked = ledger.ask()
        assert asked is not None
        number, point = asked
        ledger.note(Trial(number=number, words=point.describe(), ending="under way"), (0.0, 0.0))
    return number, point.describe()


def test_a_line_cut_short_and_a_lock_left_behind_by_a_kill_do_no_harm(tmp_path: Path) -> None:
    number, words = begin(tmp_path)
    journal = tmp_path / "study.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":8,"wor')
    (tmp_path / "study.journal.lock").touch()
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        assert [(left, point.describe()) for left, point in ledger.unfinished()] == [(number, words)]
    assert journal.read_bytes().startswith(whole)
    assert begin(tmp_path)[0] == number + 1


def test_a_trial_that_was_only_just_asked_for_is_taken_up_too(tmp_path: Path) -> None:
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        asked = ledger.ask()
        assert asked is not None
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        assert ledger.trials == []
        assert [(number, point.describe()) for number, point in ledger.unfinished()] == [
            (asked[0], asked[1].describe())
        ]
        assert ledger.point(asked[0]).describe() == asked[1].describe()


def test_a_journal_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.journal").write_text("no journal\nat all\n")
    with (
        pytest.raises(StorageError, match=r"study\.journal: the search's study cannot be used"),
        open_ledger(tmp_path, SPACE, seed=0),
    ):
        pass


def test_the_time_spent_adds_up(tmp_path: Path) -> None:
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        assert ledger.spent_s == 0
        ledger.spend(12.34)
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        assert ledger.spent_s == 12.3
