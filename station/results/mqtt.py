"""Outcomes to an MQTT broker, each as one message of JSON that the broker has confirmed (QoS 1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...inspection.base.errors import DeliveryError
from ...inspection.base.packages import missing_package
from ..outcomes import Outcome, Sink, outcome_line
from ..partners.broker import PATIENCE_S, BrokerSettings, client_of, connect
from ..publishing.delivery import Delivery, Link


class MqttSettings(BrokerSettings):
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

    topic: Annotated[str, Field(pattern=r"^[^#+\x00]{1,200}$")] = "beltline"
    client_id: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] = "beltline"
    keep_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0


class _Broker:
    """A connection that the broker has accepted: a link of `delivery`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._client = client_of(settings, settings.client_id)
        self._client.will_set(f"{settings.topic}/state", b"offline", qos=1, retain=True)
        try:
            connect(self._client, settings)
            self._publish("state", b"online", retain=True)
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

    def _publish(self, below: str, payload: bytes, *, retain: bool) -> None:
        sent = self._client.publish(f"{self._settings.topic}/{below}", payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE_S)
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

        def opened() -> Link:
            return _Broker(settings)

        return Delivery(f"MQTT broker {settings.host}:{settings.port}", opened, keep_s=settings.keep_s)


RESULT = Mqtt()
