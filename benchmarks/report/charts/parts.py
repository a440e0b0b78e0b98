"""What decisions are made of: a bar each for a typical, a slow and the slowest frame, cut into the parts' times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..wording import ms
from .svg import Scale, element, line, picture, text, text_width_px, tooltip

_ROW, _BAR = 50.0, 22.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a frame's decision, or that of several alike, was made of.

    Attributes:
        name: Which frames.
        parts_ms: (name, kind of the style sheet, mean length in ms) in the order of time.
    """

    name: str
    parts_ms: tuple[tuple[str, str, float], ...]

    @property
    def total_ms(self) -> float:
        """From due to decided."""
        return sum(length for _, _, length in self.parts_ms)


def parts_chart(bars: Sequence[Made], *, deadline_ms: float, width: float) -> str:
    """Draw the bars on one scale, which ends at the slowest; the deadline is drawn where it lies on it.

    Args:
        bars: At least one.
        deadline_ms: Drawn as a line if it is at most twice as far as the longest bar.
        width: Pixels.
    """
    longest = max(each.total_ms for each in bars)
    high = 1.05 * deadline_ms if longest < deadline_ms <= 2 * longest else 1.02 * longest
    scale = Scale(low=0, high=max(high, 1e-6), start=1, end=width - 1)
    floor = _ROW * len(bars) + 6
    drawn = [_bar(each, row * _ROW, scale) for row, each in enumerate(bars)]
    if deadline_ms <= scale.high:
        drawn.append(line(scale.at(deadline_ms), 0, scale.at(deadline_ms), floor, "deadline"))
    said = "; ".join(f"{each.name} {ms(each.total_ms)}" for each in bars)
    return picture(width, floor + 24, *drawn, *_axis(scale, floor), label=f"Parts of a decision: {said}")


def _bar(made: Made, top: float, scale: Scale) -> str:
    head = text(1, top + 16, f"{made.name}: {ms(made.total_ms)}", class_="label strong")
    drawn, start_ms = [head], 0.0
    for name, kind, length_ms in made.parts_ms:
        left, right = scale.at(start_ms), scale.at(start_ms + length_ms)
        start_ms += length_ms
        if length_ms <= 0:
            continue
        hint = tooltip(f"{name}: {ms(length_ms)}")
        rect = {"x": left, "y": top + 24, "width": max(right - left - 1, 0.75), "height": _BAR}
        drawn.append(element("rect", hint, **rect, class_=f"segment {kind}"))
        if text_width_px(name) < right - left - 8:
            drawn.append(text((left + right) / 2, top + 39, name, anchor="middle", class_=f"on-{kind}"))
    return "".join(drawn)


def _axis(scale: Scale, floor: float) -> list[str]:
    marks = [line(scale.start, floor, scale.end, floor, "axis")]
    for tick in scale.ticks(8 if scale.end > 500 else 4):
        x = scale.at(tick)
        anchor = "start" if tick == 0 else "middle" if x < scale.end - 24 else "end"
        marks.append(line(x, floor, x, floor + 5, "axis"))
        marks.append(text(x, floor + 19, f"{tick:g}\u00a0ms", anchor=anchor))
    return marks
