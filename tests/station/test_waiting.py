"""The queue: order, room, deadlines."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from beltline.station.frames import OfferedFrame
from beltline.station.settings import QueueSettings
from beltline.station.waiting import Item, Waiting
from hypothesis import given
from hypothesis import strategies as st


def item(number: int, due_ns: int = 0) -> Item:
    image = np.zeros((1, 1, 1), np.uint8)
    frame = OfferedFrame(number=number, source="", name="", image=image, captured_ns=0)
    return Item(frame=frame, slot=number, due_ns=due_ns, future=Future())


def numbers(waiting: Waiting) -> list[int]:
    found = []
    while (each := waiting.next()) is not None:
        found.append(each.frame.number)
    return found


@pytest.mark.parametrize(
    ("order", "admits", "refused", "served"), [("oldest", False, 2, [0, 1]), ("newest", True, 0, [2, 1])]
)
def test_a_full_queue_keeps_its_order(order: str, admits: bool, refused: int, served: list[int]) -> None:
    waiting = Waiting(QueueSettings.model_validate({"frames": 2, "order": order}))
    assert [waiting.push(item(0)), waiting.push(item(1))] == [None, None]
    assert waiting.admits is admits
    given_way = waiting.push(item(2))
    assert given_way is not None
    assert given_way.frame.number == refused
    assert numbers(waiting) == served


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_what_is_put_back_is_next_again(order: str) -> None:
    waiting = Waiting(QueueSettings.model_validate({"frames": 4, "order": order}))
    for number in range(3):
        waiting.push(item(number))
    taken = waiting.next()
    assert taken is not None
    waiting.put_back(taken)
    assert waiting.next() is taken


@given(st.lists(st.integers(0, 100), max_size=20), st.integers(0, 100), st.sampled_from(["oldest", "newest"]))
def test_every_frame_is_either_refused_late_or_served(dues: list[int], now: int, order: str) -> None:
    waiting = Waiting(QueueSettings.model_validate({"frames": 5, "order": order}))
    refused = [given_way for at, due in enumerate(dues) if (given_way := waiting.push(item(at, due))) is not None]
    first_due = waiting.first_due_ns()
    late = waiting.expired(now)
    assert all(each.due_ns <= now for each in late)
    assert bool(late) == (first_due is not None and first_due <= now)
    left = len(waiting)
    served = numbers(waiting)
    assert len(served) == left
    ended = [each.frame.number for each in (*refused, *late)] + served
    assert sorted(ended) == list(range(len(dues)))
