"""How a camera frame becomes a network's input: one object for training, export and the device."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from ..base.errors import DataError
from .bayer import Bayer
from .camera import Region, Tiles
from .runs import resized_runs

Resize = Literal["area", "bilinear"]
LARGEST_INPUT = 4096
"""Height or width of a network's input in pixels, at most."""

MOST_KINDS = 64
"""So many kinds of defect a network tells apart at most."""


def is_input_size(*sides: int) -> bool:
    """Whether networks take inputs of such sides: multiples of 32 up to 4096."""
    return all(not side % 32 and 32 <= side <= LARGEST_INPUT for side in sides)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """Camera frame (uint8, height x width x channels) to network input (float32, channels x height x width).

    The region is cut out, stretched to `height` x `width`, divided by 255 and normalised per channel:
    `(value - mean) / std`.

    Attributes:
        height: Network input height in pixels, a multiple of 32.
        width: Network input width in pixels, a multiple of 32.
        channels: 1 (grey) or 3 (RGB order), as the network sees them.
        mean: Per channel, on the scale 0..1.
        std: Per channel, on the scale 0..1, > 0.
        frame_height: Height of every frame in pixels, of the region where there is one; None where frames differ.
        frame_width: Likewise its width.
        region: The part of the camera's frame that is inspected; None: the whole frame.
        resize: `area`: averaged over areas before the graph, see `preparation.prepared`; `bilinear`: in the graph,
            half-pixel centres, no antialiasing (frames that need no shrinking, and models made before).
        reference: Whether the network compares each frame with a good photograph of the same product: arrays then hold
            the frame above its reference, and the network takes `planes`; see `inspection.references.pairs`.
        tiles: Frames are cut into tiles of `height` x `width` instead of being stretched to it; None: they are not.
        ignore: What is never judged, as run lengths (`runs.runs_of`) of the frame as it is before it is cut into
            tiles; it is painted in the mean colour. None: nothing.
        kinds: Kinds of defect that the network tells apart, in the order of its heatmaps; empty: it tells none.
        bayer: Frames are raw mosaics of one channel, of this pattern, and become RGB before the graph; None: they have
            `channels`.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frame_height: int | None = None
    frame_width: int | None = None
    region: Region | None = None
    resize: Resize = "bilinear"
    reference: bool = False
    tiles: Tiles | None = None
    ignore: tuple[int, ...] | None = None
    kinds: tuple[str, ...] = ()
    bayer: Bayer | None = None

    def __post_init__(self) -> None:
        """Refuse what no network can take."""
        if self.channels not in (1, 3):
            msg = f"frame: channels must be 1 or 3, got {self.channels}"
            raise DataError(msg)
        for name, value in (("height", self.height), ("width", self.width)):
            if not is_input_size(value):
                msg = f"frame: {name} must be a multiple of 32 in [32, {LARGEST_INPUT}], got {value}"
                raise DataError(msg)
        if len(self.mean) != self.channels or len(self.std) != self.channels or min(self.std) <= 0:
            msg = f"frame: mean and std need {self.channels} values and std > 0, got {self.mean} and {self.std}"
            raise DataError(msg)
        if len(self.kinds) == 1 or len(set(self.kinds)) < len(self.kinds) or len(self.kinds) > MOST_KINDS:
            msg = f"frame: kinds must be 2 to {MOST_KINDS} different names, or none, got {list(self.kinds)}"
            raise DataError(msg)
        if self.resize not in get_args(Resize):
            msg = f"frame: resize must be one of {', '.join(get_args(Resize))}, got {self.resize!r}; update Beltline"
            raise DataError(msg)
        if self.tiles is not None and ((self.height, self.width) != (self.tiles.size,) * 2 or self.resize != "area"):
            msg = f"frame: tiles of {self.tiles.size} need that height and width and resize area, got {self}"
            raise DataError(msg)
        if self.bayer is not None:
            self._require_mosaics(self.bayer)

    def _require_mosaics(self, pattern: Bayer) -> None:
        if pattern not in get_args(Bayer) or self.channels != 3 or self.reference:
            msg = (
                f"frame: bayer must be one of {', '.join(get_args(Bayer))}, of 3 channels and without a reference, got "
                f"{pattern!r}, {self.channels} channels; update Beltline"
            )
            raise DataError(msg)
        if self.region is not None and (wrong := self.region.odd):
            raise DataError(wrong)

    @property
    def frame_channels(self) -> int:
        """Channels of the camera's frames: one where they are mosaics, else the network's."""
        return self.channels if self.bayer is None else 1

    @property
    def in_graph(self) -> FrameSpec:
        """What is left to the graph: how it treats frames that `preparation.prepared` has seen to."""
        alone = replace(self, region=None, tiles=None, ignore=None, bayer=None, resize="bilinear")
        return alone if self.resize == "bilinear" else replace(alone, frame_height=self.height, frame_width=self.width)

    @property
    def resizes(self) -> bool:
        """Whether the graph stretches frames: not if all that it is given have the network's input size."""
        graph = self.in_graph
        return (graph.frame_height, graph.frame_width) != (self.height, self.width)

    @property
    def prepared_size(self) -> tuple[int, int] | None:
        """Height and width of frames as `preparation.prepared` gives them; None where they differ."""
        if self.tiles is None and self.resize == "area":
            return self.height, self.width
        if self.frame_height is None or self.frame_width is None:
            return None
        size = self.frame_height, self.frame_width
        return size if self.tiles is None else self.tiles.scaled(*size)

    def takes(self, height: int, width: int) -> bool:
        """Whether a camera's frames of a size can be inspected: of the size fixed, or holding the region.

        >>> spec = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,), frame_height=40, frame_width=50)
        >>> spec.takes(40, 50), spec.takes(50, 40)
        (True, False)
        """
        if self.frame_height in (None, height) and self.frame_width in (None, width):
            return True
        return self.region is not None and self.region.lies_within(height, width)

    def of_size(self, height: int, width: int) -> FrameSpec:
        """Give the same for a network of another input size; frames that may have to shrink are averaged over areas.

        Raises:
            DataError: Frames are cut into tiles.
        """
        if self.tiles is not None:
            msg = f"input_size: tiles of {self.tiles.size} are what every network of this line takes; leave it out"
            raise DataError(msg)
        fits = (self.frame_height or height + 1) <= height and (self.frame_width or width + 1) <= width
        sized = replace(self, height=height, width=width, resize="bilinear" if fits else "area", ignore=None)
        before, after = self.prepared_size, sized.prepared_size
        if self.ignore is None or before is None or after is None:
            return sized
        return replace(sized, ignore=resized_runs(self.ignore, before, after))

    @property
    def planes(self) -> int:
        """Channels of the network's input: the frame's; with a reference those twice and where there is one."""
        return 2 * self.channels + 1 if self.reference else self.channels

    @property
    def alone(self) -> FrameSpec:
        """What a frame without its reference is: for those who are given the one and add the other."""
        return replace(self, reference=False) if self.reference else self

    def array_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Give the shape of the array that holds a frame of this size, with its reference where there is one."""
        return (2 * height if self.reference else height, width, self.frame_channels)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `from_json` reads; what is left out has its default."""
        plain = {**asdict(self), "mean": list(self.mean), "std": list(self.std)}
        plain["region"] = None if self.region is None else self.region.model_dump()
        plain["tiles"] = None if self.tiles is None else self.tiles.model_dump()
        plain["kinds"] = list(self.kinds)
        left_out: dict[str, Any] = {"region": None, "resize": "bilinear", "reference": False, "tiles": None}
        left_out |= {"ignore": None, "kinds": [], "bayer": None}
        return {name: value for name, value in plain.items() if name not in left_out or value != left_out[name]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FrameSpec:
        """Read what `to_json` wrote.

        >>> spec = FrameSpec(height=160, width=160, channels=1, mean=(0.5,), std=(0.25,))
        >>> FrameSpec.from_json(spec.to_json()) == spec
        True
        """
        try:
            given = {**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])}
            for name, kind in (("region", Region), ("tiles", Tiles)):
                if value.get(name) is not None:
                    given[name] = kind.model_validate(value[name])
            if value.get("ignore") is not None:
                given["ignore"] = tuple(int(length) for length in value["ignore"])
            if "kinds" in value:
                given["kinds"] = tuple(value["kinds"])
            return cls(**given)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"frame: not a frame specification: {error}"
            raise DataError(msg) from error
