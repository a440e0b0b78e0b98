"""A gate as a small gauge: what was seen, how far the truth may lie, and the limit."""

from __future__ import annotations

from .svg import Scale, element, line, picture

_HEIGHT = 22.0


def gauge(seen: float, upper: float, limit: float, *, label: str, width: float = 240, kind: str = "fits") -> str:
    """Draw the seen value as a dot, the range up to its bound as a bar, and the limit as a line.

    Args:
        seen: The point estimate.
        upper: Its upper confidence bound, >= seen.
        limit: What the bound must not exceed.
        label: What a screen reader says.
        width: Pixels.
        kind: `fits`, `misses` or `inconclusive`: the colour's class.
    """
    low, high = min(0.0, seen), max(1.35 * limit, 1.06 * upper)
    scale = Scale(low=low, high=high, start=0, end=width)
    middle = _HEIGHT / 2
    return picture(
        width,
        _HEIGHT,
        element("rect", x=0, y=middle - 4, width=scale.at(limit), height=8, class_="gauge-room"),
        line(0, middle, width, middle, "axis"),
        element(
            "rect",
            x=scale.at(seen),
            y=middle - 4,
            width=max(1.0, scale.at(upper) - scale.at(seen)),
            height=8,
            class_=f"gauge-range {kind}",
        ),
        line(scale.at(limit), 1, scale.at(limit), _HEIGHT - 1, "deadline"),
        element("circle", cx=scale.at(seen), cy=middle, r=4.5, class_=f"gauge-seen {kind}"),
        label=label,
    )


def score_gauge(score: float, threshold: float, *, width: float = 240) -> str:
    """Draw a part's score on the way from 0 (surely good) to 1 (surely defective), with the threshold."""
    scale = Scale(low=0, high=1, start=0, end=width)
    middle = _HEIGHT / 2
    rejected = scale.at(threshold)
    return picture(
        width,
        _HEIGHT,
        element("rect", x=0, y=middle - 3, width=rejected, height=6, class_="score-pass"),
        element("rect", x=rejected, y=middle - 3, width=width - rejected, height=6, class_="score-reject"),
        line(rejected, 2, rejected, _HEIGHT - 2, "deadline"),
        element("circle", cx=scale.at(score), cy=middle, r=5, class_="score-dot"),
        label=f"score {score:.3g}, threshold {threshold:.3g}, on a scale from 0 to 1",
    )
