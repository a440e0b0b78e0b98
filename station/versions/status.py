"""What is installed, what works, and what one could go back to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...export.artifacts import runtime_packages
from ...export.bundles.fitness import cautions_for
from ...export.bundles.proof import Speed
from ...inspection.base.errors import BundleError
from ...targets.fingerprint import fingerprint
from .activation import Places, current_activation, earlier_activations, unpacked_of


def status(places: Places) -> dict[str, Any]:
    """Say what works; every file of it is compared with its digest, nothing is run.

    Returns:
        JSON-able: `root`, `line`, `product`, `number`, `expires` (of the bundle), `version`, `generation`, `since`,
        `why`, `signer`, `self_test` (of when it was put to work), `measured` (then, of models built here), `models`
        (row, backend, precision, threshold, verdict), `cautions`, `back` (versions that a rollback would take, in
        order), `versions` (all on disk).

    Raises:
        BundleError: Nothing is installed, or what is has been damaged.
    """
    now = current_activation(places)
    if now is None:
        msg = f"nothing is installed in {places.root}; install a bundle, or name another folder with --root"
        raise BundleError(msg)
    manifest = unpacked_of(places, now).manifest
    shown = {"row", "backend", "precision", "threshold", "verdict"}
    earlier = [each.version for each in earlier_activations(places, now)]
    return {
        "root": str(places.root),
        **{name: getattr(manifest, name) for name in ("line", "product", "number", "expires")},
        "version": now.version,
        "generation": now.number,
        "since": now.since,
        "why": now.why,
        "signer": now.signer,
        "self_test": [asdict(each) for each in now.self_test],
        "measured": [asdict(each) for each in now.measured],
        "models": [model.model_dump(mode="json", include=shown) for model in manifest.models],
        "cautions": list(cautions_for(manifest, fingerprint(runtime_packages()))),
        "back": [version for version in dict.fromkeys(earlier) if version != now.version],
        "versions": sorted(each.name for each in places.versions.iterdir() if not each.name.startswith(".")),
    }


def status_text(facts: dict[str, Any]) -> str:
    """Put `status`'s facts into words."""
    lines = [
        f"version    {facts['version']} (generation {facts['generation']}, {facts['why']})",
        f"since      {facts['since']}",
        f"line       {facts['line']}, product {facts['product']}, number {facts['number']}",
        f"signer     {facts['signer']}",
        *(f"model      {_model(model)}" for model in facts["models"]),
        *(f"self-test  {_test(test)}" for test in facts["self_test"]),
        *(f"measured   {Speed(**each).text}" for each in facts["measured"]),
        *(f"caution    {sentence}" for sentence in facts["cautions"]),
        f"back to    {', '.join(facts['back']) or 'nothing: it is the first'}",
        f"on disk    {', '.join(facts['versions'])}",
    ]
    return "\n".join(lines)


def _model(model: dict[str, Any]) -> str:
    cut = f"rejects from {model['threshold']:.4f}"
    return f"{model['row']} on {model['backend']}, {model['precision']}, {cut}, verdict {model['verdict']}"


def _test(test: dict[str, Any]) -> str:
    return (
        f"{test['row']} on {test['backend']}: {test['frames']} golden decisions as measured, "
        f"largest score difference {test['max_abs']:.2g}"
    )
