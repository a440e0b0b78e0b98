"""The stage of one endurance run: two inspectors of one station, what stands around them, and a small disk.

`left` is an installed bundle with a belt, a network camera and a folder that photographs of five megapixels are written
to; its outcomes go to a file on the small disk, a broker and a PLC's OPC UA server, and HTTP clients misbehave at it.
`right` is another product on another belt; its outcomes go to a PLC over Modbus TCP, which counts them itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...export.bundles.golden import frame_of
from ...export.bundles.reading import Unpacked, open_bundle
from ...inspection.base.errors import StationError
from ...inspection.base.packages import missing_package
from ...station.settings import StationSettings
from ...station.versions.activation import Activation, Places, activate, current_activation, unpacked_of
from ...station.versions.installing import InstallOptions, install
from .partners import LOOPBACK, Partner, broker, camera, free_port, modbus, plc
from .plc import NODES

_SIZE = "512k"
PARTNERS = ("camera", "broker", "plc", "modbus", "clients")
_CAMERA_FRAMES_PER_S = 4.0
LARGE = (2048, 2448)
"""Height and width of a camera's frame of five megapixels."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount one at a new folder; None: this user may not mount."""
    folder.mkdir()
    argv = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)]
    try:
        mounted = subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run([shutil.which("umount") or "umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What faults can be done to.

    Attributes:
        places: Where the left bundle is installed.
        bundles: Files of the left and the right product.
        settings: Of the station.
        folder: Everything of the run; removed afterwards.
        picture: An image file that the left model takes.
        camera: A second source besides the left belt; None: it stays away, or Aravis is not installed.
        broker: For MQTT; None: it stays away, or mosquitto or paho is not installed.
        plc: For OPC UA; None: it stays away, or asyncua is not installed.
        modbus: A PLC that notes each outcome of the right belt; None: it stays away, or pymodbus is not installed.
        clients: Whether HTTP clients misbehave.
        disk: A small one that results are written to; None: this user may not make one.
    """

    places: Places
    bundles: tuple[Path, Path]
    settings: StationSettings
    folder: Path
    picture: Path
    camera: Partner | None
    broker: Partner | None
    plc: Partner | None
    modbus: Partner | None
    clients: bool
    disk: Path | None

    @property
    def large(self) -> Path:
        """Folder that photographs of five megapixels are written to."""
        return self.folder / "large"

    @property
    def notes(self) -> Path:
        """What the PLC noted."""
        return self.folder / "notes"

    def another_version(self) -> Activation:
        """Install the same model as another version, as an update does."""
        now = current_activation(self.places)
        if now is None:
            msg = "the endurance run's own installation is gone; leave its folder alone"
            raise StationError(msg)
        version = f"{now.version.partition('.again')[0]}.again{now.number}"
        shutil.copytree(self.places.versions / now.version, self.places.versions / version)
        return activate(self.places, version, why="install", previous=now.number, signer=now.signer, self_test=())


@contextmanager
def set_up(bundles: tuple[Path, Path], *, period_ms: float | None, without: Collection[str] = ()) -> Iterator[Scene]:
    """Install the left bundle into a folder that is removed afterwards, and start the partners.

    Args:
        bundles: Files of the two products, whoever made them.
        period_ms: Of both belts; None: the bundles'.
        without: Of `PARTNERS`, those that stay away: on a real line they have computers of their own.

    Raises:
        BeltlineError: A bundle does not work here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="beltline-endurance-")))
        places = Places(root=folder / "root")
        left = unpacked_of(places, install(bundles[0], places, InstallOptions(allow_unsigned=True)).activation)
        with open_bundle(bundles[1]) as opened:
            right = opened.unpack(folder / "right")
        for name, unpacked in (("left", left), ("right", right)):
            write_pictures(unpacked, folder / f"{name}-belt")
        (folder / "large").mkdir()
        ports = {name: free_port() for name in ("broker", "plc", "modbus")}
        partners = {
            "camera": camera(),
            "broker": broker(ports["broker"]),
            "plc": plc(ports["plc"]),
            "modbus": modbus(ports["modbus"], folder / "notes"),
        }
        started = {name: _started(stack, None if name in without else partner) for name, partner in partners.items()}
        disk = stack.enter_context(small_disk(folder / "disk"))
        periods = [period_ms or each.manifest.budget.period_ms for each in (left, right)]
        yield Scene(
            places=places,
            bundles=bundles,
            folder=folder,
            picture=folder / "left-belt" / "000.png",
            clients="clients" not in without and missing_package("aiohttp", "station") is None,
            disk=disk,
            settings=StationSettings.model_validate(
                {
                    "inspectors": [
                        _left(places, left, folder, period_ms=periods[0], ports=ports, there=started, disk=disk),
                        _right(bundles[1], folder, period_ms=periods[1], port=ports["modbus"], there=started),
                    ],
                    "admit": "anyway",
                    "state": folder / "state",
                }
            ),
            **started,
        )


