"""Who is let in: loopback, token, other pages, too many at once, TLS."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import LineFileError, StationError
from beltline.station.settings import HttpSettings
from beltline.station.web import connections, server
from beltline.station.web.connections import MOST
from beltline.station.web.guard import Guard
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from stationing import eventually
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


def test_strangers_use_up_nothing_of_the_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    guard = Guard(HttpSettings(requests_per_s=10), token=TOKEN)
    right = {"Authorization": f"Bearer {TOKEN}"}
    wrong = [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}]
    kinds = []
    for headers in wrong:
        found = [guard.refusal("127.0.0.1", {**HERE, **right, **headers} if headers else HERE) for _ in range(50)]
        assert all(found)
        kinds.append({each.kind for each in found if each})
    assert kinds == [{"host"}, {"origin"}, {"origin"}, {"token"}]
    assert guard.refusal("127.0.0.1", {**HERE, **right}) is None


def test_wrong_tokens_are_slowed_down_and_the_right_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    guard = Guard(HttpSettings(), token=TOKEN)
    found = [guard.refusal("10.0.0.1", {**HERE, "Authorization": "Bearer x"}) for _ in range(12)]
    assert [each.status for each in found if each] == [401] * 10 + [429] * 2
    assert guard.refusal("10.0.0.1", {**HERE, "Authorization": f"Bearer {TOKEN}"}) is None
    now_s[0] += 1
    again = guard.refusal("10.0.0.1", HERE)
    assert again is not None
    assert again.status == 401


def test_each_use_has_a_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    guard = Guard(HttpSettings(requests_per_s=10), token=None)
    posted = [guard.refusal("127.0.0.1", HERE, method="POST", path="/frames") for _ in range(21)]
    assert [each is None for each in posted] == [True] * 20 + [False]
    for path in ("/", "/live.json", "/live/1.jpg", "/metrics", "/v2/health/ready"):
        assert guard.refusal("127.0.0.1", HERE, path=path) is None


@pytest.mark.parametrize(
    ("fetch", "method", "status"),
    [
        ({"Site": "same-origin", "Mode": "cors"}, "POST", None),
        ({"Site": "none", "Mode": "navigate", "Dest": "document"}, "GET", None),
        ({"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, "GET", None),
        ({"Site": "cross-site", "Mode": "navigate", "Dest": "document"}, "POST", 403),
        ({"Site": "cross-site", "Mode": "navigate", "Dest": "iframe"}, "GET", 403),
        ({"Site": "cross-site", "Mode": "no-cors", "Dest": "image"}, "GET", 403),
        ({"Site": "same-site", "Mode": "no-cors", "Dest": "script"}, "GET", 403),
        ({"Site": "nonsense"}, "GET", 403),
    ],
)
def test_what_a_browser_says_of_the_page_that_asks(fetch: dict[str, str], method: str, status: int | None) -> None:
    guard = Guard(HttpSettings(), token=None)
    headers = {f"Sec-Fetch-{name}": value for name, value in fetch.items()}
    found = guard.refusal("127.0.0.1", {**HERE, **headers}, method=method)
    assert (None if found is None else found.status) == status


def test_addresses_are_not_remembered_without_end() -> None:
    guard = Guard(HttpSettings(), token=None)
    for number in range(5000):
        guard.refusal(f"10.0.{number // 256}.{number % 256}", HERE)
    assert len(guard._rates) == 1024


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.5", "::", "station.local"])
def test_others_are_let_in_only_with_token_and_tls(host: str) -> None:
    with pytest.raises(ValueError, match="name token_file, tls_certificate and tls_key"):
        HttpSettings(host=host)
    with pytest.raises(ValueError, match="name token_file"):
        HttpSettings(host=host, tls_certificate=Path("a"), tls_key=Path("b"))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return made_identity(tmp_path_factory.mktemp("tls"))


def made_identity(folder: Path, *, passphrase: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "station")])
    now = datetime.now(tz=timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, how))
    (folder / "key.pem").chmod(0o600)
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


def https(port: int, trusted: Path, headers: dict[str, str]) -> tuple[int, bytes]:
    """Ask over TLS; gives the status and the certificate shown."""
    connection = http.client.HTTPSConnection(
        "localhost", port, context=ssl.create_default_context(cafile=str(trusted)), timeout=60
    )
    connection.connect()
    shown = connection.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined]
    connection.request("GET", "/v2/health/live", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, shown


def test_failed_tokens_are_counted_and_told(opened: Any, identity: tuple[Path, Path]) -> None:
    before = opened.service.counters.snapshot().refused_requests.get("token", 0)
    for _ in range(11):
        assert https(opened.port, identity[0], {"Authorization": "Bearer guess"})[0] in (401, 429)
    tally = opened.service.counters.snapshot()
    assert tally.refused_requests["token"] == before + 11
    noted = [each.text for each in tally.incidents if each.part == "http" and "(token)" in each.text]
    assert any(text.startswith("refused 10 requests so far (token), the last from 127.0.0.1") for text in noted)
    assert https(opened.port, identity[0], {"Authorization": f"Bearer {TOKEN}"})[0] == 200
    body = opened.front.web._facade.snapshot().refused_requests
    assert body["token"] >= 11


def test_a_new_certificate_is_shown_without_a_stop(
    bundle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_RENEW_CHECK_S", 0.05)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    certificate, key = made_identity(tmp_path / "a")
    newer, newer_key = made_identity(tmp_path / "b")
    with station(bundle, http={"tls_certificate": str(certificate), "tls_key": str(key)}) as running:

        def noted(text: str) -> bool:
            return any(text in each.text for each in running.service.counters.snapshot().incidents)

        _, first = https(running.port, certificate, {})
        certificate.write_bytes(newer.read_bytes())
        eventually(lambda: noted("was not renewed"))
        newer_key.replace(key)
        eventually(lambda: noted("was read again"))
        status, second = https(running.port, newer, {})
        assert status == 200
        assert first != second
        key.chmod(0o644)
        key.write_bytes(key.read_bytes())
        eventually(lambda: noted("everybody on this machine may read"))
        assert https(running.port, newer, {})[1] == second


@pytest.mark.parametrize("wrong", ["encrypted", "readable", "missing", "other"])
def test_a_key_that_cannot_be_used_is_said(bundle: Any, tmp_path: Path, wrong: str) -> None:
    certificate, key = made_identity(tmp_path, passphrase=b"secret" if wrong == "encrypted" else None)
    if wrong == "readable":
        key.chmod(0o644)
    elif wrong == "missing":
        key.unlink()
    elif wrong == "other":
        (tmp_path / "b").mkdir()
        made_identity(tmp_path / "b")[1].replace(key)
    expected = {
        "encrypted": "is encrypted, and nobody is there to type its passphrase; write it without: openssl pkey",
        "readable": "everybody on this machine may read this secret; run: chmod 640",
        "missing": "wanted a file with a secret",
        "other": "wanted a certificate and its key",
    }
    with (
        pytest.raises(LineFileError, match=expected[wrong]),
        station(bundle, http={"tls_certificate": str(certificate), "tls_key": str(key)}),
    ):
        pass


def test_half_handshakes_are_connections_and_give_way(opened: Any, identity: tuple[Path, Path]) -> None:
    with ExitStack() as stack:
        for _ in range(MOST + 40):
            stack.enter_context(socket.create_connection(("127.0.0.1", opened.port), timeout=60))
        assert https(opened.port, identity[0], {"Authorization": f"Bearer {TOKEN}"})[0] == 200
        held = opened.front.web.connections._all
        assert len(held) <= MOST
        assert opened.service.counters.snapshot().refused_requests["connections"] >= 40
    eventually(lambda: all(each.gone or not each.busy for each in held))


def test_a_handshake_that_is_not_finished_ends(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_S", 0.2)
    with socket.create_connection(("127.0.0.1", opened.port), timeout=30) as link:
        link.sendall(b"\x16\x03\x01")
        assert link.recv(100) == b""
