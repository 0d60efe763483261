"""The ``Settings`` message (4.1, 4.2, 4.6) but for its three large blocks."""

from collections.abc import Mapping
from typing import Any

from bridge.simulator.formats import KNOWN, Format
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.listen import listen
from bridge.simulator.strict.shapes import (
    Check,
    Refused,
    anything,
    each,
    fields,
    flag,
    invalid,
    object_of,
    one_of,
    text,
    texts,
    unparsable,
    whole,
)
from bridge.simulator.strict.speak import speak
from bridge.simulator.strict.think import think

_INPUT_ENCODINGS = frozenset({
    "linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus", "ogg-opus",
    "speex", "g729",
})  # fmt: skip
_OUTPUT_ENCODINGS = frozenset({"linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac"})
_RAW_ENCODINGS = frozenset({"linear16", "mulaw", "alaw"})


def settings(message: Mapping[str, Any]) -> Accepted:
    """The whole ``Settings`` message.

    Raises:
        Refused: with the code and description of the ``Error`` that ends the session.
    """
    accepted = Accepted()
    body = fields(
        message,
        "Settings",
        required={"type": text, "audio": anything, "agent": anything},
        optional={
            "tags": texts,
            "experimental": flag,
            "flags": lambda value, path: _flags(value, path, accepted),
            "mip_opt_out": flag,
        },
    )
    accepted.experimental = body.get("experimental", False)
    audio = fields(
        body["audio"], "Settings.audio", required={}, optional={"input": _input, "output": _output}
    )
    output = audio.get("output", {})
    if isinstance(body["agent"], str):
        raise Refused("INVALID_AGENT_ID", "Settings.agent: no stored configuration with this id")
    flux_voice = _agent(body["agent"], accepted)
    if flux_voice and (
        output.get("encoding", "linear16") not in _RAW_ENCODINGS
        or output.get("container", "none") != "none"
    ):
        raise invalid("Settings.audio.output: Flux voices speak raw audio without container")
    accepted.heard = _format(audio.get("input", {}), "input")
    accepted.spoken = _format(output, "output")
    return accepted


def _flags(value: Any, path: str, accepted: Accepted) -> None:
    found = fields(value, path, required={}, optional={"history": flag})
    accepted.history = found.get("history", True)


def _format(sound: dict[str, Any], side: str) -> Format:
    encoding = sound.get("encoding", "linear16")
    usual_hz = 8000 if encoding == "mulaw" else 24000
    wanted = Format(encoding=encoding, rate_hz=sound.get("sample_rate", usual_hz))
    if wanted not in KNOWN:
        raise invalid(
            f"Settings.audio.{side}: this emulator knows mulaw 8000, linear16 8000, 16000"
        )
    return wanted


def _input(value: Any, path: str) -> None:
    found = fields(value, path, required={"encoding": text, "sample_rate": whole}, optional={})
    if found["encoding"] not in _INPUT_ENCODINGS:
        raise unparsable(f"{path}.encoding: unknown variant `{found['encoding']}`")
    if not 8000 <= found["sample_rate"] <= 48000:
        raise invalid(f"{path}.sample_rate: not supported")


def _output(value: Any, path: str) -> None:
    found = fields(
        value,
        path,
        required={},
        optional={
            "encoding": text,
            "sample_rate": whole,
            "bitrate": whole,
            "container": one_of("none", "wav", "ogg"),
        },
    )
    encoding = found.get("encoding", "linear16")
    if encoding not in _OUTPUT_ENCODINGS:
        raise unparsable(f"{path}.encoding: unknown variant `{encoding}`")
    rate_hz = found.get("sample_rate", 8000)
    if encoding in {"mulaw", "alaw"} and rate_hz not in (8000, 16000):
        raise invalid(f"{path}.sample_rate: {encoding} is 8000 or 16000")
    if encoding == "linear16" and not 8000 <= rate_hz <= 48000:
        raise invalid(f"{path}.sample_rate: linear16 is 8000 to 48000")
    if encoding in _RAW_ENCODINGS and "bitrate" in found:
        raise invalid(f"{path}.bitrate: only for compressed encodings")
    if encoding != "opus" and found.get("container") == "ogg":
        raise invalid(f"{path}.container: ogg holds opus only")


def _agent(value: Any, accepted: Accepted) -> bool:
    """The agent block; True when its voice is a Flux voice."""
    path = "Settings.agent"
    found = object_of(value, path)
    if "think_live" in found or "think_conversational" in found:
        raise unparsable(f"{path}.think_live: this project is not enrolled")
    fields(
        found,
        path,
        required={},
        optional={
            "listen": lambda item, at: listen(item, at, accepted),
            "think": lambda item, at: think(item, at, accepted),
            "speak": anything,
            "greeting": text,
            "context": lambda item, at: _context(item, at, accepted),
        },
    )
    accepted.greeting = found.get("greeting", "")
    return speak(found["speak"], f"{path}.speak", accepted) if "speak" in found else True


def _context(value: Any, path: str, accepted: Accepted) -> None:
    found = fields(value, path, required={}, optional={"messages": each(_history)})
    accepted.messages = found.get("messages", [])


def _history(value: Any, path: str) -> None:
    found = object_of(value, path)
    if "function_calls" in found:
        shape: dict[str, Check] = {"function_calls": each(_function_call)}
    else:
        shape = {"role": one_of("user", "assistant"), "content": text}
    fields(found, path, required={"type": one_of("History"), **shape}, optional={})


def _function_call(value: Any, path: str) -> None:
    fields(
        value,
        path,
        required={
            "id": text,
            "name": text,
            "client_side": flag,
            "arguments": text,
            "response": text,
        },
        optional={"thought_signature": text},
    )
