"""The operator's page in a real Chromium: it shows what is there, reads from three metres, asks nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame
from web_station import Running, station

# 20 minutes of arc (ISO 9241-303) at 3 m are 17.5 mm; a 24-inch screen of 1920 x 1080 has 3.61 pixels a millimetre.
CAPITAL_PX = 17.5 * 3.61
CAPITAL_SHARE = 0.7


@pytest.fixture
def page(browser: Any, running: Running) -> Iterator[Any]:  # noqa: ARG001 - the station ends after this
    """The browser, which leaves the page again before the station ends."""
    yield browser
    browser.visit("about:blank")


def visit(browser: Any, running: Running, *, width: int = 1920, height: int = 1080) -> str:
    url = f"http://127.0.0.1:{running.port}/"
    browser.visit(url, width=width, height=height)
    return url


def eventually(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def show(running: Running, frame: Frame) -> None:
    assert running.json("/frames?name=part", bytes(cv2.imencode(".png", frame)[1]))[0] == 200


def frames_of(bundle: Any, frames: list[Frame], *, rejected: bool) -> list[Frame]:
    rejects = bundle.parts.golden.rejects["onnx_runtime"]
    return [frame for frame, reject in zip(frames, rejects, strict=True) if reject is rejected]


def state(browser: Any) -> str:
    return str(browser.evaluate("document.body.dataset.state"))


def test_the_light_follows_the_parts(page: Any, running: Running, bundle: Any, frames: list[Frame]) -> None:
    url = visit(page, running)
    show(running, frames_of(bundle, frames, rejected=True)[0])
    eventually(lambda: state(page) == "reject")
    assert page.evaluate("document.getElementById('word').textContent") == "REJECT"
    time.sleep(1.6)
    show(running, frames_of(bundle, frames, rejected=False)[0])
    eventually(lambda: state(page) == "pass")
    assert page.evaluate("document.getElementById('word').textContent") == "PASS"
    eventually(lambda: page.evaluate("[...document.images].some(each => each.naturalWidth > 0)"))
    offered = running.service.counters.snapshot().offered
    eventually(lambda: page.evaluate("document.getElementById('offered').textContent") == f"{offered:,}")
    assert page.complaints(url) == []


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720)])
def test_verdict_and_numbers_read_from_three_metres(
    page: Any, running: Running, bundle: Any, frames: list[Frame], width: int, height: int
) -> None:
    """On a screen of 24 inches, whatever its resolution."""
    visit(page, running, width=width, height=height)
    show(running, frames_of(bundle, frames, rejected=True)[0])
    eventually(lambda: state(page) == "reject")
    shown = "[...document.querySelectorAll('.word, .why, .number')]"
    sizes = page.evaluate(f"{shown}.map(each => parseFloat(getComputedStyle(each).fontSize))")
    assert len(sizes) == 5
    assert min(sizes) * CAPITAL_SHARE >= CAPITAL_PX * width / 1920
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert page.evaluate(_OVERFLOWING) == []
    assert page.faint() == []


def test_a_telephone_shows_it_too(page: Any, running: Running, bundle: Any, frames: list[Frame]) -> None:
    visit(page, running, width=390, height=844)
    show(running, frames_of(bundle, frames, rejected=True)[0])
    eventually(lambda: state(page) == "reject")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_misses_are_not_told_by_colour_alone(page: Any, running: Running) -> None:
    running.json("/frames", b"no image")
    visit(page, running)
    eventually(lambda: page.evaluate("document.getElementById('missed').className") == "some")
    assert "faulty" in page.evaluate("document.getElementById('notice').textContent")
    assert int(page.evaluate("document.getElementById('misses').textContent")) >= 1


def test_names_are_shown_as_text(page: Any, running: Running, frames: list[Frame]) -> None:
    url = visit(page, running)
    time.sleep(0.3)
    body = bytes(cv2.imencode(".png", frames[0])[1])
    assert running.json("/frames?name=%3Cimg%20src=x%20onerror=alert(1)%3E", body)[0] == 200
    eventually(lambda: "<img src=x" in str(page.evaluate("[...document.images].map(each => each.alt).join(' ')")))
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert page.complaints(url) == []


def test_a_station_that_is_gone_is_not_shown_as_well(browser: Any, bundle: Any, frames: list[Frame]) -> None:
    with station(bundle) as short:
        visit(browser, short)
        show(short, frames_of(bundle, frames, rejected=False)[0])
        eventually(lambda: state(browser) == "pass")
    eventually(lambda: state(browser) == "lost")
    assert browser.evaluate("document.getElementById('word').textContent") == "NO SIGNAL"
    browser.visit("about:blank")


def test_the_page_under_load_is_worth_a_look(page: Any, running: Running, frames: list[Frame], tmp_path: Path) -> None:
    visit(page, running)
    for place in range(40):
        show(running, frames[place % len(frames)])
        time.sleep(0.02)
    eventually(lambda: page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth)"))
    shot = page.screenshot()
    (Path(os.environ.get("KEEP_SCREENSHOT", tmp_path / "page.png"))).write_bytes(shot)
    seen = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert seen.shape == (1080, 1920, 3)
    assert seen.std() > 20


_OVERFLOWING = """
[...document.querySelectorAll('.light *, .numbers *')].filter(each => {
  const inner = each.getBoundingClientRect(), outer = each.closest('section').getBoundingClientRect();
  return inner.width && (inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1 || inner.top < outer.top - 1);
}).map(each => each.id || each.className)
"""
