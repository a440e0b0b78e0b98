"""station.yaml: what a station takes in, how it answers, and who receives its results."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator
from typing_extensions import Self

from ..inspection.base.errors import MissingPartError
from ..inspection.base.plugins import chosen_plugin
from ..inspection.data.camera import Region
from .outcomes import Answer
from .watching.drift import DriftSettings

Milliseconds = Annotated[float, Field(gt=0, le=120_000, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.05, le=86_400, allow_inf_nan=False)]
ProductName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_CLOSED = ConfigDict(frozen=True, extra="forbid")
ChosenT = TypeVar("ChosenT", bound="Choice")


class QueueSettings(BaseModel):
    """Frames that wait for the engine.

    Attributes:
        frames: At most so many wait; further ones are refused and answered to the safe side.
        order: `oldest`: first come, first served, and the newcomer is refused where the queue is full. `newest`: the
            latest frame first, and the one that waited longest is refused.
    """

    model_config = _CLOSED
    frames: Annotated[int, Field(ge=1, le=256)] = 8
    order: Literal["oldest", "newest"] = "oldest"


class DecodeSettings(BaseModel):
    """Photographs that come as files: noticed, then decoded beside the line while their deadline runs.

    Attributes:
        threads: So many are decoded at once.
        frames: At most so many wait for that; further ones are refused and answered to the safe side.
    """

    model_config = _CLOSED
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    frames: Annotated[int, Field(ge=1, le=10_000)] = 64


class EngineSettings(BaseModel):
    """The process that the model runs in.

    Attributes:
        row: Model of the bundle to run, by its row; None: the first whose runtime is here.
        threads: Of the runtime; None: as measured, as far as this machine has CPUs.
        memory_mb: So much memory of its own it may take, in MB (10^6 bytes); above, it is killed. None: 4 GiB, or three
            quarters of a smaller machine's.
        spare: Keep a second one loaded that takes over at once where the first is lost; it takes as much memory again.
        realtime: Give it, and the threads that take frames in and answers out, real-time priority, where the system
            allows it and a CPU is left over for everything else.
        ready_us: So long before the next frame is expected it stops sleeping, where a CPU is left over for everything
            else; 0: never.
        cpus: That its threads keep to; None: one for each thread, different cores first, where one is left over.
    """

    model_config = _CLOSED
    row: str | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    memory_mb: Annotated[float, Field(ge=16, le=1_000_000)] | None = None
    spare: bool = True
    realtime: bool = True
    ready_us: Annotated[float, Field(ge=0, le=10_000)] = 300.0
    cpus: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(default=None, min_length=1)


class WatchdogSettings(BaseModel):
    """When something counts as stuck and is started anew.

    Attributes:
        engine_s: So long the engine may work on one frame.
        start_s: So long a new engine may take to load and pass its golden frames.
        source_s: So long a source may be silent before it is opened again; None: for ever (a folder, a slow line).
        source_stuck_s: So long a source may hang inside its driver before another thread opens it again.
    """

    model_config = _CLOSED
    engine_s: Seconds = 2.0
    start_s: Seconds = 120.0
    source_s: Seconds | None = None
    source_stuck_s: Seconds = 20.0


class SwitchSettings(BaseModel):
    """Going to a newly installed bundle while frames come.

    Attributes:
        look_every_s: How often the installed version is looked up.
        trial_frames: So many frames a new bundle is on trial; the old one's engine waits beside it.
        trial_s: So long at most it is on trial; the next frame after that ends it.
        trial_late: With more late frames than this on trial, the old bundle goes back to work.
        trial_refused: With more refused and faulty frames than this, and more than chance explains, likewise.
        trial_alarm: Chance that a trial goes back although the new bundle refuses and rejects no more than the old.
    """

    model_config = _CLOSED
    look_every_s: Seconds = 2.0
    trial_frames: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    trial_s: Seconds = 600.0
    trial_refused: Annotated[int, Field(ge=0, le=1_000_000)] = 2
    trial_alarm: Annotated[float, Field(gt=0, lt=1)] = 0.001
    trial_late: Annotated[int, Field(ge=0, le=1_000_000)] = 2


class HttpSettings(BaseModel):
    """The one server for the live page, metrics, and frames that are posted.

    Attributes:
        host: Address to listen at.
        port: 0: any free one.
        token_file: Holds the token that requests must bring; needed where `host` is not this machine alone.
        tls_certificate: PEM; needed where `host` is not this machine alone.
        tls_key: PEM.
        requests_per_s: From one address; further ones are answered 429.
    """

    model_config = _CLOSED
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    token_file: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    requests_per_s: Annotated[float, Field(gt=0, le=100_000)] = 200.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _opened_safely(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "tls_certificate and tls_key belong together; name both"
            raise ValueError(msg)
        if not self.loopback and (self.token_file is None or self.tls_certificate is None):
            msg = f"others can reach {self.host}: name token_file, tls_certificate and tls_key, or keep to 127.0.0.1"
            raise ValueError(msg)
        return self


class RingSettings(BaseModel):
    """The last rejected frames, kept on disk.

    Attributes:
        folder: Where.
        frames: How many at most.
        size_mb: How large all of them may be together, in MB.
        frames_a_minute: So many are stored in a minute; further ones are only counted (a flash disk wears out).
        keep_free_mb: Nothing is stored while less than this is free on the disk, in MB.
    """

    model_config = _CLOSED
    folder: Path
    frames: Annotated[int, Field(ge=1, le=100_000)] = 500
    size_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 1000.0
    frames_a_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    keep_free_mb: Annotated[float, Field(ge=0, le=1_000_000)] = 500.0


class Choice(BaseModel):
    """One plug-in as the user wrote it: `{kind: {settings}}`."""

    folder: ClassVar[str]
    example: ClassVar[str]

    model_config = _CLOSED
    kind: str
    settings: Any

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, value: Any) -> Any:
        kind, settings = chosen_plugin(value, cls.folder, example=cls.example)
        return {"kind": kind, "settings": settings}

    @model_serializer
    def _to_entry(self) -> dict[str, Any]:
        return {self.kind: self.settings.model_dump(mode="json")}


class SourceChoice(Choice):
    """One source of frames."""

    folder = "station.sources"
    example = "folder: {path: /data/in}"


class ResultChoice(Choice):
    """One place for results."""

    folder = "station.results"
    example = "json_lines: {path: results.jsonl}"


class ChangeoverChoice(Choice):
    """One partner that says which product comes."""

    folder = "station.changeovers"
    example = "mqtt: {host: 192.168.0.20, topic: line7/product}"


class ReferenceSettings(BaseModel):
    """The products of a station whose model compares each frame with a good photograph.

    Attributes:
        folder: Holds `<product>.png`; `beltline reference add` fills it, also while the station runs.
        product: Regular expression whose first group, found in a frame's name, is its product, such as `^([^_]+)_`.
        sources: Product of the frames of a source that do not say so themselves, by its name (`aravis-2`, `http`).
        changeover: Who says which product comes from now on, such as a PLC; while nobody answers the last one stays.
        default: Product of frames that say nothing, until another one is told (`POST /product?name=...`).
    """

    model_config = _CLOSED
    folder: Path
    product: Annotated[str, Field(max_length=500)] | None = None
    sources: dict[str, ProductName] = Field(default_factory=dict)
    changeover: tuple[ChangeoverChoice, ...] = ()
    default: ProductName | None = None

    @field_validator("product")
    @classmethod
    def _names_a_product(cls, product: str | None) -> str | None:
        try:
            groups = 1 if product is None else re.compile(product).groups
        except re.error as error:
            msg = f"wanted a regular expression such as '^([^_]+)_', got {product!r}: {error}"
            raise ValueError(msg) from error
        if groups != 1:
            msg = f"wanted a regular expression with one group in round brackets, such as '^([^_]+)_', got {product!r}"
            raise ValueError(msg)
        return product


class StationSettings(BaseModel):
    """The whole of station.yaml; every key has a default.

    Attributes:
        name: Of one inspector among several: of its sources, messages and numbers.
        inspectors: Several belts on this machine, each with a bundle, sources, results and a deadline of its own;
            beside it only `admit` and `state` stand in the file.
        admit: Inspectors that share CPUs are taken in if the traces in their bundles fit together: `proven`, by the
            bound of each one's late frames; `seen`, by their share alone; `anyway`: without being asked.
        bundle: A bundle file, or the folder that versions are installed in; None: the default one of this user.
        key: Public key that a bundle file must be signed with; None: the one remembered by `beltline install`; where
            there is none, its digests are checked alone.
        allow_unsigned: Take a bundle file that nobody signed, or that the remembered key does not vouch for.
        sources: Where frames come from; HTTP needs no entry.
        regions: By a source's name (`aravis-2`, `http`): the rectangle of its frames that is inspected, if its camera
            stands otherwise than the one that the model was made with; as large as the bundle's.
        results: Where outcomes go.
        deadline_ms: From frame to decision; None: the bundle's.
        late: What a frame is answered with that the model did not decide in time, was refused, or cannot be read.
        queue: Frames that wait.
        decode: Image files that wait to be decoded.
        largest_frame_mb: Frames above this size are refused, and files that are larger decoded, with their own channels
            and depth; in MB (10^6 bytes).
        engine: Where the model runs.
        watchdog: What counts as stuck.
        switch: Going to a new bundle.
        http: The server; None: no server.
        references: Good photographs of the products, where the model compares; None: there are none.
        ring: The last rejected frames; None: none are kept.
        drift: When parts count as other than those that the model was set up on; None: nobody looks.
        state: Folder for what must survive a restart, the number of the last outcome; it belongs to one station alone.
            None: systemd's state folder, else this user's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Beltline station file")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")] | None = None
    inspectors: Annotated[tuple[StationSettings, ...], Field(max_length=16)] = ()
    admit: Literal["proven", "seen", "anyway"] = "proven"
    bundle: Path | None = None
    key: Path | None = None
    allow_unsigned: bool = False
    sources: tuple[SourceChoice, ...] = ()
    regions: dict[str, Region] = Field(default_factory=dict)
    results: tuple[ResultChoice, ...] = ()
    deadline_ms: Milliseconds | None = None
    late: Answer = "reject"
    queue: QueueSettings = QueueSettings()
    decode: DecodeSettings = DecodeSettings()
    largest_frame_mb: Annotated[float, Field(gt=0, le=1024)] = 64
    engine: EngineSettings = EngineSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    switch: SwitchSettings = SwitchSettings()
    http: HttpSettings | None = HttpSettings()
    references: ReferenceSettings | None = None
    ring: RingSettings | None = None
    drift: DriftSettings | None = DriftSettings()
    state: Path | None = None

    @model_validator(mode="after")
    def _inspectors_apart(self) -> Self:
        names = [*(name for name, _ in named_choices(self.sources)), "http"]
        of_references = {} if self.references is None else self.references.sources
        for key, named in (("regions", self.regions), ("references.sources", of_references)):
            if unknown := sorted(named.keys() - {*names}):
                msg = f"{key}: wanted the name of a source ({', '.join(names)}), got {unknown[0]!r}"
                raise ValueError(msg)
        if not self.inspectors:
            return self
        if wrong := _misplaced(self) or _not_apart(self.inspectors):
            raise ValueError(wrong)
        return self


