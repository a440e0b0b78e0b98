"""Who vouches for a bundle: Ed25519 (RFC 8032) over its manifest, which holds the digest of everything else."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import BundleError, StorageError
from ...inspection.base.storage import write_bytes
from .manifest import SIGNATURE, canonical, read_part

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PURPOSE = b"beltline bundle manifest 1\n"
"""Signed before the manifest, so that a signature made for something else is none for a bundle."""

_MAX_KEY_BYTES = 10_000


_NEXT_KEY = b"beltline next key 1\n"
"""Signed before a public key, by the key that it replaces."""

_ROTATION = ".rotation.json"
_CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True)
_Key = Annotated[str, Field(max_length=64)]
_Signed = Annotated[str, Field(max_length=128)]


class _Replaced(BaseModel):
    """A key that was replaced, and its signature over the key that follows it; in base64."""

    model_config = _CLOSED
    public_key: _Key
    signature: _Signed


class _Rotation(BaseModel):
    """Content of `key.rotation.json` beside a private key: the keys before it, the first one first."""

    model_config = _CLOSED
    replaced: Annotated[tuple[_Replaced, ...], Field(max_length=32)] = ()


class _Signature(BaseModel):
    """Content of signature.json; key and signature in base64, with the keys that this one replaced."""

    model_config = _CLOSED
    algorithm: Literal["Ed25519"]
    public_key: _Key
    signature: _Signed
    rotation: _Rotation = _Rotation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed a bundle.

    Attributes:
        key: The signing key's fingerprint, `sha256:<16 hex digits>`; None: nobody signed.
        trusted: Whether it is the key that the reader asked for, or one that follows it.
        rotated: Whether it is one that follows it: each was signed by the one before.
        public: The signing key in PEM; None: nobody signed.
    """

    key: str | None
    trusted: bool
    rotated: bool = False
    public: bytes | None = None

    @property
    def text(self) -> str:
        """A sentence for people."""
        if self.key is None:
            return "not signed: nobody says where this bundle comes from"
        if self.rotated:
            return f"signed by the key {self.key}, which replaces the one given and was signed by it"
        if self.trusted:
            return f"signed by the key {self.key}, which is the one given"
        return f"signed by the key {self.key}, compared with none of yours: anybody may have made it"


