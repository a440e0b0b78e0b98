"""What a frame gets before it is offered: its product's name, the region that is inspected, the reference beside it."""

from __future__ import annotations

from dataclasses import replace

from ...export.frame_check import require_frame
from ...inspection.base.errors import DataError
from ...inspection.data.frame import FrameSpec
from ..frames import NoticedFrame, OfferedFrame
from ..products import Products
from ..settings import StationSettings


class Preparation:
    """Prepares frames for the model at work; safe to use from any thread."""

    def __init__(self, settings: StationSettings, products: Products | None, *, prefix: str) -> None:
        """Prepare as a station's settings say.

        Args:
            settings: Its regions, and how large a frame may be.
            products: References; None: there are none.
            prefix: What its inspector puts before the names of sources.
        """
        self._regions, self._largest_mb = settings.regions, settings.largest_frame_mb
        self._products, self._prefix = products, prefix

    @property
    def largest_bytes(self) -> int:
        """Of the part of a frame that is inspected."""
        return int(self._largest_mb * 1_000_000)

    def named(self, frame: OfferedFrame | NoticedFrame) -> OfferedFrame | NoticedFrame:
        """Say which product a frame shows, as things stand when it comes."""
        if self._products is None:
            return frame
        return replace(frame, product=self._products.named(frame.product, frame.name, self._own(frame.source)))

    def with_region(self, frame: OfferedFrame, spec: FrameSpec) -> OfferedFrame:
        """Say which part of a frame is inspected: its source's own region, or the one that the model was made for.

        Args:
            frame: As it came.
            spec: What the model at work takes, without a reference.

        Raises:
            DataError: The frame is none that the model takes, or too large.
        """
        own = self._regions.get(self._own(frame.source))
        require_frame(frame.image, spec if own is None else replace(spec, region=own))
        region, size = own or spec.region, frame.image.shape[:2]
        if region is not None and size != (region.height, region.width):
            frame = replace(frame, region=region)
        if frame.inspected.nbytes > self.largest_bytes:
            msg = f"frame: wanted at most {self._largest_mb:g} MB, got {frame.inspected.nbytes / 1e6:g}"
            raise DataError(msg)
        return frame

    def beside_reference(self, frame: OfferedFrame) -> OfferedFrame:
        """Put a frame beside the reference of its product, cut as the frame is; for a model that compares.

        Raises:
            DataError: The product is not known, or its reference is of another size.
        """
        reference, digest = frame.reference, ""
        if reference is None:
            if self._products is None:
                msg = "the model compares frames with references, the station has none; write references: {folder: ...}"
                raise DataError(msg)
            golden = self._products.golden(frame.product, frame.image.shape[2])
            reference, digest = golden.image, golden.digest
        if frame.region is not None and reference.shape == frame.image.shape:
            reference = frame.region.cut(reference)
        if reference.shape != frame.inspected.shape:
            sizes = [f"{each.shape[1]} x {each.shape[0]}" for each in (reference, frame.inspected)]
            msg = f"the reference of {frame.product} has {sizes[0]} pixels, the frame {sizes[1]}; photograph it alike"
            raise DataError(msg)
        return replace(frame, reference=reference, reference_digest=digest)

    def _own(self, source: str) -> str:
        return source.removeprefix(self._prefix)
