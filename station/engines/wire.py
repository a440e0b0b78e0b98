"""What station and engine process say to each other: one message a frame each way, of a fixed form.

Both are tuples, not dataclasses: one of each is made for every frame, while its time runs.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from ...inspection.decision.judging import Judged

_QUESTION = struct.Struct("<QIIII")
_REPLY = struct.Struct("<QdIIqqI")
MOST_BYTES = 131_072
_MOST_RULING_BYTES = 120_000
MOST_HELLO_BYTES = 65_536
_MOST_TEXT_BYTES = 2_000


class Question(NamedTuple):
    """Which frame to decide on.

    Attributes:
        token: Names the frame; the answer brings it back.
        slot: Where the frame lies.
        height: In pixels.
        width: In pixels.
        channels: Values of a pixel.
    """

    token: int
    slot: int
    height: int
    width: int
    channels: int


class Reply(NamedTuple):
    """What the engine says of a frame.

    Attributes:
        token: Of the question.
        score: In [0, 1]; anything else where there is none, see `problem`.
        rows: Of the heatmap in the slot; 0: there is none.
        columns: Of the heatmap.
        started_ns: When the engine process began with the frame, on the clock of `time.monotonic_ns`.
        ended_ns: When it had decided.
        problem: Why there is no score; empty where there is one.
        ruling: What becomes of a part whose score reaches the threshold, and its findings, see `ruling_bytes`; empty of
            others.
    """

    token: int
    score: float
    rows: int
    columns: int
    started_ns: int
    ended_ns: int
    problem: str = ""
    ruling: bytes = b""


def question_bytes(question: Question) -> bytes:
    """Write a question.

    >>> asked = Question(token=7, slot=1, height=80, width=100, channels=1)
    >>> question_of(question_bytes(asked)) == asked
    True
    """
    return _QUESTION.pack(*question)


def question_of(raw: bytes) -> Question:
    """Read what `question_bytes` wrote."""
    return Question(*_QUESTION.unpack(raw))


def reply_bytes(reply: Reply) -> bytes:
    """Write a reply; a long problem is cut.

    >>> reply = Reply(token=7, score=0.5, rows=0, columns=0, started_ns=1, ended_ns=2, problem="no")
    >>> reply_of(reply_bytes(reply)) == reply
    True
    """
    problem = reply.problem.encode(errors="replace")[:_MOST_TEXT_BYTES]
    return _REPLY.pack(*reply[:6], len(problem)) + problem + reply.ruling


def reply_of(raw: bytes) -> Reply:
    """Read what `reply_bytes` wrote."""
    *head, length = _REPLY.unpack_from(raw)
    if len(raw) == _REPLY.size:
        return Reply(*head)
    end = _REPLY.size + length
    return Reply(*head)._replace(problem=raw[_REPLY.size : end].decode(errors="replace"), ruling=raw[end:])


def ruling_bytes(judged: Judged) -> bytes:
    """Write what becomes of a part as JSON: `action`, `because`, `findings`; without outlines where they are too many.

    >>> from beltline.inspection.decision.limits import BY_SCORE
    >>> ruling_bytes(Judged(ruling=BY_SCORE, findings=()))
    b'{"action":"reject","because":"score","findings":[]}'
    """
    findings = [each.to_json() for each in judged.findings]
    whole = _json(judged, findings)
    if len(whole) <= _MOST_RULING_BYTES:
        return whole
    return _json(judged, [{**each, "contour": []} for each in findings])


def _json(judged: Judged, findings: list[dict[str, Any]]) -> bytes:
    facts = {"action": judged.ruling.action, "because": judged.ruling.because, "findings": findings}
    return json.dumps(facts, separators=(",", ":"), allow_nan=False).encode()
