"""Say whether a bundle may work on this machine: `python verify_a_bundle.py line.beltline key.pub.pem`."""

import sys

import beltline


def main(bundle: str, key: str) -> None:
    """Check signature, digests, machine and golden decisions; a refusal says why and what to do."""
    try:
        verified = beltline.verify(bundle, key=key)
    except beltline.BeltlineError as error:
        sys.exit(f"refused: {error}")
    print(verified.manifest.version, "signed by", verified.signer.key)
    for each in verified.proven:
        print(f"{each.row} on {each.backend}: {each.frames} golden frames decided as measured")


if __name__ == "__main__":
    main(*sys.argv[1:])
