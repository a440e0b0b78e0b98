"""The stage of one endurance run: an installed bundle, its golden frames on a belt, partners, a disk of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...export.bundles.golden import frame_of
from ...export.bundles.reading import Unpacked
from ...inspection.base.errors import StationError
from ...inspection.base.packages import missing_package
from ...station.settings import StationSettings
from ...station.versions.activation import Activation, Places, activate, current_activation, unpacked_of
from ...station.versions.installing import InstallOptions, install
from .partners import LOOPBACK, Partner, broker, camera, free_port, plc
from .plc import NODES

_SIZE = "512k"


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


PARTNERS = ("camera", "broker", "plc")
_CAMERA_FRAMES_PER_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What faults can be done to.

    Attributes:
        places: Where the bundle is installed.
        settings: Of the station.
        camera: A second source besides the belt; None: it stays away, or Aravis is not installed.
        broker: For MQTT; None: it stays away, or mosquitto or paho is not installed.
        plc: For OPC UA; None: it stays away, or asyncua is not installed.
        disk: A small one that results are written to; None: this user may not make one.
    """

    places: Places
    settings: StationSettings
    camera: Partner | None
    broker: Partner | None
    plc: Partner | None
    disk: Path | None

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
def set_up(bundle: Path, *, period_ms: float | None, without: Collection[str] = ()) -> Iterator[Scene]:
    """Install a bundle into a folder that is removed afterwards, and start the partners.

    Args:
        bundle: The file, whoever made it.
        period_ms: Of the belt; None: the bundle's.
        without: Of `PARTNERS`, those that stay away: on a real line they have computers of their own.

    Raises:
        BeltlineError: The bundle does not work here.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="beltline-endurance-")))
        places = Places(root=folder / "root")
        now = install(bundle, places, InstallOptions(allow_unsigned=True)).activation
        unpacked = unpacked_of(places, now)
        _write_pictures(unpacked, folder / "belt")
        ports = free_port(), free_port()
        scene = Scene(
            places=places,
            settings=StationSettings(),
            camera=_started(stack, None if "camera" in without else camera()),
            broker=_started(stack, None if "broker" in without else broker(ports[0])),
            plc=_started(stack, None if "plc" in without else plc(ports[1])),
            disk=stack.enter_context(small_disk(folder / "disk")),
        )
        yield replace(scene, settings=_settings(scene, unpacked, folder, ports=ports, period_ms=period_ms))


def _settings(
    scene: Scene, unpacked: Unpacked, folder: Path, *, ports: tuple[int, int], period_ms: float | None
) -> StationSettings:
    spec = unpacked.manifest.models[0].frame
    sources: list[Any] = [
        {"replay": {"path": folder / "belt", "period_ms": period_ms or unpacked.manifest.budget.period_ms}}
    ]
    if scene.camera is not None:
        size = {"Width": spec.frame_width or spec.width, "Height": spec.frame_height or spec.height}
        sources.append({"aravis": {"camera": LOOPBACK, "frames_per_s": _CAMERA_FRAMES_PER_S, "features": size}})
    results: list[Any] = [
        {"json_lines": {"path": (scene.disk or folder) / "results.jsonl", "file_mb": 0.1, "files": 3}}
    ]
    if scene.broker is not None:
        results.append({"mqtt": {"host": LOOPBACK, "port": ports[0]}})
    if scene.plc is not None:
        results.append({"opc_ua": {"url": f"opc.tcp://{LOOPBACK}:{ports[1]}", "variables": NODES}})
    return StationSettings.model_validate(
        {
            "bundle": scene.places.root,
            "state": folder / "state",
            "sources": sources,
            "results": results,
            "watchdog": {"source_s": 5},
            "switch": {"look_every_s": 0.5, "trial_frames": 200},
            "http": {"port": 0} if missing_package("aiohttp", "station") is None else None,
            "ring": {"folder": folder / "rejects", "frames": 50},
        }
    )


def _write_pictures(unpacked: Unpacked, folder: Path) -> None:
    """Put the golden frames on the belt, and one photograph among them that nobody can read."""
    import cv2

    folder.mkdir()
    for position, golden in enumerate(unpacked.golden().frames):
        pixels = frame_of((unpacked.folder / golden.file).read_bytes(), name=golden.file)
        cv2.imwrite(str(folder / f"{position:03}.png"), pixels[..., ::-1] if pixels.shape[2] == 3 else pixels)
    (folder / "999.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn off")


def _started(stack: ExitStack, partner: Partner | None) -> Partner | None:
    if partner is not None:
        stack.callback(partner.kill)
        partner.start()
        partner.await_listening()
    return partner
