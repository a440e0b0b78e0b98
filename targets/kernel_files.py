"""Reading what the kernel tells under /proc and /sys: what is not there, or not to be read, is empty."""

from __future__ import annotations

from pathlib import Path


def text_of(path: Path) -> str:
    """Read a file of the kernel, without blanks around it; empty where there is none."""
    try:
        return path.read_text(errors="replace").strip().strip("\0")
    except OSError:
        return ""


def numbers_of(root: Path, pattern: str) -> list[int]:
    """Read every file under `root` that the pattern names and that holds one whole number."""
    texts = (text_of(path) for path in root.glob(pattern))
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def words_of(root: Path, pattern: str) -> str | None:
    """Give the different texts of all files that the pattern names, such as `performance, powersave`; None: no file."""
    return ", ".join(sorted({text for path in root.glob(pattern) if (text := text_of(path))})) or None


def cpuinfo(root: Path) -> dict[str, str]:
    """Read the first processor's entry of /proc/cpuinfo."""
    first = text_of(root / "proc/cpuinfo").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
