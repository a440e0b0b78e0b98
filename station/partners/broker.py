"""A connection to an MQTT broker that it has accepted."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DeliveryError
from ..secret_files import read_secret

if TYPE_CHECKING:
    from paho.mqtt.client import Client

PATIENCE_S = 5.0
_KEEP_ALIVE_S = 15


class BrokerSettings(BaseModel):
    """Where the broker is and how to log in.

    Attributes:
        host: Of the broker.
        port: Usually 1883, with TLS 8883.
        user: To log in as; None: without.
        password_file: Holds the password.
        tls: Encrypt, and check the broker's certificate.
        tls_authorities: PEM of who may have signed that certificate; None: whom the system trusts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_authorities: Path | None = None


def client_of(settings: BrokerSettings, client_id: str) -> Client:
    """Make a client that is not connected yet, and that does not connect again by itself.

    Raises:
        LineFileError: The password cannot be read.
    """
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    client.connect_timeout = PATIENCE_S
    if settings.user is not None:
        secret = None if settings.password_file is None else read_secret(settings.password_file)
        client.username_pw_set(settings.user, secret)
    if settings.tls:
        client.tls_set(ca_certs=None if settings.tls_authorities is None else str(settings.tls_authorities))
    return client


def connect(client: Client, settings: BrokerSettings) -> None:
    """Connect, and wait until the broker has accepted the client.

    Raises:
        DeliveryError: It did not.
        OSError: Nobody is there.
    """
    answered, reasons = Event(), ["it does not answer"]

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        reasons.append(str(reason) if reason.is_failure else "")
        answered.set()

    client.on_connect = on_connect
    client.connect(settings.host, settings.port, keepalive=_KEEP_ALIVE_S)
    client.loop_start()
    if not answered.wait(PATIENCE_S) or reasons[-1]:
        msg = f"MQTT broker {settings.host}:{settings.port}: {reasons[-1]}"
        raise DeliveryError(msg)