def make_key(path: Path, *, replaces: Path | None = None) -> Path:
    """Write a new private key, readable by its owner only, and the public key beside it.

    Args:
        path: Of the private key, such as `key.pem`.
        replaces: Private key that it is to take the place of: `key.rotation.json` beside the new one holds the proof,
            which travels in every bundle that it signs, so that devices that trust the old key go over to the new one.

    Returns:
        The public key's file, such as `key.pub.pem`.

    Raises:
        BundleError: `replaces` is no private key.
        StorageError: A file is there already, or the place cannot be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    rotation = None if replaces is None else _rotation_to(key.public_key(), replaces)
    _write_private(path, private)
    if rotation is not None:
        write_bytes(path.with_suffix(_ROTATION), canonical(rotation))
    public = path.with_suffix(".pub.pem")
    write_bytes(public, _pem(key.public_key()))
    return public


def sign(manifest: bytes, key: Path) -> bytes:
    """Give the content of `signature.json` for a manifest; the `.rotation.json` beside the key goes in with it.

    Raises:
        BundleError: The file holds no Ed25519 private key.
    """
    private = _private_key(key)
    signature = _text(private.sign(_PURPOSE + manifest))
    public = _text(_raw(private.public_key()))
    signed = _Signature(algorithm="Ed25519", public_key=public, signature=signature, rotation=_rotation_of(key))
    return canonical(signed)


def check_signature(manifest: bytes, signature: bytes | None, *, key: Path | None) -> Signer:
    """Check a manifest's signature.

    Args:
        manifest: Its bytes.
        signature: Content of `signature.json`; None: there is none.
        key: Public key (PEM) that must have signed; None: any key will do, and none is trusted.

    Raises:
        BundleError: The signature is damaged, does not belong to this manifest, or is another key's.
    """
    wanted = _public_key(key) if key is not None else None
    if signature is None:
        if wanted is not None:
            msg = f"wanted a bundle signed by {key}, got one that nobody signed; sign it: beltline bundle --key"
            raise BundleError(msg)
        return Signer(key=None, trusted=False)
    keys = _verified(manifest, signature)
    signer, name = keys[-1], _fingerprint(keys[-1])
    if wanted is not None and _raw(wanted) not in map(_raw, keys):
        msg = (
            f"wanted the signature of {key} ({_fingerprint(wanted)}), got that of {name}; do not use this bundle, "
            "unless you know that the key was replaced: then remove or rename the old key's file"
        )
        raise BundleError(msg)
    rotated = wanted is not None and _raw(wanted) != _raw(signer)
    return Signer(key=name, trusted=wanted is not None, rotated=rotated, public=_pem(signer))


def public_pem(key: Path) -> bytes:
    """Read a public key and give it in the form it is kept in.

    Raises:
        BundleError: The file holds no Ed25519 public key.
    """
    return _pem(_public_key(key))


def _verified(manifest: bytes, signature: bytes) -> list[Ed25519PublicKey]:
    """Give the key that signed, after those that it replaced; every signature among them holds."""
    found = read_part(signature, _Signature, name=SIGNATURE)
    keys = [_key_of(text) for text in (*(each.public_key for each in found.rotation.replaced), found.public_key)]
    for each, key, after in zip(found.rotation.replaced, keys, keys[1:], strict=False):
        _require_signed(key, each.signature, _NEXT_KEY + _raw(after), what="a replaced key did not sign the next one")
    what = "the signature does not belong to this manifest"
    _require_signed(keys[-1], found.signature, _PURPOSE + manifest, what=what)
    return keys


def _require_signed(key: Ed25519PublicKey, signature: str, content: bytes, *, what: str) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(_raw_of(signature), content)
    except InvalidSignature as error:
        msg = f"{what}: the bundle was changed; do not use it"
        raise BundleError(msg) from error


def _key_of(text: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        return Ed25519PublicKey.from_public_bytes(_raw_of(text))
    except ValueError as error:
        raise _damaged(str(error)) from error


def _raw_of(text: str) -> bytes:
    """Undo base64; bits of its last character that mean nothing must be zero, so that no bit goes unchecked."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _damaged(str(error)) from error
    if _text(raw) != text:
        why = "base64 with stray bits"
        raise _damaged(why)
    return raw


def _damaged(why: str) -> BundleError:
    return BundleError(f"{SIGNATURE} is damaged ({why}); get the bundle again from where it was made")


def _rotation_of(key: Path) -> _Rotation:
    """Read what lies beside a private key that took another's place; empty where it is the first one."""
    path = key.with_suffix(_ROTATION)
    return read_part(_key_bytes(path), _Rotation, name=str(path)) if path.exists() else _Rotation()


def _rotation_to(key: Ed25519PublicKey, old: Path) -> _Rotation:
    private = _private_key(old)
    signature = _text(private.sign(_NEXT_KEY + _raw(key)))
    replaced = _Replaced(public_key=_text(_raw(private.public_key())), signature=signature)
    return _Rotation(replaced=(*_rotation_of(old).replaced, replaced))


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_key_bytes(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"{path}: wanted an Ed25519 private key in PEM without a passphrase; make one: beltline bundle --new-key"
        raise BundleError(msg) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path}: wanted an Ed25519 key, got {type(key).__name__}; make one: beltline bundle --new-key"
        raise BundleError(msg)
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_key_bytes(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = f"{path}: wanted an Ed25519 public key in PEM (key.pub.pem of beltline bundle --new-key)"
        raise BundleError(msg) from error
    if not isinstance(key, Ed25519PublicKey):
        msg = f"{path}: wanted an Ed25519 public key, got {type(key).__name__}"
        raise BundleError(msg)
    return key


def _key_bytes(path: Path) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_KEY_BYTES:
            msg = f"{path}: wanted a key file, got none; make a pair: beltline bundle --new-key key.pem"
            raise BundleError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: the key cannot be read: {error.strerror}"
        raise BundleError(msg) from error


def _write_private(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        msg = f"cannot write the key {path}: {error.strerror}; name a file that is not there yet"
        raise StorageError(msg) from error


def _pem(key: Ed25519PublicKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def _fingerprint(key: Ed25519PublicKey) -> str:
    return f"sha256:{hashlib.sha256(_raw(key)).hexdigest()[:16]}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
