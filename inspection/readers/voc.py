"""Pascal VOC: an XML file for each image, with boxes; also roLabelImg's turned boxes.

The files may lie beside the images or in a folder of their own (`Annotations`, `ANNOTATIONS`, `annotations`), with
`ImageSets/Main/train.txt` and the like, or folders, for splits. Sources: the VOC2012 development kit (coordinates begin
at 1, and a box holds its last pixel), github.com/HumanSignal/labelImg, github.com/cgvict/roLabelImg (radians).
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from xml.etree.ElementTree import Element

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area
from ..data.dataset import Listing, Split
from ..data.files import plain_name
from ._documents import beginning, files_below, numbers, sides, text_of, xml_of
from ._pairing import ImageTree, Marked, pair_files, split_of
from ._shapes import in_radians, turned_box

_FIRST = 20
_LOOKED_AT = 200  # folders: enough to find the first file of a large tree


class Voc:
    """Any tree of images with an XML file for each."""

    name = "voc"
    layout = "an XML file for each image in Pascal VOC's form (<object>, <bndbox>), beside it or in Annotations/"

    def detects(self, root: Path) -> bool:
        """Say whether one of the first XML files of the tree is an annotation of VOC."""
        if (root / "labels.csv").exists():
            return False
        return any(_is_voc(file) for file in islice(files_below(root, ".xml", _LOOKED_AT), _FIRST))

    def read(self, root: Path) -> list[Listing]:
        """List every image that a file annotates, and those beside them without a file.

        Raises:
            DataError: There is no such file.
        """
        files = sorted(file for file in files_below(root, ".xml") if _is_voc(file))
        if not files:
            msg = f"{root}: wanted {self.layout}, got no such XML file"
            raise DataError(msg)
        return pair_files(root, files, ImageTree(root), _marked, _splits(root))


def _is_voc(file: Path) -> bool:
    text = beginning(file)
    return "<annotation" in text and "<annotations" not in text


def _marked(file: Path) -> Marked:
    found = xml_of(file)
    if found.tag != "annotation":
        msg = f"{file}: wanted an annotation of Pascal VOC, got <{found.tag}>"
        raise DataError(msg)
    size = [float(found.findtext(f"size/{side}") or 0) for side in ("width", "height")]
    areas = tuple(_area(each, f"{file.name}: object {at + 1}") for at, each in enumerate(found.findall("object")))
    written = (found.findtext("filename") or "").strip()
    return Marked(written=written or None, areas=areas, drawn_on=(size[0], size[1]) if min(size) > 0 else None)


def _area(found: Element, what: str) -> Area:
    kind = (found.findtext("name") or "").strip()
    if not kind:
        msg = f"{what} has no name; name its kind"
        raise DataError(msg)
    if (turned := found.find("robndbox")) is not None:
        x, y, width, height, angle = _values(turned, ("cx", "cy", "w", "h", "angle"), what)
        box = sides(x - width / 2, y - height / 2, x + width / 2, y + height / 2, what=what)
        return polygon_area(kind, turned_box(box, in_radians(angle, what=what)))
    straight = found.find("bndbox")
    if straight is None:
        msg = f"{what} ({kind}) has no bndbox; draw it again or delete it"
        raise DataError(msg)
    left, top, right, bottom = _values(straight, ("xmin", "ymin", "xmax", "ymax"), what)
    if right < left or bottom < top:
        sides(left, top, right, bottom, what=what)
    return box_area(kind, (left - 1, top - 1, right, bottom))


def _values(found: Element, names: tuple[str, ...], what: str) -> list[float]:
    return numbers([found.findtext(name) for name in names], what=f"{what}: {', '.join(names)}")


def _splits(root: Path) -> dict[str, Split]:
    """Read `ImageSets/Main`: a file for each split, an image's name in each line."""
    splits: dict[str, Split] = {}
    for folder in ("ImageSets/Main", "ImageSets/Segmentation"):
        for file in sorted((root / folder).glob("*.txt")):
            if file.stem in ("train", "val", "test") and (split := split_of(file.name)) is not None:
                names = [line.split()[0] for line in text_of(file).splitlines() if line.strip()]
                splits |= dict.fromkeys(map(plain_name, names), split)
        if splits:
            break
    return splits


READER = Voc()
