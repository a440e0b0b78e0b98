"""The product from a PLC's variable over OPC UA: the station is the client and reads it again and again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...inspection.base.packages import missing_package
from ..changeover import PolledProduct, ProductsByCode, ProductSignal, named_product
from ..partners.opc_ua_session import OpcUaSession, ServerSettings


class OpcUaProductSettings(ServerSettings):
    """The server and its variable.

    Attributes:
        url: Such as `opc.tcp://192.168.0.10:4840`.
        variable: Holds the product: its name, or a number of `products`; such as `ns=3;s="Station"."Product"`.
        products: Product by number, such as `{1: boardA, 2: boardB}`; what is not listed is the product's own name.
        poll_ms: It is read so often.
        user: To log in as; None: anonymous.
        password_file: Holds the password.
        certificate: Of this station, PEM or DER; with it everything is signed and encrypted (Basic256Sha256).
        private_key: That belongs to it.
        application_uri: Name of the station; stands in its certificate as a subject alternative name.
        server_certificate: The one that the server must show; None: the one that it shows is believed.
    """

    variable: str
    products: ProductsByCode = Field(default_factory=dict)
    poll_ms: Annotated[float, Field(ge=1, le=10_000)] = 50.0


class OpcUaProduct:
    """The kind `opc_ua`."""

    name = "opc_ua"
    settings_type = OpcUaProductSettings

    def missing(self) -> str | None:
        """Say whether asyncua is there."""
        return missing_package("asyncua", "station")

    def open(self, settings: OpcUaProductSettings) -> ProductSignal:
        """Log in."""
        session = OpcUaSession(settings, {"product": settings.variable})
        return PolledProduct(
            lambda: named_product(session.read("product"), settings.products), session.close, poll_ms=settings.poll_ms
        )


CHANGEOVER = OpcUaProduct()
