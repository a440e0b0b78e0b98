"""A folder of photographs of good parts and nothing else; folders in it, such as one a day, are walked through."""

from __future__ import annotations

from pathlib import Path

from ..data.dataset import Listing
from ..data.files import images_below


class GoodParts:
    """Every image below the root shows a good part; never detected, since no name says that they are good."""

    name = "good_parts"
    layout = "photographs of good parts only, in any folders; to be named as data.reader"

    def detects(self, root: Path) -> bool:  # noqa: ARG002  every reader is asked alike
        """Say no: that a folder holds good parts only is for people to say."""
        return False

    def read(self, root: Path) -> list[Listing]:
        """List every image below the root as a good part."""
        return [Listing(path=each.relative_to(root).as_posix(), label="good") for each in images_below(root)]


READER = GoodParts()
