"""Our own sources, packed for a device: Beltline as a wheel, the agent as one file; same sources, same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import urlsafe_b64encode
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_HOME = Path(__file__).absolute().parents[1]
_FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")
_FRONT = ("__init__.py", "py.typed")
_WHEEL = "Wheel-Version: 1.0\nGenerator: beltline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_UNINSTALLED = "Metadata-Version: 2.1\nName: beltline\nVersion: 0\n"


def own_wheel() -> tuple[str, bytes]:
    """Give the file name and the bytes of Beltline's own wheel; the same sources give the same bytes."""
    version, described = _metadata()
    info = f"beltline-{version}.dist-info"
    files = {f"beltline/{path.relative_to(_HOME).as_posix()}": path.read_bytes() for path in _sources()}
    files |= {f"{info}/{name}": text.encode() for name, text in {**described, "WHEEL": _WHEEL}.items()}
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    return f"beltline-{version}-py3-none-any.whl", packed(files)


def _sources() -> list[Path]:
    found = (path for floor in _FLOORS for path in sorted((_HOME / floor).resolve().rglob("*")) if path.is_file())
    wanted = (path for path in found if "__pycache__" not in path.parts)
    return [*(_HOME / name for name in _FRONT), *(_HOME / path.relative_to(_root_of(path)) for path in wanted)]


def _root_of(path: Path) -> Path:
    """The folder that holds the floors: in an editable installation they are links to elsewhere."""
    floor = next(part for part in _FLOORS if path.is_relative_to((_HOME / part).resolve()))
    return (_HOME / floor).resolve().parent


def _metadata() -> tuple[str, dict[str, str]]:
    try:
        found = distribution("beltline")
    except PackageNotFoundError:
        return "0", {"METADATA": _UNINSTALLED}
    texts = {name: found.read_text(name) for name in ("METADATA", "entry_points.txt")}
    return found.version, {name: text for name, text in texts.items() if text}


def _record(files: dict[str, bytes], own_name: str) -> str:
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    return "".join([*lines, f"{own_name},,\n"])


def _digest(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


_FOLDER = Path(__file__).with_name("agent")
_MAIN = "import sys\n\nfrom beltline_agent.main import main\n\nsys.exit(main(sys.argv[1:]))\n"


@cache
def agent_file() -> tuple[str, bytes]:
    """Give the agent's name (its digest is in it) and its bytes."""
    sources = {f"beltline_agent/{path.name}": path.read_bytes() for path in sorted(_FOLDER.glob("*.py"))}
    content = packed({"__main__.py": _MAIN.encode(), **sources})
    return f"{hashlib.sha256(content).hexdigest()[:16]}.pyz", content


def packed(files: dict[str, bytes]) -> bytes:
    """Zip files, reproducibly: no times, no owners, in the order given."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
