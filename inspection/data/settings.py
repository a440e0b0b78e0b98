"""The `data:` part of line.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class DataSettings(BaseModel):
    """Where the photographs lie and how they are to be read.

    Attributes:
        root: Folder of the data set; relative to line.yaml, resolved by the pipeline.
        reader: A layout by name, such as `labels_csv`; None: detected from the tree.
        skip_unreadable: Leave out images that cannot be read, and count them, instead of stopping at them.
        bit_depth: Bits that a pixel of a 16-bit file really uses (a 12-bit camera: 12); None: 8, or all 16 bits.
        channels: 1 reads every image as grey, 3 as colour; None: 1 where all images are grey.
        near_duplicates: Put images that look alike into one group where the data set names no groups.
        source: Where the data comes from, in words; told to those who do not have it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    reader: str | None = None
    skip_unreadable: bool = False
    bit_depth: Annotated[int, Field(ge=8, le=16)] | None = None
    channels: Literal[1, 3] | None = None
    near_duplicates: bool = True
    source: Annotated[str, Field(max_length=500)] | None = None
