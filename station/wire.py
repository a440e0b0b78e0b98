"""What station and engine process say to each other: one message a frame each way, of a fixed form."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_QUESTION = struct.Struct("<QIIII")
_ANSWER = struct.Struct("<QdIIqq")
MOST_BYTES = 65_536
_MOST_TEXT_BYTES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which frame to decide on.

    Attributes:
        token: Names the frame; the answer brings it back.
        slot: Where the frame lies.
        shape: Height, width, channels.
    """

    token: int
    slot: int
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the engine says of a frame.

    Attributes:
        token: Of the question.
        score: In [0, 1]; anything else where there is none, see `problem`.
        heatmap: Rows and columns of the heatmap in the slot; (0, 0): none.
        started_ns: When the engine process began with the frame, on the clock of `time.monotonic_ns`.
        ended_ns: When it had decided.
        problem: Why there is no score; empty where there is one.
    """

    token: int
    score: float
    heatmap: tuple[int, int]
    started_ns: int
    ended_ns: int
    problem: str = ""


def question_bytes(question: Question) -> bytes:
    """Write a question.

    >>> asked = Question(token=7, slot=1, shape=(80, 100, 1))
    >>> question_of(question_bytes(asked)) == asked
    True
    """
    return _QUESTION.pack(question.token, question.slot, *question.shape)


def question_of(raw: bytes) -> Question:
    """Read what `question_bytes` wrote."""
    token, slot, height, width, channels = _QUESTION.unpack(raw)
    return Question(token=token, slot=slot, shape=(height, width, channels))


def reply_bytes(reply: Reply) -> bytes:
    """Write a reply; a long problem is cut."""
    head = _ANSWER.pack(reply.token, reply.score, *reply.heatmap, reply.started_ns, reply.ended_ns)
    return head + reply.problem.encode(errors="replace")[:_MOST_TEXT_BYTES]


def reply_of(raw: bytes) -> Reply:
    """Read what `reply_bytes` wrote."""
    token, score, rows, columns, started_ns, ended_ns = _ANSWER.unpack_from(raw)
    return Reply(
        token=token,
        score=score,
        heatmap=(rows, columns),
        started_ns=started_ns,
        ended_ns=ended_ns,
        problem=raw[_ANSWER.size :].decode(errors="replace"),
    )
