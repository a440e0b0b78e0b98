"""What a bundle says of itself: `manifest.json`, checked whole before anything else in the bundle is believed."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ...inspection.base.errors import BundleError
from ...inspection.base.validation import describe_validation
from ...inspection.data.frame import FrameSpec
from ...inspection.decision.judging import Judging
from ...inspection.line.gates import Gates
from ..contracts import Precision

MANIFEST, SIGNATURE, GOLDEN, REPORT = "manifest.json", "signature.json", "golden.json", "report.json"
REFERENCE = "reference.json"
"""What a station compares with; bundles made before it came into being have none."""

TRACE = "trace.json"
"""The run behind the verdict, for stations with several inspectors; likewise."""

LICENCE, PARTS_LIST = "LICENSE", "sbom.cdx.json"
FORMAT: Final = 1
PACKED_FORMAT: Final = 2
"""Of the bundle; raised when an older Beltline must not read it. The second has files that are packed for the way."""

MOST_BYTES = 1 << 30
"""Of all files of a bundle as they are installed."""

PACKED_SUFFIX = ".xz"
MAX_JSON_BYTES = 4 << 20
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
RowName = Annotated[str, Field(pattern=r"^[\w.@-]{1,128}$")]
Sentence = Annotated[str, Field(max_length=2_000)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Part(BaseModel):
    model_config = _STRICT


class PackedFacts(_Part):
    """How a file travels: coded as `<path>.xz`, so long and with this content."""

    size_bytes: Size
    sha256: Hex


class FileFacts(_Part):
    """One file of the bundle: its name, length and content as it is installed, and as it travels if that differs."""

    path: str
    size_bytes: Size
    sha256: Hex
    packed: PackedFacts | None = None

    @property
    def member(self) -> str:
        """Its name in the bundle."""
        return self.path if self.packed is None else f"{self.path}{PACKED_SUFFIX}"

    @model_serializer(mode="wrap")
    def _without_packed(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not: a bundle without packed files is written as it always was."""
        written: dict[str, Any] = write(self)
        return written if self.packed is not None else {k: v for k, v in written.items() if k != "packed"}


class ModelFacts(_Part):
    """A row of the report as one runtime runs it.

    Attributes:
        row: Its name in the report.
        backend: The runtime.
        precision: Of the weighted layers.
        path: Main file; the files of the same stem beside it belong to it.
        digest: Over all its files, as `Artifact.digest`.
        size_bytes: Of all its files.
        built_for: Name of the target.
        frame: How it treats camera frames.
        threshold: `score >= threshold` rejects the part.
        verdict: What the run found of this row.
        relies_on: CPU instructions that make it as fast as it was measured.
        runtime: Versions of the packages that ran it when it was measured.
    """

    row: RowName
    backend: Word
    precision: Precision
    path: str
    digest: Digest
    size_bytes: Size
    built_for: Sentence
    frame: Annotated[FrameSpec, PlainSerializer(FrameSpec.to_json)]
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    verdict: Literal["fits", "misses", "inconclusive"]
    relies_on: tuple[Word, ...]
    runtime: dict[str, Sentence]


class DeviceFacts(_Part):
    """What the models were measured on."""

    name: Sentence
    cpu: Sentence
    architecture: Word
    isa: tuple[Word, ...]
    threads: Annotated[int, Field(ge=1, le=1024)]


class BudgetFacts(_Part):
    """What the belt leaves, in milliseconds."""

    period_ms: Positive
    deadline_ms: Positive


class DepthFacts(_Part):
    """How grey levels of 16-bit photographs become 8 bits, as `data.bit_depth` and `data.window` said at training."""

    bit_depth: Annotated[int, Field(ge=8, le=16)]
    window: tuple[Annotated[int, Field(ge=0, le=65_535)], Annotated[int, Field(ge=0, le=65_535)]] | None

    @model_validator(mode="after")
    def _ordered(self) -> DepthFacts:
        if self.window is not None and self.window[0] >= self.window[1]:
            msg = "window: wanted black below white"
            raise ValueError(msg)
        return self


