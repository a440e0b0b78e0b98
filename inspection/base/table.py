"""Tables as users write them, with `,`, `;` or tabs between fields: every mistake is answered with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from .errors import DataError

_MAX_BYTES = 256 << 20
_SEPARATORS = (",", ";", "\t")
_BLANKS = " \t\r\n"  # not U+3000 and the like, with which a file's name may begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        line: Line in the file, from 1.
        values: Column name to text without surrounding blanks; every column that was asked for is there, optional
            ones that the file lacks are empty.
    """

    line: int
    values: dict[str, str]


def read_table(path: Path, *, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read a UTF-8 table with one header line; further columns are passed over.

    Raises:
        DataError: The file is missing, no UTF-8, over 256 MiB, lacks a required column, has a column whose name is
            nearly that of a known one, or a row with too few or too many fields.
    """
    lines = _lines(path)
    header = [name.strip() for name in next(lines, (1, []))[1]]
    _check_header(path, header, required=required, optional=optional)
    wanted = {name: header.index(name) if name in header else None for name in (*required, *optional)}
    rows = []
    for line, fields in lines:
        if len(fields) != len(header):
            msg = f"{path.name} line {line}: wanted {len(header)} fields as in the header, got {len(fields)}"
            raise DataError(msg)
        values = {name: "" if at is None else fields[at].strip(_BLANKS) for name, at in wanted.items()}
        rows.append(Row(line=line, values=values))
    return rows


def columns_of(path: Path) -> list[str]:
    """Give the names in a table's header line.

    Raises:
        DataError: The file is missing, no UTF-8 or over 256 MiB.
    """
    return [name.strip() for name in next(_lines(path), (1, []))[1]]


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    text = _text(path)
    header = text.lstrip("\r\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)  # the first of those that are equally frequent: the comma
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        msg = f"{path.name} line {reader.line_num}: not a table with {separator!r} between fields: {error}"
        raise DataError(msg) from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path.name}: wanted at most {_MAX_BYTES >> 20} MiB, got {path.stat().st_size >> 20} MiB"
            raise DataError(msg)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}; check data.root"
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        msg = f"{path.name}: wanted UTF-8 text, got byte {byte:#04x} at {error.start}; save it as UTF-8"
        raise DataError(msg) from error


def _check_header(path: Path, header: list[str], *, required: Sequence[str], optional: Sequence[str]) -> None:
    known = [*required, *optional]
    absent = [name for name in known if name not in header]
    for name in header:
        close = [] if name in known else get_close_matches(name.lower(), absent, n=1, cutoff=0.75)
        if close:
            msg = f"{path.name}: unknown column {name!r}; did you mean {close[0]!r}?"
            raise DataError(msg)
    missing = [name for name in required if name not in header]
    if missing:
        msg = f"{path.name}: wanted columns {', '.join(known)}, got {', '.join(header) or 'none'}; add {missing[0]!r}"
        raise DataError(msg)
    twice = next((name for name in known if header.count(name) > 1), None)
    if twice:
        msg = f"{path.name}: column {twice!r} stands there twice; keep one"
        raise DataError(msg)
