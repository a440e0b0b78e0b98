from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.base.table import read_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _table(folder: Path, content: str | bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_rows_carry_their_line_and_further_columns_are_passed_over(tmp_path: Path) -> None:
    path = _table(tmp_path, '\ufeffpath,extra,label\r\na.png,1, good \n\n"b,1.png",2,"pit, deep"\n')
    rows = read_table(path, required=("path", "label"), optional=("mask",))
    assert [(row.line, row.values) for row in rows] == [
        (2, {"path": "a.png", "label": "good", "mask": ""}),
        (4, {"path": "b,1.png", "label": "pit, deep", "mask": ""}),
    ]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_fields_too(tmp_path: Path, separator: str) -> None:
    content = separator.join(("path", "label", "mask")) + "\n" + separator.join(("\u3000a, b.png", "good", ""))
    path = _table(tmp_path, content)
    assert [row.values for row in read_table(path, required=("path", "label"), optional=("mask",))] == [
        {"path": "\u3000a, b.png", "label": "good", "mask": ""}
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "wanted columns path, label, mask, got none; add 'path'"),
        ("path,lable\na,good\n", "unknown column 'lable'; did you mean 'label'"),
        ("path,label,masks\na,good,\n", "unknown column 'masks'; did you mean 'mask'"),
        ("Path,label\na,good\n", "unknown column 'Path'; did you mean 'path'"),
        ("path,kind\na,good\n", "add 'label'"),
        ("path,label,label\na,good,bad\n", "column 'label' stands there twice"),
        ("path,label\na\n", "line 2: wanted 2 fields as in the header, got 1"),
        ("path,label\na,good,x\n", "line 2: wanted 2 fields as in the header, got 3"),
        ('path,label\n"a,good\n', "not a table with ',' between fields"),
        (b"path,label\nb\xe4r.png,good\n", "wanted UTF-8 text, got byte 0xe4 at 12; save it as UTF-8"),
    ],
)
def test_mistakes_are_answered_with_the_place_and_the_way_out(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=r"labels\.csv") as caught:
        read_table(_table(tmp_path, content), required=("path", "label"), optional=("mask",))
    assert message in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*labels\.csv"):
        read_table(tmp_path / "labels.csv", required=("path",))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=120), header=st.sampled_from([b"", b"path,label\n", b"path,label,mask\r\n"]))
def test_any_bytes_are_rows_or_a_data_error(tmp_path: Path, content: bytes, header: bytes) -> None:
    try:
        rows = read_table(_table(tmp_path, header + content), required=("path", "label"), optional=("mask",))
    except DataError:
        return
    assert all(set(row.values) == {"path", "label", "mask"} for row in rows)
