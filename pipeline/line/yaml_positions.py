"""YAML whose values know their line: safe, bounded, and without the surprises of YAML 1.1.

Only the core of YAML 1.2 is read: text, whole and decimal numbers, true / false, null, blocks and lists. So `no` is the
text "no" (a country, not a boolean), `1e-3` is a number and `12:30` is text, as editors with a JSON Schema expect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...inspection.base.errors import LineFileError

Location = tuple[str | int, ...]

_LIMIT_BYTES = 1_000_000
_LIMIT_DEPTH = 40
_LIMIT_VALUES = 20_000
_CORE_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedYaml:
    """What a YAML file says, and where.

    Attributes:
        source: The file as the user named it.
        content: The values: dict, list, str, int, float, bool, None.
        root: The same as nodes that know their line.
    """

    source: str
    content: dict[str, Any]
    root: yaml.MappingNode

    def line_of(self, location: Location) -> int:
        """Give the line (from 1) of a value; of the nearest block around it where the value itself is not written.

        Parts that no key or position matches are passed over: pydantic names the members of a union in its locations.
        """
        lines = [node.start_mark.line + 1 for _, node, _ in _matched(self.root, location)]
        return lines[-1] if lines else self.root.start_mark.line + 1

    def key_of(self, location: Location) -> str:
        r"""Write a location as users write it.

        >>> read_text("recipes:\n  - {steps: [1]}", source="line.yaml").key_of(("recipes", 0, "steps", 0))
        'recipes[0].steps[0]'
        """
        indices = [index for index, _, _ in _matched(self.root, location)]
        last = len(location) - 1
        parts = [location[index] for index in (indices if last in indices else [*indices, last]) if location]
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def read_file(path: Path, *, what: str = "line file") -> PlacedYaml:
    """Read a YAML file whose outermost value is a block of keys; `what` it is stands in messages.

    Raises:
        LineFileError: No such file, larger than 1 MB, not UTF-8, not YAML, a key written twice, values that only
            Python or a bomb would have; the message holds file and line.
    """
    try:
        if not path.is_file():
            msg = f"{path}: wanted a {what}, got {'a folder' if path.is_dir() else 'no such file'}; check the path"
            raise LineFileError(msg)
        with path.open("rb") as stream:
            content = stream.read(_LIMIT_BYTES + 1)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}; check the path and its permissions"
        raise LineFileError(msg) from error
    if len(content) > _LIMIT_BYTES:
        msg = f"{path}: wanted at most {_LIMIT_BYTES} bytes, got more; is this the {what}?"
        raise LineFileError(msg)
    return read_text(_decoded(content, source=str(path)), source=str(path))


def read_text(text: str, *, source: str) -> PlacedYaml:
    """Read YAML text; `source` stands for the file in messages. Raises as `read_file`."""
    try:
        _check_depth(text, source=source)
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.YAMLError as error:
        raise LineFileError(_syntax_message(error, text=text, source=source)) from error
    if not isinstance(root, yaml.MappingNode):
        got = "an empty file" if root is None else "a list or a single value"
        msg = f"{source}:1: wanted a block of keys (`line:`, `data:`, ...), got {got}; copy one of the examples"
        raise LineFileError(msg)
    _check_nodes(root, source=source)
    loader = _CoreLoader("")
    try:
        content: dict[str, Any] = loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        msg = f"{source}: a value cannot be read: {error}; write it plainly or in quotes"
        raise LineFileError(msg) from error
    return PlacedYaml(source=source, content=content, root=root)


class _CoreLoader(yaml.SafeLoader):
    """The safe loader with the plain scalars of YAML 1.2's core schema (section 10.3.2), less inf, nan and octal."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml's own name


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _decoded(content: bytes, *, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"{source}:{line}: wanted UTF-8 text, got other bytes; save the file as UTF-8"
        raise LineFileError(msg) from error


def _check_depth(text: str, *, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_CoreLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _LIMIT_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            msg = f"{source}:{line}: wanted at most {_LIMIT_DEPTH} nested blocks, got more"
            raise LineFileError(msg)


def _check_nodes(root: yaml.MappingNode, *, source: str) -> None:
    """Walk every value as often as aliases repeat it, so that a bomb or a loop of aliases hits the limit."""
    for count, node in enumerate(_expanded(root)):
        place = f"{source}:{node.start_mark.line + 1}"
        if count > _LIMIT_VALUES:
            msg = (
                f"{place}: wanted at most {_LIMIT_VALUES} values with aliases written out, got more; use fewer aliases"
            )
            raise LineFileError(msg)
        if node.tag not in _CORE_TAGS:
            msg = f"{place}: wanted a plain value, got the tag {node.tag!r}; remove what begins with `!`"
            raise LineFileError(msg)
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, source=source)


def _check_keys(node: yaml.MappingNode, *, source: str) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            msg = f"{source}:{line}: wanted a key that is text, got {getattr(key, 'value', '?')!r}; put it in quotes"
            raise LineFileError(msg)
        if key.value in seen:
            msg = f"{source}:{line}: key {key.value!r} stands twice, first in line {seen[key.value]}; remove one"
            raise LineFileError(msg)
        seen[key.value] = line


def _expanded(root: yaml.Node) -> Iterator[yaml.Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _matched(node: yaml.Node, location: Location) -> Iterator[tuple[int, yaml.Node, yaml.Node]]:
    """Follow a location; for each part found: its index, the node that shows the place (key or item), the value."""
    for index, part in enumerate(location):
        pair = _child(node, part)
        if pair is not None:
            shown, node = pair
            yield index, shown, node


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _syntax_message(error: yaml.YAMLError, *, text: str, source: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # the reader's error: a character that YAML forbids, by its position
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return f"{source}:{line}: wanted printable text, got a forbidden character; retype the line"
    written = (text.splitlines() or [""])[min(mark.line, max(len(text.splitlines()) - 1, 0))]
    problem = f"{getattr(error, 'context', None) or ''} {getattr(error, 'problem', None) or ''}".strip()
    return f"{source}:{mark.line + 1}: not YAML: {problem}; {_way_out(written, problem)}"


def _way_out(written: str, problem: str) -> str:
    if "\t" in written:
        return "the line holds a tab: indent with spaces"
    if "mapping values" in problem:
        return "put text that holds a colon in quotes, and check the indentation"
    return "check indentation, colons, brackets and quotes there"
