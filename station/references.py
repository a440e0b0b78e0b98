"""A folder of references: a good photograph of each product, kept as files that may change while a station runs.

`<folder>/<product>.png` is a product's reference, `<folder>/journal.jsonl` says who changed what and when, each line
with the digest of the line before.
"""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..inspection.base.errors import DataError, StorageError
from ..inspection.base.locking import locked
from ..inspection.base.storage import write_bytes
from .frames import PixelRule
from .outcomes import Pixels
from .reference_check import ComparingModel, doubts_of

PRODUCT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_PRODUCTS = 2_000
_MOST_BYTES = 1 << 30
_JOURNAL = "journal.jsonl"


class Signature(NamedTuple):
    """Tells a file that was replaced from the one before.

    Attributes:
        modified_ns: When it was written.
        size_bytes: How long it is.
        inode: Which file it is.
    """

    modified_ns: int
    size_bytes: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A product's reference.

    Attributes:
        product: Its name.
        digest: `sha256:<hex>` of its file.
        image: uint8 `[height, width, channels]`; nobody writes to it.
    """

    product: str
    digest: str
    image: Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A reference as it lies in the folder.

    Attributes:
        product: Its name.
        digest: `sha256:<hex>` of the file.
        width: Pixels.
        height: Pixels.
    """

    product: str
    digest: str
    width: int
    height: int


def kept_references(folder: Path) -> list[Kept]:
    """List the products that have a reference, by name.

    Raises:
        DataError: A file cannot be read.
    """
    found = [read_reference(folder, product, 3) for product in sorted(signatures_in(folder))]
    return [
        Kept(product=each.product, digest=each.digest, width=each.image.shape[1], height=each.image.shape[0])
        for each in found
    ]


def add_reference(
    folder: Path, product: str, photographs: Sequence[Path], *, model: ComparingModel | None = None, by: str = ""
) -> tuple[Kept, list[str]]:
    """Make a product's reference of one photograph or several, in the place of the one that is there.

    Several are moved onto the first, and each pixel becomes their median, so that noise and what only one of them shows
    are gone.

    Args:
        folder: Of the references.
        product: Its name.
        photographs: Of good parts.
        model: Looks at them; None: nobody does.
        by: Who says so, for the journal; empty: whoever runs this program.

    Returns:
        The reference, and warnings: it is the only photograph, one does not show what the others do or shows nothing,
        the model sees what looks like a defect, parts of the product that the station kept do not look like it, or
        another product is called so but for capitals.

    Raises:
        DataError: The name cannot be one, a photograph cannot be read, or they differ in size.
        StorageError: The folder cannot be written, or holds 2,000 products.
    """
    _require_name(product)
    images = _photographs(product, photographs, model)
    combined, warnings = _combined(images, photographs)
    warnings += [
        f"{path} shows an even surface, which fits wherever it lies; is it too bright or too dark?"
        for path, image in zip(photographs, images, strict=True)
        if _shows_nothing(image)
    ]
    if model is not None:
        warnings += _model_warnings(model, images, photographs, _before(folder, product, images[0]))
        strange, seen = model.strange_parts(product, combined)
        if strange:
            warnings.append(f"it does not lie on {strange} of the {seen} parts of {product} that the station kept")
    content = _png(combined)
    with _changing(folder):
        others = signatures_in(folder).keys() - {product}
        if len(others) >= MOST_PRODUCTS:
            msg = f"{folder}: wanted at most {MOST_PRODUCTS:,} products; remove those that are made no more"
            raise StorageError(msg)
        if twins := [each for each in others if each.casefold() == product.casefold()]:
            warnings.append(
                f"{twins[0]} has a reference, too: the two are different products, and names are taken exactly"
            )
        write_bytes(folder / f"{product}.png", content)
        digest = f"sha256:{sha256(content).hexdigest()}"
        names = [path.name for path in photographs]
        _note(folder, by, {"did": "add", "product": product, "digest": digest, "of": names, "warnings": warnings})
    return Kept(product=product, digest=digest, width=combined.shape[1], height=combined.shape[0]), warnings


def remove_reference(folder: Path, product: str, *, by: str = "") -> None:
    """Take a product's reference away; its frames are answered to the safe side from then on.

    Args:
        folder: Of the references.
        product: Its name.
        by: As for `add_reference`.

    Raises:
        DataError: There is none.
        StorageError: The folder cannot be written, or holds 2,000 products.
    """
    _require_name(product)
    with _changing(folder):
        path = folder / f"{product}.png"
        if not path.is_file():
            msg = f"{folder} holds no reference of product {product!r}; see beltline reference list"
            raise DataError(msg)
        path.unlink()
        _note(folder, by, {"did": "remove", "product": product})


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be made: {error.strerror}"
        raise StorageError(msg) from error
    with locked(folder, instead="try again in a moment", wait_s=5.0):
        yield


def _require_name(product: str) -> None:
    if PRODUCT.fullmatch(product) is None:
        msg = f"product: wanted up to 64 letters, digits, dots, dashes and underscores, got {product[:80]!r}"
        raise DataError(msg)


