"""The small messages of the client (section 2): only their shape."""

from typing import Any

from bridge.simulator.strict.shapes import (
    Check,
    anything,
    fields,
    flag,
    one_of,
    text,
    unparsable,
)

_SMALL: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "UpdateListen": ({"listen": anything}, {}),
    "UpdateThink": ({"think": anything}, {}),
    "UpdatePrompt": ({"prompt": text}, {}),
    "UpdateSpeak": ({"speak": anything}, {}),
    "InjectAgentMessage": (
        {"message": text},
        {"behavior": one_of("default", "queue", "interrupt")},
    ),
    "InjectUserMessage": ({"content": text}, {}),
    "FunctionCallResponse": (
        {"name": text, "content": text},
        {"id": text, "thought_signature": text, "client_side": flag},
    ),
    "ForceEndTurn": ({}, {}),
    "KeepAlive": ({}, {}),
    "__customToThinkProvider": ({"content": anything}, {}),
}


def client_message(message: dict[str, Any]) -> None:
    """Any message but ``Settings``: that its shape is one the server can read.

    Raises:
        Refused: it is not.
    """
    kind = message["type"]
    if kind == "UpdateThink_Live" or message.get("is_dynamic") is not None:
        raise unparsable(f"{kind}: Think Live, this project is not enrolled")
    shape = _SMALL.get(kind)
    if shape is None:
        raise unparsable(f"unknown message type `{kind}`")
    required, optional = shape
    fields(message, kind, required={"type": text, **required}, optional=optional)
