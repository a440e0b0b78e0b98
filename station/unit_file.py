"""What keeps a station running without a hand on it: a systemd unit, and a container file."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..inspection.base.errors import StationError
from .settings import StationSettings

_UNIT = """\
# Made by `beltline serve --systemd`. Put it to /etc/systemd/system/beltline.service, then:
#   systemctl daemon-reload && systemctl enable --now beltline
[Unit]
Description=Beltline inspection station
Documentation=man:systemd.service(5)
# No network is waited for: after a power cut the line may be up before it.
After=local-fs.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Restart=always
RestartSec=1
WatchdogSec=20
TimeoutStartSec=300
TimeoutStopSec=30
KillMode=mixed

# An ordinary user that exists while the station runs; only StateDirectory can be written.
DynamicUser=yes
StateDirectory=beltline
WorkingDirectory=/var/lib/beltline
Environment=PYTHONDONTWRITEBYTECODE=1
# Where a station file names no bundle: what root installed, /opt/beltline.
Environment=XDG_DATA_HOME=/opt
SupplementaryGroups=video
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

# Ahead of whatever else the machine does, and the last to be killed where memory runs short.
Nice=-10
LimitRTPRIO=1
OOMScoreAdjust=-800
{writable}
[Install]
WantedBy=multi-user.target
"""

_CONTAINER = """\
# Made by `beltline serve --container`. Fill ./wheels where there is a net, then build and run:
#   beltline wheels wheels --station --with onnxruntime --with station --with line --python 3.12 --glibc 2.36
#   pip wheel --no-deps --wheel-dir wheels FOLDER-OF-BELTLINE
#   podman build -t beltline-station . && podman run -d --restart=always --read-only --tmpfs /tmp --network=host \\
#     -v /opt/beltline:/opt/beltline:ro -v /etc/beltline:/etc/beltline:ro \\
#     -v /var/lib/beltline:/var/lib/beltline:U beltline-station
# (The host's network: cameras speak GigE Vision there, and the station's own server listens on 127.0.0.1 alone.)
FROM docker.io/library/python:3.12-slim
COPY wheels /wheels
RUN pip install --no-cache-dir --no-index --no-compile --find-links /wheels /wheels/*.whl && rm -r /wheels \\
 && useradd --system --uid 10001 --no-create-home --groups video beltline
USER 10001
ENV PYTHONDONTWRITEBYTECODE=1 XDG_DATA_HOME=/opt STATE_DIRECTORY=/var/lib/beltline
STOPSIGNAL SIGTERM
ENTRYPOINT ["beltline", "serve"]
CMD ["/etc/beltline/station.yaml"]
# beltline {version}
"""


def systemd_unit(command: list[str], *, writable: tuple[Path, ...] = ()) -> str:
    """Write the unit of a station.

    Args:
        command: What starts it; absolute paths.
        writable: Folders outside of `/var/lib/beltline` that it must write to, such as a watched one it empties.

    Raises:
        StationError: A path cannot stand in a unit.

    >>> unit = systemd_unit(["/usr/bin/beltline", "serve", "/etc/beltline/a station.yaml"], writable=(Path("/data"),))
    >>> [line for line in unit.splitlines() if line.startswith(("ExecStart", "ReadWritePaths"))]
    ['ExecStart=/usr/bin/beltline serve "/etc/beltline/a station.yaml"', 'ReadWritePaths="/data"']
    """
    paths = "".join(f"ReadWritePaths={_quoted(str(path), always=True)}\n" for path in writable)
    return _UNIT.format(command=" ".join(_quoted(argument) for argument in command), writable=paths)


def writable_by(settings: StationSettings) -> tuple[Path, ...]:
    """Name the folders that a station writes to: state, results, rejects, watched folders that it empties."""
    folders = [] if settings.state is None else [settings.state]
    folders += [folder for each in settings.inspectors for folder in writable_by(each)]
    folders += [] if settings.ring is None else [settings.ring.folder]
    folders += [each.settings.path.parent for each in settings.results if hasattr(each.settings, "path")]
    folders += [each.settings.path for each in settings.sources if getattr(each.settings, "then", "") == "remove"]
    return tuple(dict.fromkeys(folders))


def container_file() -> str:
    """Write the recipe of a container image that needs no network at all to build, but for its base."""
    try:
        made_by = version("beltline")
    except PackageNotFoundError:
        made_by = "from source"
    return _CONTAINER.format(version=made_by)


def _quoted(argument: str, *, always: bool = False) -> str:
    r"""Quote a word as systemd.service(5) wants it: `%` is a specifier there, `$` a variable.

    Raises:
        StationError: It has a line break in it, which would begin a setting of its own, or another control character.

    >>> _quoted("50%"), _quoted('a "b"')
    ('50%%', '"a \\"b\\""')
    """
    if not argument.isprintable():
        msg = (
            f"systemd unit: wanted a path without line breaks and other control characters, got {argument!r}; rename it"
        )
        raise StationError(msg)
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    plain = not always and escaped == argument.replace("%", "%%") and not set(argument) & set(" \t'")
    return escaped if plain else f'"{escaped}"'
