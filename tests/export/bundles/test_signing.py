"""Keys and signatures: what another Ed25519 implementation says, and what is no key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from beltline.export.bundles.signing import check_signature, make_key, public_pem, sign
from beltline.inspection.base.errors import BundleError, StorageError

MANIFEST = b'{"format": 1}'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    private = tmp_path_factory.mktemp("keys") / "key.pem"
    return private, make_key(private)


def test_a_private_key_is_its_owners_alone_and_never_overwritten(keys: tuple[Path, Path]) -> None:
    private, public = keys
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.name == "key.pub.pem"
    before = private.read_bytes()
    with pytest.raises(StorageError, match="not there yet"):
        make_key(private)
    assert private.read_bytes() == before


def test_openssl_makes_and_reads_the_same_keys(keys: tuple[Path, Path], tmp_path: Path) -> None:
    def openssl(*arguments: str | Path) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    private, public = keys
    assert openssl("pkey", "-in", private, "-pubout") == public.read_bytes()
    own, own_public = tmp_path / "own.pem", tmp_path / "own.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", own)
    openssl("pkey", "-in", own, "-pubout", "-out", own_public)
    assert check_signature(MANIFEST, sign(MANIFEST, own), key=own_public).trusted


def test_a_signature_counts_for_its_manifest_and_purpose_only(keys: tuple[Path, Path]) -> None:
    private, public = keys
    signature = sign(MANIFEST, private)
    signer = check_signature(MANIFEST, signature, key=public)
    assert signer.trusted
    assert "the one given" in signer.text
    assert "anybody" in check_signature(MANIFEST, signature, key=None).text
    with pytest.raises(BundleError, match="was changed"):
        check_signature(MANIFEST + b" ", signature, key=public)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"algorithm": "none"}', b"[" * 9999])
def test_a_signature_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"signature\.json"):
        check_signature(MANIFEST, content, key=None)


def test_keys_of_another_kind_are_named(keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    other = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", other], check=True, capture_output=True)
    with pytest.raises(BundleError, match="wanted an Ed25519 key, got RSA"):
        sign(MANIFEST, other)
    for wrong in (public, tmp_path, tmp_path / "none.pem", Path("/dev/zero")):
        with pytest.raises(BundleError, match=r"wanted (an Ed25519 private key|a key file)"):
            sign(MANIFEST, wrong)
    with pytest.raises(BundleError, match="wanted an Ed25519 public key"):
        public_pem(private)
