"""A target: the device that a model must run on, as the pipeline addresses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where artifacts are built for and measured.

    Attributes:
        name: `local`, a device profile's name, or what line.yaml calls a device over ssh.
        threads: Threads an engine may use, >= 1.
        cpus: Logical CPUs that measuring processes are pinned to; `len(cpus) >= threads`.
        differs: How the device that was met is not the one that its profile describes; empty: as described.
    """

    name: str
    threads: int
    cpus: tuple[int, ...]
    differs: tuple[str, ...] = ()
