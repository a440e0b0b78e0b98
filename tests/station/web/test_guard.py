"""Who is let in: loopback, token, other pages, too many at once, TLS."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import LineFileError, StationError
from beltline.station.settings import HttpSettings
from beltline.station.web.guard import Guard
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from web_station import station

TOKEN = "a-token-of-some-length"
HERE = {"Host": "127.0.0.1:8080"}


def refused(headers: dict[str, str], *, token: str | None = None, **settings: Any) -> int | None:
    refusal = Guard(HttpSettings(**settings), token=token).refusal("127.0.0.1", {**HERE, **headers})
    return None if refusal is None else refusal.status


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080", "127.0.0.1"])
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert refused({"Host": host}) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "a:b:c"])
def test_a_strange_name_that_leads_here_is_not(host: str) -> None:
    assert refused({"Host": host}) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9", "http://[", ""])
def test_other_pages_are_not_answered(origin: str) -> None:
    assert refused({"Origin": origin}) == 403


def test_the_own_page_is() -> None:
    assert refused({"Origin": "http://127.0.0.1:8080"}) is None


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN} ", basic("", TOKEN), basic("anybody", TOKEN)])
def test_the_token_opens(given: str) -> None:
    assert refused({"Authorization": given}, token=TOKEN) is None


@pytest.mark.parametrize(
    "given", ["", f"Bearer {TOKEN}x", "Bearer", TOKEN, basic(TOKEN, ""), "Basic ====", "Basic \udcff", "Digest x"]
)
def test_nothing_else_does(given: str) -> None:
    assert refused({"Authorization": given} if given else {}, token=TOKEN) == 401


def test_who_comes_too_often_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    guard = Guard(HttpSettings(requests_per_s=10), token=None)
    found = [guard.refusal("10.0.0.1", HERE) for _ in range(25)]
    assert [refusal.status for refusal in found if refusal] == [429] * 5
    assert guard.refusal("10.0.0.2", HERE) is None
    now_s[0] += 0.35
    assert [guard.refusal("10.0.0.1", HERE) is None for _ in range(4)] == [True, True, True, False]


def test_addresses_are_not_remembered_without_end() -> None:
    guard = Guard(HttpSettings(), token=None)
    for number in range(5000):
        guard.refusal(f"10.0.{number // 256}.{number % 256}", HERE)
    assert len(guard._peers) == 1024


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.5", "::", "station.local"])
def test_others_are_let_in_only_with_token_and_tls(host: str) -> None:
    with pytest.raises(ValueError, match="name token_file, tls_certificate and tls_key"):
        HttpSettings(host=host)
    with pytest.raises(ValueError, match="name token_file"):
        HttpSettings(host=host, tls_certificate=Path("a"), tls_key=Path("b"))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "station")])
    now = datetime.now(tz=timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def opened(bundle: Any, identity: tuple[Path, Path]) -> Iterator[Any]:
    """A station that others could reach: every address of this machine, with token and TLS."""
    certificate, key = identity
    token = certificate.with_name("token")
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    wanted = {"host": "0.0.0.0", "token_file": str(token), "tls_certificate": str(certificate), "tls_key": str(key)}
    with station(bundle, http=wanted) as made:
        yield made


def test_an_opened_station_wants_tls_and_token(opened: Any, identity: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(identity[0]))
    for headers, expected in (({}, 401), ({"Authorization": f"Bearer {TOKEN}"}, 200)):
        connection = http.client.HTTPSConnection("localhost", opened.port, context=trusting, timeout=60)
        connection.request("GET", "/v2/health/live", headers=headers)
        answer = connection.getresponse()
        assert answer.status == expected
        assert (answer.getheader("WWW-Authenticate") is not None) == (expected == 401)
        answer.read()
        connection.close()


def test_plain_http_and_old_tls_get_nowhere(opened: Any) -> None:
    with socket.create_connection(("127.0.0.1", opened.port), timeout=60) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP" not in plain.recv(1000)
        except ConnectionResetError:
            return


def test_a_secret_that_everybody_can_read_is_refused(bundle: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o644)
    with (
        pytest.raises(LineFileError, match=f"run: chmod 640 {token}"),
        station(bundle, http={"token_file": str(token)}),
    ):
        pass


def test_an_address_that_is_taken_is_said(bundle: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StationError, match=r"choose another http\.port"), station(bundle, http={"port": port}):
            pass
