"""The same tasks on a Ray cluster: trainings hold CPUs and GPUs, measurements hold the device.

The run's folder and the photographs lie on storage that every node sees under the same path, as Ray's own trainings
want it. So a finished stage is there for all, and what a dead node was at is taken up by another from its stages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...inspection.base.errors import HostError, LineFileError, StorageError
from ..console import Console
from .settings import SearchSettings
from .tasks import Answer, Task, answered, failure
from .work import Place

_RETRIES = 3
_PATIENCE_S = 30.0
"""So long a device may be away, such as while its node starts anew, before the search stops."""


class RayEngine:
    """An `Engine` of Ray tasks.

    A measurement holds one of a custom resource that is named after its target, and all CPUs of the node that offers
    it: so nothing else of the cluster runs on the device while it is timed. A task whose node dies is done again on
    another.
    """

    def __init__(self, place: Place, settings: SearchSettings) -> None:
        import ray

        self._ray, self._settings = ray, settings
        self._targets = tuple(each.settings.label for each in place.devices)
        self._here = any(each.settings.ssh is None for each in place.devices)
        self._place: Any = ray.put(place)
        self._work: Any = ray.remote(max_retries=_RETRIES)(_worked)
        self._tasks: dict[Any, Task] = {}
        self._away_since: float | None = None
        _require_device(self._nodes(), self._targets, driver=ray.util.get_node_ip_address() if self._here else None)

    @property
    def room(self) -> int:
        """See `Engine`; a trial that is being measured leaves its training to another."""
        return max(0, self._makers + 1 - len(self._tasks))

    def takes(self, task: Task) -> bool:
        """See `Engine`; Ray queues what there is no room for."""
        return task.exclusive or sum(not each.exclusive for each in self._tasks.values()) < self._makers

    def submit(self, task: Task) -> None:
        """See `Engine`."""
        self._tasks[self._work.options(**self._held(task)).remote(task, self._place)] = task

    def wait(self, seconds: float) -> Sequence[Answer]:
        """See `Engine`."""
        if not self._tasks:
            return []
        ready, _ = self._ray.wait(list(self._tasks), timeout=seconds)
        answers = [self._answer(each, self._tasks.pop(each)) for each in ready]
        return answers or self._gone()

    def cancel(self) -> None:
        """Stop what is under way; it goes on from its stages in the next call."""
        for each in self._tasks:
            self._ray.cancel(each, force=True)

    @property
    def _makers(self) -> int:
        return self._settings.workers or max(1, sum(each["Resources"].get("CPU", 0) >= 1 for each in self._nodes()))

    def _nodes(self) -> list[dict[str, Any]]:
        return [each for each in self._ray.nodes() if each["Alive"]]

    def _held(self, task: Task) -> dict[str, Any]:
        if not task.exclusive:
            return {"num_cpus": self._settings.cpus, "num_gpus": self._settings.gpus}
        device = next((each for each in self._nodes() if _offers(each, self._targets)), None)
        cpus = device["Resources"].get("CPU", 0) if device else 0
        return {"num_cpus": cpus, "resources": dict.fromkeys(self._targets, 1)}

    def _answer(self, reference: Any, task: Task) -> Answer:
        try:
            found: Answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as error:
            return failure(task, f"Ray gave it up after {_RETRIES} retries: {error}")
        return found

    def _gone(self) -> list[Answer]:
        """Say so where a measurement waits for a device that no node offers any more."""
        waiting = [each for each in self._tasks.values() if each.exclusive]
        if not waiting or any(_offers(each, self._targets) for each in self._nodes()):
            self._away_since = None
            return []
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since < _PATIENCE_S:
            return []
        why = f"no node offers {', '.join(self._targets)} any more; start one with --resources"
        return [failure(waiting[0], why, fatal=HostError)]


@contextmanager
def ray_engine(place: Place, settings: SearchSettings) -> Iterator[RayEngine]:
    """Join a Ray cluster, unless this process has joined one already.

    Raises:
        HostError: There is none at the address.
        LineFileError: No node offers the target.
    """
    import ray

    joined = ray.is_initialized()
    if not joined:
        _join(settings.address or os.environ.get("RAY_ADDRESS") or "auto")
    try:
        engine = RayEngine(place, settings)
        try:
            yield engine
        finally:
            engine.cancel()
    finally:
        if not joined:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        msg = f"search: no Ray cluster at {address}: {error}; start one with `ray start --head`, or set search.address"
        raise HostError(msg) from error


def _require_device(nodes: Sequence[Mapping[str, Any]], targets: Sequence[str], *, driver: str | None) -> None:
    """Look for the node that offers all targets; where this machine is one, that node must be here."""
    offering = [each for each in nodes if _offers(each, targets)]
    if not offering:
        shown = ", ".join(f'"{name}": 1' for name in targets)
        msg = (
            f"search: no node of the Ray cluster offers {', '.join(targets)}; start one with --resources='{{{shown}}}'"
        )
        raise LineFileError(msg)
    if driver is not None and all(each["NodeManagerAddress"] != driver for each in offering):
        msg = (
            f"search: the target is this machine ({driver}), but {targets[0]} is offered by "
            f"{offering[0]['NodeManagerAddress']}; run beltline there, or write the target as ssh://user@host"
        )
        raise LineFileError(msg)


def _offers(node: Mapping[str, Any], targets: Sequence[str]) -> bool:
    return all(node["Resources"].get(name, 0) >= 1 for name in targets)


def _worked(task: Task, place: Place) -> Answer:
    """Work a task off on the node that Ray chose."""
    if not (place.folder / "run.json").is_file():
        why = f"node {os.uname().nodename} does not see {place.folder}; put --runs on storage that all nodes share"
        return failure(task, why, fatal=StorageError)
    log = place.folder / "search" / f"{os.uname().nodename}-{os.getpid()}.log"
    with log.open("a", encoding="utf-8", buffering=1) as stream:
        job = place.job(Console(verbose=True, stream=stream, bars=False))
        return answered(task, place, job)
