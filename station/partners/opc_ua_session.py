"""A session with an OPC UA server, for code without an event loop: the station is the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ...inspection.base.errors import DeliveryError
from ..secret_files import read_secret, require_private

if TYPE_CHECKING:
    from asyncua import ua
    from asyncua.client.client import Client
    from asyncua.common.node import Node

_UNHEARD = logging.NullHandler()
_ANSWER_S, _CONNECT_S, _CLOSE_S = 2.0, 10.0, 3.0

AnyResult = TypeVar("AnyResult")


class ServerSettings(BaseModel):
    """Where the server is and how to log in.

    Attributes:
        url: Such as `opc.tcp://192.168.0.10:4840`.
        user: To log in as; None: anonymous.
        password_file: Holds the password.
        certificate: Of this station, PEM or DER; with it everything is signed and encrypted (Basic256Sha256).
        private_key: That belongs to it.
        application_uri: Name of the station; stands in its certificate as a subject alternative name.
        server_certificate: The one that the server must show; None: the one that it shows is believed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: Annotated[str, Field(pattern=r"^opc\.tcp://")]
    user: str | None = None
    password_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    application_uri: str = "urn:beltline:station"
    server_certificate: Path | None = None

    @model_validator(mode="after")
    def _identity_whole(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            msg = "certificate and private_key belong together; name both"
            raise ValueError(msg)
        return self


class OpcUaSession:
    """An open session and some of the server's variables. Its event loop has its own thread."""

    def __init__(self, settings: ServerSettings, places: Mapping[str, str]) -> None:
        """Log in.

        Args:
            settings: Of the server.
            places: Node of each variable by a name, such as `ns=3;s="Station"."Reject"`.

        Raises:
            Exception: Whatever the library raises where the server is away or has no such variable.
        """
        self._settings, self._places = settings, places
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="opc-ua", daemon=True)
        self._thread.start()
        self._client: Client | None = None
        try:
            self._variables = self._finished(self._open(), within_s=_CONNECT_S)
        except BaseException:
            self.close()
            raise

    def kind(self, name: str) -> str:
        """Name the built-in type of a variable, such as `UInt16`."""
        return self._variables[name][1].name

    def read(self, name: str) -> Any:
        """Read a variable."""
        return self._finished(self._variables[name][0].read_value(), within_s=_ANSWER_S)

    def write(self, values: Mapping[str, Any]) -> None:
        """Write variables in one call, in the order given, each in the type of its variable."""
        from asyncua import ua

        assert self._client is not None  # noqa: S101 - only called on an open session
        nodes = [self._variables[name][0] for name in values]
        typed = [
            ua.DataValue(ua.Variant(value, self._variables[name][1]))
            for name, value in values.items()
        ]  # fmt: skip
        self._finished(self._client.write_values(nodes, typed), within_s=_ANSWER_S)

    def close(self) -> None:
        """Log out, also where the server is gone."""
        try:
            if self._client is not None:
                self._finished(self._client.disconnect(), within_s=_CLOSE_S)
        except Exception:  # noqa: BLE001 - the partner may be gone; there is nobody left to say goodbye to
            self._client = None
        finally:
            self._finished(self._cancelled(), within_s=_CLOSE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _open(self) -> dict[str, tuple[Node, ua.VariantType]]:
        from asyncua.client.client import Client

        settings = self._settings
        logging.getLogger("asyncua").addHandler(_UNHEARD)  # whoever uses the session reports failures, once
        self._client = client = Client(settings.url, timeout=_ANSWER_S)
        client.name = client.description = "Beltline station"
        client.application_uri = settings.application_uri
        if settings.user is not None:
            client.set_user(settings.user)
        if settings.password_file is not None:
            client.set_password(read_secret(settings.password_file))
        if settings.certificate is not None and settings.private_key is not None:
            await self._encrypt(client, settings.certificate, settings.private_key)
        await client.connect()
        nodes = {name: client.get_node(place) for name, place in self._places.items()}
        return {name: (node, await node.read_data_type_as_variant_type()) for name, node in nodes.items()}

    async def _encrypt(self, client: Client, certificate: Path, private_key: Path) -> None:
        from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

        require_private(private_key)
        shown = self._settings.server_certificate
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=str(certificate),
            private_key=str(private_key),
            server_certificate=None if shown is None else str(shown),
        )

    async def _cancelled(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _finished(self, work: Coroutine[Any, Any, AnyResult], *, within_s: float) -> AnyResult:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s)
        except NotInTime as error:
            future.cancel()
            msg = f"{self._settings.url} did not answer within {within_s:g} s"
            raise DeliveryError(msg) from error
