"""The `data:` part of line.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

Level = Annotated[int, Field(ge=0, le=65_535)]


def _ordered(window: tuple[int, int]) -> tuple[int, int]:
    if window[0] >= window[1]:
        msg = f"wanted [black, white] with black < white, got {list(window)}"
        raise ValueError(msg)
    return window


Window = Annotated[tuple[Level, Level], AfterValidator(_ordered)]
"""Grey levels that become black and white."""

_Name = Annotated[str, Field(min_length=1, max_length=500)]


class MaskSettings(BaseModel):
    """What the values of masks mean, where they do not show it themselves.

    Attributes:
        ignore: A value, or several, that says nothing about the part, such as 255 around objects; it marks nothing.
        inverted: White, or the largest value, means good and all else marks a defect.
        kinds: Kinds of defect by the value that marks them, such as {1: crack, 2: stain}; a value that is not named is
            its own kind, `value_3`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ignore: Level | tuple[Level, ...] = ()
    inverted: bool = False
    kinds: dict[Level, _Name] = Field(default_factory=dict, max_length=64)

    @property
    def ignored(self) -> tuple[int, ...]:
        """The values to ignore, as a tuple."""
        return self.ignore if isinstance(self.ignore, tuple) else (self.ignore,)


class DataSettings(BaseModel):
    r"""Where the photographs lie and how they are to be read.

    Attributes:
        root: Folder of the data set; relative to line.yaml, resolved by the pipeline.
        reader: A layout by name, such as `labels_csv`; None: detected from the tree.
        good: Labels that mean a good part.
        group: Regular expression whose groups, found in an image's path, name the physical part that it shows, such
            as `(part\d+)_`; None: as the data set says.
        mask: What the values of masks mean.
        skip_unreadable: Leave out images that cannot be read, and count them, instead of stopping at them.
        bit_depth: Bits that a pixel of a 16-bit file really uses (a 12-bit camera: 12); None: 8, or all 16 bits.
        window: Grey levels of 16-bit files that become black and white, such as [0, 4095]; what lies outside is
            clipped. Instead of `bit_depth`.
        channels: 1 reads every image as grey, 3 as colour; None: 1 where all images are grey.
        near_duplicates: Put images that look alike into one group where the data set names no groups.
        decide: `any`: photographs with one group show one part, which is rejected if any of them is; parts are counted,
            not photographs. `each`: every photograph is decided by itself.
        follow_links: Follow symbolic links that lead out of the root, into a store of images.
        unlabelled: `good`: images without an annotation, beside annotated ones, show good parts. `skip`: they are left
            out. Or folders below the root whose files are no samples and no masks on purpose, such as references.
        reference: Where each image's reference lies, a photograph of a good part of the same product, with which it is
            compared: a pattern such as `reference/{group}.png` (`{group}`, `{name}`: the file's name, `{stem}`: without
            suffix, `{path}`: the whole path), a column of labels.csv, or a folder that holds `{path}`, `{name}` or one
            image called as the group. None: frames are not compared.
        leave_out: Images that are no samples, by their path below the root: such as good ones that are not good.
        source: Where the data comes from; shown to those who do not have it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    root: Path
    reader: str | None = None
    good: Annotated[tuple[_Name, ...], Field(min_length=1)] = ("good",)
    group: _Name | None = None
    mask: MaskSettings = MaskSettings()
    skip_unreadable: bool = False
    bit_depth: Annotated[int, Field(ge=8, le=16)] | None = None
    window: Window | None = None
    channels: Literal[1, 3] | None = None
    near_duplicates: bool = True
    decide: Literal["each", "any"] = "each"
    follow_links: bool = False
    unlabelled: Literal["good", "skip"] | tuple[_Name, ...] = ()
    reference: _Name | None = None
    leave_out: tuple[_Name, ...] = ()
    source: Annotated[str, Field(max_length=500)] | None = None

    @property
    def no_samples(self) -> tuple[str, ...]:
        """The folders that `unlabelled` names."""
        return () if isinstance(self.unlabelled, str) else self.unlabelled

    @field_validator("group")
    @classmethod
    def _names_a_part(cls, group: str | None) -> str | None:
        if group is None:
            return None
        try:
            parts = re.compile(group).groups
        except re.error as error:
            msg = f"wanted a regular expression such as '(part\\d+)_', got {group!r}: {error}"
            raise ValueError(msg) from error
        if not parts:
            msg = f"wanted a regular expression with a group in round brackets, such as '(part\\d+)_', got {group!r}"
            raise ValueError(msg)
        return group

    @model_validator(mode="after")
    def _one_scale(self) -> DataSettings:
        if self.window is not None and self.bit_depth is not None:
            msg = f"bit_depth and window both say what is white; keep window: {list(self.window)} or bit_depth"
            raise ValueError(msg)
        return self
