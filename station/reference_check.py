"""The station's own model looks at photographs before they become a reference that every part is compared with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ..export.artifacts import backends
from ..export.bundles.manifest import ModelFacts
from ..export.contracts import Session
from ..export.sessions import open_session
from ..inspection.base.errors import BeltlineError, DataError, StationError
from ..inspection.references.pairs import pair_of
from .frames import PixelRule
from .outcomes import Pixels
from .settings import StationSettings
from .versions.at_work import BundleStore, pixels_of

_MOST_PARTS = 20


class ComparingModel:
    """A bundle's model, open; see `comparing_model`.

    Attributes:
        pixels: How photographs become what it takes.
        parts: Folder of rejected frames that the station kept; None: it keeps none.
    """

    def __init__(self, session: Session, model: ModelFacts, pixels: PixelRule, parts: Path | None) -> None:
        self.pixels, self.parts = pixels, parts
        self._session, self._model = session, model

    def require_size(self, image: Pixels) -> None:
        """Refuse a photograph that the line's frames cannot be compared with.

        Raises:
            DataError: It has another size than they.
        """
        frame, (height, width) = self._model.frame, image.shape[:2]
        if not frame.takes(height, width):
            wanted = f"{frame.frame_width or 'any'} x {frame.frame_height or 'any'}"
            msg = f"wanted photographs of {wanted} pixels, as the line's frames, got {width} x {height}"
            raise DataError(msg)

    def doubt(self, photograph: Pixels, reference: Pixels) -> str:
        """Say what speaks against a photograph, seen beside what it should look like; empty: nothing does."""
        decision = self._session.infer(pair_of(photograph, reference))
        if not decision.aligned:
            return "does not lie on what it is compared with"
        if decision.score < self._model.threshold:
            return ""
        return f"shows what looks like a defect (score {decision.score:.2f}, limit {self._model.threshold:.2f})"

    def strange_parts(self, product: str, reference: Pixels) -> tuple[int, int]:
        """Count the kept frames of a product that a reference does not lie on, of at most the last 20; and all seen."""
        seen = strange = 0
        for image in self._kept_parts(product):
            if image.shape != reference.shape:
                continue
            seen += 1
            strange += not self._session.infer(pair_of(image, reference)).aligned
            if seen == _MOST_PARTS:
                break
        return strange, seen

    def _kept_parts(self, product: str) -> Iterator[Pixels]:
        for entry in sorted(() if self.parts is None else self.parts.glob("*/outcome.json"), reverse=True):
            if (image := _kept_part(entry, product, self.pixels.channels)) is not None:
                yield image


def _kept_part(entry: Path, product: str, channels: int) -> Pixels | None:
    """Read a frame of the ring; None: it shows another product, or the ring has turned meanwhile."""
    from ..inspection.data.images import read_frame

    try:
        if json.loads(entry.read_bytes()).get("product") == product:
            return read_frame(entry.with_name("frame.png"), channels=channels)
    except (OSError, ValueError, BeltlineError):
        return None
    return None


@contextmanager
def comparing_model(settings: StationSettings) -> Iterator[ComparingModel]:
    """Open the model that a station runs.

    Raises:
        BeltlineError: None works here, or it compares nothing.
    """
    with closing(BundleStore(settings)) as store:
        work = store.candidates()[0]()
        if not work.model.frame.reference:
            msg = f"{work.version} compares nothing with a reference"
            raise StationError(msg)
        artifact = work.unpacked.artifact(work.model)
        with open_session(backends()[work.model.backend], artifact, threads=1) as session:
            parts = None if settings.ring is None else settings.ring.folder
            yield ComparingModel(session, work.model, pixels_of(work), parts)


def doubts_of(
    model: ComparingModel, images: Sequence[Pixels], beside: Sequence[Pixels], paths: Sequence[Path]
) -> list[str]:
    """Say what speaks against photographs, one sentence for each that something does.

    Args:
        model: Looks at them.
        images: The photographs.
        beside: What each should look like, such as the median of the others.
        paths: Names them.
    """
    found = [(path, model.doubt(*pair)) for path, *pair in zip(paths, images, beside, strict=True)]
    return [f"{path} {doubt}; look at it, and leave it out if that is so" for path, doubt in found if doubt]
