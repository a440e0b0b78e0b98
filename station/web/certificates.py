"""The server's certificate and key: checked before anything starts, renewed while it runs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from ...inspection.base.errors import LineFileError
from ..secret_files import require_private

_Stamp = tuple[tuple[int, int, int], ...]


class _EncryptedKeyError(Exception):
    """The key wants a passphrase, which nobody is there to type."""


class Certificates:
    """What encrypts the next connection; used by one thread.

    Attributes:
        context: With the latest certificate that could be used.
    """

    def __init__(self, certificate: Path, key: Path, *, note_incident: Callable[[str], None]) -> None:
        """Read both files.

        Raises:
            LineFileError: They are no certificate and its key, the key is encrypted, or everybody may read it.
        """
        self._certificate, self._key, self._note_incident = certificate, key, note_incident
        self._stamp = self._stamped()
        self.context = context_of(certificate, key)

    def look(self) -> None:
        """Take files that changed; where they cannot be used, those before stay, and an incident says why."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context = context_of(self._certificate, self._key)
        except LineFileError as error:
            self._note_incident(f"the certificate was not renewed: {error}; the one before is shown on")
        else:
            self._note_incident(f"{self._certificate} was read again: new connections get it")

    def _stamped(self) -> _Stamp:
        return tuple(_stamp_of(path) for path in (self._certificate, self._key))


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return 0, 0, 0
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make what encrypts connections: TLS 1.2 and later.

    Raises:
        LineFileError: As of `Certificates`.
    """
    require_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def passphrase() -> str:
        raise _EncryptedKeyError

    try:
        context.load_cert_chain(certificate, key, password=passphrase)
    except _EncryptedKeyError:
        msg = (
            f"{key} is encrypted, and nobody is there to type its passphrase; write it without: "
            f"openssl pkey -in {key} -out station.key && chmod 640 station.key"
        )
        raise LineFileError(msg) from None
    except OSError as error:
        msg = f"{certificate} and {key}: wanted a certificate and its key (PEM): {error}"
        raise LineFileError(msg) from error
    return context