def _photographs(product: str, paths: Sequence[Path], model: ComparingModel | None) -> list[Pixels]:
    """Read them as the line's frames are read.

    Raises:
        DataError: One cannot be read, or their sizes do not fit.
    """
    from ..inspection.data.images import frame_of_content, read_bytes

    rule = PixelRule(channels=3) if model is None else model.pixels
    images = [
        frame_of_content(
            path, read_bytes(path), channels=rule.channels, bit_depth=rule.bit_depth, window=rule.window
        )
        for path in paths
    ]  # fmt: skip
    if not images or any(each.shape != images[0].shape for each in images):
        sizes = ", ".join(f"{each.shape[1]} x {each.shape[0]}" for each in images) or "no photograph"
        msg = f"reference {product}: wanted photographs of one size, as the line's camera takes them, got {sizes}"
        raise DataError(msg)
    if model is not None:
        model.require_size(images[0])
    return images


def _combined(images: Sequence[Pixels], paths: Sequence[Path]) -> tuple[Pixels, list[str]]:
    if len(images) == 1:
        return images[0], ["it is the only photograph: what is wrong with that part counts as right; give two or more"]
    there = _moved_onto(images[0], images[1:])
    warnings = [
        f"{path} does not show what {paths[0]} shows, and is left out"
        for path, image in zip(paths[1:], there, strict=True)
        if image is None
    ]
    return _median([images[0], *(image for image in there if image is not None)]), warnings


def _shows_nothing(image: Pixels) -> bool:
    from ..inspection.references.alignment import searchable

    return searchable(image) is None


def _model_warnings(
    model: ComparingModel, images: Sequence[Pixels], paths: Sequence[Path], before: Pixels | None
) -> list[str]:
    """Let the model see each photograph beside the median of the others, a single one beside the one of before."""
    if len(images) == 1:
        return [] if before is None else doubts_of(model, images, [before], paths)
    beside = []
    for place, image in enumerate(images):
        others = [*images[:place], *images[place + 1 :]]
        beside.append(_median([each for each in _moved_onto(image, others) if each is not None] or [others[0]]))
    return doubts_of(model, images, beside, paths)


def _before(folder: Path, product: str, image: Pixels) -> Pixels | None:
    """Give the reference that is replaced; None: there is none that photographs can be compared with."""
    try:
        before = read_reference(folder, product, image.shape[2]).image
    except DataError:
        return None
    return before if before.shape == image.shape else None


def _moved_onto(first: Pixels, others: Sequence[Pixels]) -> list[Pixels | None]:
    """Move photographs onto one; None: it does not show the same."""
    from ..inspection.references.pairs import compared, pair_of

    both = [compared(pair_of(first, each)) for each in others]
    channels = first.shape[2]
    return [np.ascontiguousarray(each.reference[:, :, :channels]) if each.aligned else None for each in both]


def _median(images: Sequence[Pixels]) -> Pixels:
    middle: Pixels = np.median(np.stack(images), axis=0).astype(np.uint8)
    return middle


def read_reference(folder: Path, product: str, channels: int) -> Golden:
    """Read a product's reference as a model with so many channels takes it.

    Raises:
        DataError: It cannot be read.
    """
    from ..inspection.data.images import frame_of_content, read_bytes

    path = folder / f"{product}.png"
    content = read_bytes(path)
    image = frame_of_content(path, content, channels=channels, most_bytes=_MOST_BYTES)
    return Golden(product=product, digest=f"sha256:{sha256(content).hexdigest()}", image=image)


def _png(image: Pixels) -> bytes:
    import cv2

    grey = bool((image[:, :, :1] == image).all())
    pixels = image[:, :, 0] if grey else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def signatures_in(folder: Path) -> dict[str, Signature]:
    """List the products with a reference, and what tells its file from one before; none where there is no folder.

    Raises:
        DataError: The folder cannot be listed.
    """
    found: dict[str, Signature] = {}
    try:
        for entry in os.scandir(folder):
            product = entry.name.removesuffix(".png")
            if entry.name.endswith(".png") and PRODUCT.fullmatch(product) and entry.is_file():
                facts = entry.stat()
                found[product] = Signature(facts.st_mtime_ns, facts.st_size, facts.st_ino)
    except FileNotFoundError:
        return found
    except OSError as error:
        msg = f"{folder}: cannot be listed: {error.strerror}"
        raise DataError(msg) from error
    return found


def journal_problem(folder: Path) -> str:
    """Say where a folder's journal was changed afterwards; empty: each line holds the digest of the one before."""
    try:
        lines = (folder / _JOURNAL).read_bytes().splitlines()
    except FileNotFoundError:
        return ""
    before = _digest(b"")
    for number, line in enumerate(lines, start=1):
        try:
            follows = json.loads(line)["follows"]
        except (ValueError, LookupError, TypeError):
            follows = None
        if follows != before:
            return f"{folder / _JOURNAL}, line {number} does not follow the one before: somebody changed the journal"
        before = _digest(line)
    return ""


def _note(folder: Path, by: str, what: dict[str, object]) -> None:
    path = folder / _JOURNAL
    lines = path.read_bytes().splitlines() if path.exists() else []
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    follows = _digest(lines[-1] if lines else b"")
    line = {"when": when, "who": by or getpass.getuser(), **what, "follows": follows}
    with path.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(line, sort_keys=True) + "\n")


def _digest(line: bytes) -> str:
    return f"sha256:{sha256(line).hexdigest()}"
