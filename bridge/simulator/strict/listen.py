"""The listen block (4.3): Nova and Flux each have their own fields."""

import re
from typing import Any

from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.shapes import (
    anything,
    between,
    fields,
    flag,
    invalid,
    object_of,
    one_of,
    text,
    texts,
    unparsable,
)

_NOVA = re.compile(r"nova-[23](-[a-z]+)*|enhanced(-[a-z]+)?|base(-[a-z]+)?|nova(-[a-z]+)?")
_FLUX = ("flux-general-en", "flux-general-multi")


def listen(value: Any, path: str, accepted: Accepted, *, update: bool = False) -> None:
    """The listen block, of ``Settings`` or (``update``) of ``UpdateListen``."""
    provider = object_of(fields(value, path, required={"provider": anything}, optional={})
                       ["provider"], f"{path}.provider")  # fmt: skip
    path = f"{path}.provider"
    version = provider.get("version", None if update else "v1")
    if version == "v2":
        _listen_flux(provider, path, accepted)
    elif version == "v1":
        _listen_nova(provider, path)
        if update and "keyterms" in provider:
            raise invalid(f"{path}.keyterms: fixed for the session with Nova")
        accepted.flux = False
    else:
        raise unparsable(f"{path}.version: expected v1 or v2")


def _listen_nova(provider: dict[str, Any], path: str) -> None:
    fields(
        provider,
        path,
        required={"type": one_of("deepgram")},
        optional={
            "version": text,
            "model": text,
            "language": text,
            "keyterms": texts,
            "smart_format": flag,
        },
    )
    model = provider.get("model", "nova-3")
    if not _NOVA.fullmatch(model):
        raise invalid(f"{path}.model: unknown model {model} for version v1")


def _listen_flux(provider: dict[str, Any], path: str, accepted: Accepted) -> None:
    fields(
        provider,
        path,
        required={"type": one_of("deepgram"), "version": text, "model": text},
        optional={
            "eot_threshold": between(0.5, 1.0),
            "eager_eot_threshold": between(0.3, 0.9),
            "eot_timeout_ms": between(1, 60_000, integer=True),
            "keyterms": texts,
            "language_hints": texts,
        },
    )
    if provider["model"] not in _FLUX:
        raise invalid(f"{path}.model: unknown model {provider['model']} for version v2")
    if "language_hints" in provider and provider["model"] != "flux-general-multi":
        raise invalid(f"{path}.language_hints: only with flux-general-multi")
    # In an update "every other omitted field keeps its value" (2.3).
    threshold = provider.get("eot_threshold", accepted.eot_threshold)
    eager = provider.get("eager_eot_threshold", accepted.eager_eot_threshold)
    if eager is not None and eager > threshold:
        raise invalid(f"{path}.eager_eot_threshold: must not be above eot_threshold")
    accepted.flux = True
    accepted.eot_threshold = threshold
    accepted.eager_eot_threshold = eager
    accepted.timeout_ms = provider.get("eot_timeout_ms", accepted.timeout_ms)