def _left(
    places: Places,
    unpacked: Unpacked,
    folder: Path,
    *,
    period_ms: float,
    ports: dict[str, int],
    there: dict[str, Partner | None],
    disk: Path | None,
) -> dict[str, Any]:
    spec = unpacked.manifest.models[0].frame
    sources: list[Any] = [
        {"replay": {"path": folder / "left-belt", "period_ms": period_ms}},
        {"folder": {"path": folder / "large", "then": "remove"}},
    ]
    if there["camera"] is not None:
        size = {"Width": spec.frame_width or spec.width, "Height": spec.frame_height or spec.height}
        sources.append({"aravis": {"camera": LOOPBACK, "frames_per_s": _CAMERA_FRAMES_PER_S, "features": size}})
    results: list[Any] = [{"json_lines": {"path": (disk or folder) / "results.jsonl", "file_mb": 0.1, "files": 3}}]
    if there["broker"] is not None:
        results.append({"mqtt": {"host": LOOPBACK, "port": ports["broker"]}})
    if there["plc"] is not None:
        results.append({"opc_ua": {"url": f"opc.tcp://{LOOPBACK}:{ports['plc']}", "variables": NODES}})
    return {
        "name": "left",
        "bundle": places.root,
        "sources": sources,
        "results": results,
        "watchdog": {"source_s": 5},
        "switch": {"look_every_s": 0.5, "trial_frames": 200},
        "http": _server(),
        "ring": {"folder": folder / "rejects", "frames": 50},
    }


def _right(
    bundle: Path, folder: Path, *, period_ms: float, port: int, there: dict[str, Partner | None]
) -> dict[str, Any]:
    return {
        "name": "right",
        "bundle": bundle,
        "allow_unsigned": True,
        "sources": [{"replay": {"path": folder / "right-belt", "period_ms": period_ms}}],
        "results": [] if there["modbus"] is None else [{"modbus_tcp": {"host": LOOPBACK, "port": port, "keep_s": 60}}],
        "http": _server(),
    }


def _server() -> dict[str, Any] | None:
    return {"port": 0} if missing_package("aiohttp", "station") is None else None


def write_pictures(unpacked: Unpacked, folder: Path, *, torn: bool = True) -> None:
    """Put the golden frames on the belt, and with `torn` one photograph among them that nobody can read."""
    import cv2

    folder.mkdir()
    for position, golden in enumerate(unpacked.golden().frames):
        pixels = frame_of((unpacked.folder / golden.file).read_bytes(), name=golden.file)
        cv2.imwrite(str(folder / f"{position:03}.png"), pixels[..., ::-1] if pixels.shape[2] == 3 else pixels)
    if torn:
        (folder / "999.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn off")


def write_large(scene: Scene, number: int) -> None:
    """Write a photograph of five megapixels as a careful camera does: to another name, then renamed."""
    import cv2

    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (LARGE[0] // 64, LARGE[1] // 64), dtype=np.uint8)
    pixels = cv2.resize(coarse, LARGE[::-1])
    temporary = scene.folder / f"{number:06}.part.png"  # faults and the usual traffic write at the same time
    cv2.imwrite(str(temporary), pixels)
    temporary.rename(scene.large / f"{number:06}.png")


def misbehaving_clients(port: int, picture: Path) -> subprocess.Popen[bytes]:
    """Start clients that misbehave at a port until their stdin is closed; stdout tells what they did."""
    argv = [sys.executable, "-m", "beltline.studies.endurance.clients", str(port), str(picture)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=Partner.environment())


def _started(stack: ExitStack, partner: Partner | None) -> Partner | None:
    if partner is not None:
        stack.callback(partner.kill)
        partner.start()
        partner.await_listening()
    return partner
