from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.line.yaml_positions import read_file, read_text
from hypothesis import given
from hypothesis import strategies as st


def test_values_follow_yaml_1_2_not_1_1() -> None:
    text = "a: no\nb: 1e-3\nc: 12:30\nd: 010\ne: true\nf: null\ng: .5\nh: 2026-01-01\ni: -7\nj: .inf\n"
    assert read_text(text, source="line.yaml").content == {
        "a": "no", "b": 0.001, "c": "12:30", "d": "010", "e": True, "f": None,
        "g": 0.5, "h": "2026-01-01", "i": -7, "j": ".inf",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "empty file"),
        ("# only a comment\n", 1, "empty file"),
        ("- a\n- b\n", 1, "a list or a single value"),
        ("line: 3\ndata: {root: x}\nline: 4\n", 3, "stands twice, first in line 1"),
        ("line:\n\tspeed: 3\n", 2, "tab"),
        ("line: a: b\n", 1, "colon"),
        ("line: [1, 2\n", 2, "brackets"),
        ("a: 1\n---\nb: 2\n", 2, "single document"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "tag"),
        ("a: 1\nb: !secret x\n", 2, "tag"),
        ("1: a\n", 1, "key that is text"),
        ("? [a]\n: b\n", 1, "key that is text"),
        ("<<: {a: 1}\na: &x {b: *x}\n", 2, "aliases"),
        ("a: " + "[" * 50 + "]" * 50 + "\n", 1, "nested"),
        ("a: 1\nb: \x07\n", 2, "forbidden character"),
        ("a: *nowhere\n", 1, "undefined alias"),
    ],
)
def test_what_is_no_line_file_is_named_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(LineFileError, match=r"line\.yaml") as caught:
        read_text(text, source="line.yaml")
    assert str(caught.value).startswith(f"line.yaml:{line}:")
    assert message in str(caught.value)


def test_an_alias_bomb_is_refused_quickly() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(LineFileError, match="use fewer aliases"):
        read_text("\n".join(rows), source="line.yaml")


def test_aliases_in_moderation_are_fine() -> None:
    assert read_text("a: &one {b: 1}\nc: *one\n", source="x").content == {"a": {"b": 1}, "c": {"b": 1}}


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * 1_000_001)
    binary.write_bytes(b"a: 1\nb: \xff\xfe\n")
    for path, message in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "a folder"),
        (large, "at most 1000000 bytes"),
        (binary, "binary.yaml:2: wanted UTF-8"),
    ):
        with pytest.raises(LineFileError, match=message):
            read_file(path)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    placed = read_file(path)
    assert placed.content == {"a": 1, "b": 2}
    assert placed.line_of(("b",)) == 2


def test_places_of_values_and_of_what_is_missing() -> None:
    placed = read_text("line:\n  speed: 3\nrecipes:\n  - name: a\n  - name: b\n    steps: [x]\n", source="line.yaml")
    assert placed.line_of(("line", "speed")) == 2
    assert placed.line_of(("line", "pitch")) == 1
    assert placed.line_of(("recipes", 1, "a-union's-tag", "steps", 0)) == 6
    assert placed.key_of(("recipes", 1, "a-union's-tag", "steps", 0)) == "recipes[1].steps[0]"
    assert placed.key_of(("line", "pitch")) == "line.pitch"
    assert placed.key_of(("line", "line")) == "line.line"


@given(st.text(max_size=200))
def test_no_text_at_all_shows_a_traceback(text: str) -> None:
    with suppress(LineFileError):
        read_text(text, source="line.yaml")


@given(st.binary(max_size=100))
def test_no_file_at_all_shows_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with suppress(LineFileError):
        read_file(path)
