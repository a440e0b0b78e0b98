"""What every form of the report promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.benchmarks.report.finished import FinishedReport, Format, finished_report, format_of, formats
from beltline.inspection.base.errors import DataError
from beltline.inspection.base.storage import digest_of_file

FORMATS = [pytest.param(form, id=name) for name, form in formats().items()]


@pytest.fixture(scope="module")
def finished(finished_line: Path) -> FinishedReport:
    return finished_report(finished_line)


@pytest.mark.parametrize("form", FORMATS)
def test_it_is_found_by_its_name_and_by_its_suffix(form: Format) -> None:
    assert format_of(form.name, output=None) is form
    assert form.suffix.startswith(".")
    by_suffix = format_of(None, output=Path("report").with_suffix(form.suffix))
    assert by_suffix is not None
    assert by_suffix.suffix == form.suffix


@pytest.mark.parametrize("form", FORMATS)
def test_it_names_every_row_and_the_verdict(form: Format, finished: FinishedReport) -> None:
    text = form.render(finished)
    plainly = text.replace("\\", "")
    assert all(row.name in plainly for row in finished.report.rows)
    assert any(row.verdict in plainly for row in finished.report.rows)


@pytest.mark.parametrize("form", FORMATS)
def test_it_gives_the_same_text_again_and_changes_nothing(form: Format, finished: FinishedReport) -> None:
    folder = finished.path.parent
    before = {path: digest_of_file(path) for path in sorted(folder.iterdir()) if path.is_file()}
    assert form.render(finished) == form.render(finished_report(finished.path))
    assert {path: digest_of_file(path) for path in sorted(folder.iterdir()) if path.is_file()} == before


@pytest.mark.parametrize("form", FORMATS)
def test_no_path_of_this_machine_is_in_it_but_those_of_the_report(form: Format, finished: FinishedReport) -> None:
    assert str(Path.cwd()) not in form.render(finished)


def test_an_unknown_one_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(DataError, match=", ".join(formats())):
        format_of("pdf", output=None)
