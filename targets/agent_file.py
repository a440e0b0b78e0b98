"""Packs the agent into one file that any Python from 3.10 on runs: the same sources, the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

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