class Manifest(_Part):
    """The whole of manifest.json.

    Attributes:
        format: Of the bundle; 2 where a file is packed.
        name: Of the run.
        line: That it was made for; installing another line's needs `--other-line`.
        product: That it inspects; likewise.
        number: Ascending with every bundle of a product; a lower one does not replace a higher one by mistake.
        expires: Day after which everyone is warned; None: never.
        beltline: Version that made it.
        models: One for each runtime, the one to take first first.
        device: What they were measured on.
        budget: The belt they were measured for.
        gates: What was asked for.
        depth: Of 16-bit photographs; None: there are none.
        judging: Scale, zones and limits: how findings decide; None: the score alone does.
        cautions: Sentences that every reader must see, such as that the row does not fit.
        files: Every file but the manifest and its signature, sorted by name.
    """

    format: Literal[1, 2]
    name: Word
    line: Word
    product: Word
    number: Annotated[int, Field(ge=0, lt=1 << 53)]
    expires: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None
    beltline: Sentence
    models: Annotated[tuple[ModelFacts, ...], Field(min_length=1, max_length=16)]
    device: DeviceFacts
    budget: BudgetFacts
    gates: Gates
    depth: DepthFacts | None = None
    judging: Judging | None = None
    cautions: tuple[Sentence, ...] = ()
    files: Annotated[tuple[FileFacts, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _hangs_together(self) -> Manifest:
        names = [each.path for each in self.files]
        coded = {each.path for each in self.files if each.packed is not None}
        backends = [model.backend for model in self.models]
        required = {GOLDEN, REPORT, LICENCE, PARTS_LIST, *(model.path for model in self.models)}
        if names != sorted(set(names)) or len(set(backends)) != len(backends) or not required <= set(names):
            msg = "files and models do not hang together"
            raise ValueError(msg)
        if self.expires is not None:
            date.fromisoformat(self.expires)
        if (self.format == PACKED_FORMAT) != bool(coded) or coded & {GOLDEN, REFERENCE}:
            msg = "format and packed files do not hang together"
            raise ValueError(msg)
        if self.installed_bytes > MOST_BYTES:
            msg = f"wanted files of at most {MOST_BYTES} bytes together, got more"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _without_absent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not: a bundle of 8 bits and without limits is written as it always was."""
        written: dict[str, Any] = write(self)
        absent = {name for name in ("depth", "judging") if getattr(self, name) is None}
        return {name: value for name, value in written.items() if name not in absent}

    @property
    def installed_bytes(self) -> int:
        """What its files take on a device."""
        return sum(each.size_bytes for each in self.files)

    @property
    def digest(self) -> str:
        """Names the bundle: `sha256:<hex>` of the manifest, which holds the digest of everything else."""
        return f"sha256:{hashlib.sha256(canonical(self)).hexdigest()}"

    @property
    def version(self) -> str:
        """Name of the folder it is installed in, such as `pcb-0f3a5c7d9e1b`."""
        return f"{self.name}-{self.digest.removeprefix('sha256:')[:12]}"


AnyPart = TypeVar("AnyPart", bound=BaseModel)


def canonical(part: BaseModel) -> bytes:
    """Give the one JSON form that is accepted: indented, keys sorted."""
    text = json.dumps(part.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return f"{text}\n".encode()


def read_part(raw: bytes, kind: type[AnyPart], *, name: str) -> AnyPart:
    """Read one of a bundle's JSON files.

    Raises:
        BundleError: It is too large, no JSON, of another form, or written in another way than `canonical`.
    """
    if len(raw) > MAX_JSON_BYTES:
        msg = f"{name}: wanted at most {MAX_JSON_BYTES} bytes, got {len(raw)}; do not use this bundle"
        raise BundleError(msg)
    try:
        part = kind.model_validate_json(raw)
        same = canonical(part) == raw
    except ValidationError as error:
        raise BundleError(_describe_error(raw, name, error)) from error
    if not same:
        msg = f"{name}: not written as Beltline writes it; get the bundle again from where it was made"
        raise BundleError(msg)
    return part


def _describe_error(raw: bytes, name: str, error: ValidationError) -> str:
    found = _format_of(raw)
    if found not in (None, FORMAT, PACKED_FORMAT):
        wanted = f"{FORMAT} or {PACKED_FORMAT}"
        return f"{name}: wanted a bundle of format {wanted}, got format {found}; update Beltline on this machine"
    return f"{name}: {describe_validation(error)}; get the bundle again from where it was made"


def _format_of(raw: bytes) -> int | None:
    try:
        found = json.loads(raw)["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, int) else None
