"""The product from an MQTT broker: the last message of a topic, which the broker keeps for who comes later (retain)."""

from __future__ import annotations

import json
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ...inspection.base.errors import DeliveryError
from ...inspection.base.packages import missing_package
from ..changeover import ProductsByCode, ProductSignal, named_product
from ..partners.broker import BrokerSettings, client_of, connect

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_MOST_BYTES = 65_536


class MqttProductSettings(BrokerSettings):
    """The broker and the topic.

    Attributes:
        host: Of the broker.
        port: Usually 1883, with TLS 8883.
        topic: Its messages name the product, as text or, with `key`, in a JSON object.
        key: Of that object; None: the message is the name.
        products: Product by what messages call it; what is not listed is the product's own name.
        client_id: Of this station; the broker cuts off the older of two with the same one.
        user: To log in as; None: without.
        password_file: Holds the password.
        tls: Encrypt, and check the broker's certificate.
        tls_authorities: PEM of who may have signed that certificate; None: whom the system trusts.
    """

    topic: Annotated[str, Field(pattern=r"^[^#+\x00]{1,200}$")]
    key: str | None = None
    products: ProductsByCode = Field(default_factory=dict)
    client_id: Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")] = "beltline-product"


class _Subscription:
    """An accepted connection; a message that cannot be read names no product, so that no other one's stays."""

    def __init__(self, settings: MqttProductSettings) -> None:
        self._settings = settings
        self._said: SimpleQueue[str | None] = SimpleQueue()
        self._client = client_of(settings, settings.client_id)
        self._client.on_message = self._on_message
        self._client.on_disconnect = lambda *_: self._said.put(None)
        try:
            connect(self._client, settings)
            self._client.subscribe(settings.topic, qos=1)
        except BaseException:
            self.close()
            raise

    def next_product(self, within_s: float) -> str | None:
        try:
            said = self._said.get(timeout=within_s)
        except Empty:
            return None
        if said is None:
            msg = f"MQTT broker {self._settings.host}:{self._settings.port} is gone"
            raise DeliveryError(msg)
        return said

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._said.put(product_of_message(bytes(message.payload), self._settings))


def product_of_message(payload: bytes, settings: MqttProductSettings) -> str:
    """Read a message; empty: it names no product.

    >>> settings = MqttProductSettings(host="broker", topic="line7/product", key="sku", products={"17": "boardA"})
    >>> product_of_message(b'{"sku": 17}', settings), product_of_message(b"boardA", settings)
    ('boardA', '')
    """
    text = payload[:_MOST_BYTES].decode(errors="replace")
    if settings.key is None:
        return named_product(text, settings.products)
    try:
        found = json.loads(text)[settings.key]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return named_product(found, settings.products)


class MqttProduct:
    """The kind `mqtt`."""

    name = "mqtt"
    settings_type = MqttProductSettings

    def missing(self) -> str | None:
        """Say whether paho-mqtt is there."""
        return missing_package("paho", "station")

    def open(self, settings: MqttProductSettings) -> ProductSignal:
        """Subscribe."""
        return _Subscription(settings)


CHANGEOVER = MqttProduct()
