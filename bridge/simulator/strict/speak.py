"""The speak block (4.5): voices."""

import re
from typing import Any

from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.shapes import (
    Check,
    anything,
    between,
    credentials,
    endpoint,
    fields,
    invalid,
    number,
    object_of,
    one_of,
    text,
    unparsable,
)

_AURA_NAMES = frozenset({
    "andromeda", "asteria", "athena", "aurora", "callista", "cora", "cordelia", "delia",
    "electra", "harmonia", "helena", "hera", "iris", "janus", "juno", "luna", "minerva",
    "ophelia", "phoebe", "selene", "thalia", "vesta", "apollo", "arcas", "aries", "atlas",
    "hermes", "jupiter", "mars", "neptune", "odysseus", "orion", "orpheus", "pluto", "saturn",
    "zeus", "pandora", "draco", "theia", "hyperion", "amalthea", "estrella", "olivia", "sirio",
    "javier", "luciano", "valerio", "carina", "diana", "agustina", "silvia", "nestor", "alvaro",
    "celeste", "gloria", "antonia", "selena", "aquila", "elara", "aurelia", "lara", "kara",
    "viktoria", "julius", "fabian", "beatrix", "daphne", "cornelia", "hestia", "rhea", "leda",
    "sander", "lars", "roman", "agathe", "hector", "melia", "maia", "cinzia", "livia",
    "demetra", "elio", "flavio", "cesare", "dionisio", "uzume", "izanami", "ama", "ebisu",
    "fujin",
})  # fmt: skip
_AURA_1_NAMES = frozenset({
    "asteria", "luna", "stella", "athena", "hera", "orion", "arcas", "perseus", "angus",
    "orpheus", "helios", "zeus",
})  # fmt: skip
_NAMES = ("model", "model_id", "voice")
"""Where a provider names the voice."""
_VOICE = re.compile(r"(aura|aura-2|flux)-([a-z]+)-([a-z]{2})")


def known_aura(model: str) -> bool:
    """Whether the model is an Aura voice that exists."""
    voice = _VOICE.fullmatch(model)
    if voice is None:
        return False
    family, name, _ = voice.groups()
    return (family == "aura-2" and name in _AURA_NAMES) or (
        family == "aura" and name in _AURA_1_NAMES
    )


def _known_flux(model: str) -> bool:
    voice = _VOICE.fullmatch(model)
    return voice is not None and voice.group(1) == "flux"


def speak(value: Any, path: str, accepted: Accepted) -> bool:
    """The speak block: one voice or a chain, of which the first one speaks.

    Returns:
        Whether one of them is a Flux voice.
    """
    chain = value if isinstance(value, list) else [value]
    if not chain:
        raise invalid(f"{path}: an empty chain")
    flux = False
    for position, entry in enumerate(chain):
        where = f"{path}[{position}]" if isinstance(value, list) else path
        found = fields(
            entry, where, required={"provider": anything}, optional={"endpoint": endpoint}
        )
        provider = found["provider"]
        flux |= _speak_provider(provider, f"{where}.provider", "endpoint" in found)
        if position == 0:
            accepted.voice = str(next(provider[name] for name in _NAMES if name in provider))
    return flux


def _speak_provider(value: Any, path: str, own_endpoint: bool) -> bool:
    kind = object_of(value, path).get("type")
    match kind:
        case "deepgram":
            return _speak_deepgram(value, path)
        case "eleven_labs":
            shape: tuple[dict[str, Check], dict[str, Check]] = (
                {"model_id": text},
                {"language": text, "language_code": text, "version": text},
            )
        case "cartesia":
            shape = (
                {"model_id": text, "voice": _cartesia_voice},
                {"language": text, "volume": number, "speed": anything, "version": text},
            )
        case "open_ai":
            shape = ({"model": text, "voice": text}, {"version": text})
        case "aws_polly":
            shape = (
                {"voice": text, "language": text, "engine": text, "credentials": credentials},
                {"language_code": text},
            )
        case _:
            raise unparsable(f"{path}.type: unknown variant `{kind}`")
    required, optional = shape
    fields(value, path, required={"type": text, **required}, optional=optional)
    if kind in {"eleven_labs", "open_ai"} and not own_endpoint:
        raise invalid(f"{path}: {kind} needs an endpoint")
    return False


def _cartesia_voice(value: Any, path: str) -> None:
    fields(value, path, required={"mode": text, "id": text}, optional={})


def _speak_deepgram(value: dict[str, Any], path: str) -> bool:
    flux = bool(value.get("version") == "v2")
    optional: dict[str, Check] = {
        "version": one_of("v1", "v2"),
        "speed": between(0.5, 1.5) if flux else between(0.7, 1.5),
    }
    if flux:
        optional["expressivity"] = between(-2, 2, integer=True)
    fields(value, path, required={"type": text, "model": text}, optional=optional)
    if not (_known_flux if flux else known_aura)(value["model"]):
        raise invalid(f"{path}.model: unknown voice {value['model']}")
    return flux
