"""Outcomes to an MQTT broker, each as one message of JSON that the broker has confirmed (QoS 1)."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DeliveryError
from ...inspection.base.packages import missing_package
from ..outcomes import Outcome, Sink, outcome_line
from ..publishing.delivery import Delivery, Link
from ..secret_files import read_secret

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_PATIENCE_S = 5.0
_KEEP_ALIVE_S = 15


class MqttSettings(BaseModel):
    """The broker and what is published there.

    Attributes:
        host: Of the broker.
        port: Usually 1883, with TLS 8883.
        topic: Outcomes go to `<topic>/outcome`; `<topic>/state` holds `online` or `offline`, retained: the broker
            itself publishes `offline` when the station is gone.
        client_id: Of this station; the broker cuts off the older of two with the same one.
        user: To log in as; None: without.
        password_file: Holds the password.
        tls: Encrypt, and check the broker's certificate.
        tls_authorities: PEM of who may have signed that certificate; None: whom the system trusts.
        keep_s: An outcome that the broker did not confirm within this time is counted as dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    topic: Annotated[str, Field(pattern=r"^[^#+\x00]{1,200}$")] = "beltline"
    client_id: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] = "beltline"
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_authorities: Path | None = None
    keep_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0


class _Broker:
    """A connection that the broker has accepted: a link of `delivery`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._answered = Event()
        self._reason = "it does not answer"
        self._client = self._prepared()
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def deliver(self, outcome: Outcome) -> None:
        self._publish("outcome", outcome_line(outcome).rstrip(), retain=False)

    def close(self) -> None:
        if self._client.is_connected():
            self._client.publish(f"{self._settings.topic}/state", b"offline", qos=1, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> None:
        settings = self._settings
        self._client.connect(settings.host, settings.port, keepalive=_KEEP_ALIVE_S)
        self._client.loop_start()
        if not self._answered.wait(_PATIENCE_S) or self._reason:
            msg = f"MQTT broker {settings.host}:{settings.port}: {self._reason}"
            raise DeliveryError(msg)
        self._publish("state", b"online", retain=True)

    def _prepared(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        settings = self._settings
        client = Client(CallbackAPIVersion.VERSION2, client_id=settings.client_id, reconnect_on_failure=False)
        client.connect_timeout = _PATIENCE_S
        if settings.user is not None:
            secret = None if settings.password_file is None else read_secret(settings.password_file)
            client.username_pw_set(settings.user, secret)
        if settings.tls:
            client.tls_set(ca_certs=None if settings.tls_authorities is None else str(settings.tls_authorities))
        client.will_set(f"{settings.topic}/state", b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        return client

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._reason = str(reason) if reason.is_failure else ""
        self._answered.set()

    def _publish(self, below: str, payload: bytes, *, retain: bool) -> None:
        sent = self._client.publish(f"{self._settings.topic}/{below}", payload, qos=1, retain=retain)
        sent.wait_for_publish(_PATIENCE_S)
        if not sent.is_published():
            msg = f"MQTT broker {self._settings.host}:{self._settings.port} did not confirm a message"
            raise DeliveryError(msg)


class Mqtt:
    """The kind `mqtt`."""

    name = "mqtt"
    settings_type = MqttSettings

    def missing(self) -> str | None:
        """Say whether paho-mqtt is there."""
        return missing_package("paho", "station")

    def open(self, settings: MqttSettings) -> Sink:
        """Connect with the first outcome."""

        def connect() -> Link:
            return _Broker(settings)

        return Delivery(f"MQTT broker {settings.host}:{settings.port}", connect, keep_s=settings.keep_s)


RESULT = Mqtt()