_OF_ALL = frozenset({"inspectors", "admit", "state"})


def _misplaced(station: StationSettings) -> str:
    """Say which keys stand where they mean nothing, if any."""
    if above := sorted(station.model_fields_set - _OF_ALL):
        return f"beside `inspectors`, {', '.join(above)} belongs to one of them; write it below its name"
    for each in station.inspectors:
        if each.name is None:
            return "an inspector has no name; write `name: left`"
        if below := sorted(each.model_fields_set & _OF_ALL):
            return f"{each.name}: {', '.join(below)} is for all inspectors; write it beside `inspectors`"
    return ""


def _not_apart(inspectors: Sequence[StationSettings]) -> str:
    """Say what two inspectors would both use, if anything."""
    names = Counter(each.name for each in inspectors)
    served = Counter((each.http.host, each.http.port) for each in inspectors if each.http and each.http.port)
    folders = Counter(each.ring.folder for each in inspectors if each.ring is not None)
    for what, found, instead in (
        ("name", names, "give each a name of its own"),
        ("address of http", served, "give each a port of its own, or `http: null`"),
        ("folder of the ring", folders, "give each a folder of its own"),
    ):
        if twice := [each for each, count in found.items() if count > 1]:
            return f"two inspectors have the same {what} ({_shown(twice[0])}); {instead}"
    return ""


def _shown(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, tuple) else str(value)


def named_choices(choices: Sequence[ChosenT]) -> list[tuple[str, ChosenT]]:
    """Name choices after their kinds, with a number from the second of a kind on: `folder`, `aravis`, `aravis-2`."""
    seen: Counter[str] = Counter()
    named = []
    for choice in choices:
        seen[choice.kind] += 1
        number = seen[choice.kind]
        named.append((choice.kind if number == 1 else f"{choice.kind}-{number}", choice))
    return named


def require_installed(what: str, choices: Sequence[Choice], kinds: Mapping[str, Any]) -> None:
    """Refuse choices whose packages are not there.

    Args:
        what: They are, for the message: `source` or `result`.
        choices: From a station file.
        kinds: All that there are.

    Raises:
        MissingPartError: One's packages are not there; the message says how to get them.
    """
    for choice in choices:
        if (missing := kinds[choice.kind].missing()) is not None:
            msg = f"{what} {choice.kind}: {missing}"
            raise MissingPartError(msg)
