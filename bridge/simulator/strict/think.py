"""The think block (4.4): models, prompts and tools."""

import re
from typing import Any

from bridge.simulator.strict.accepted import Accepted, AcceptedFunction
from bridge.simulator.strict.shapes import (
    Check,
    anything,
    between,
    credentials,
    each,
    endpoint,
    fields,
    flag,
    invalid,
    object_of,
    one_of,
    strings_by_name,
    text,
    unparsable,
)

_MODELS = {
    "open_ai": re.compile(
        r"gpt-5\.5|gpt-5\.4(-mini|-nano)?|gpt-5\.[123](-chat-latest|-instant)?|gpt-5(-mini|-nano)?"
        r"|gpt-4\.1(-mini|-nano)?|gpt-4o(-mini)?"
    ),
    "anthropic": re.compile(
        r"claude-sonnet-5|claude-sonnet-4-[56]|claude-haiku-4-5|claude-3-5-haiku-latest"
        r"|claude-sonnet-4-20250514"
    ),
    "google": re.compile(
        r"gemini-3\.5-flash|gemini-3\.1-flash-lite(-preview)?|gemini-3-(flash|pro)-preview"
        r"|gemini-2\.5-flash(-lite)?|gemini-2\.0-flash(-lite)?"
    ),
    "nvidia": re.compile(r".+"),
    "groq": re.compile(r".+"),
    "aws_bedrock": re.compile(r".+"),
}
_HOTTEST = {"anthropic": 1.0}
_REASONING = one_of("none", "minimal", "low", "medium", "high")


def think(value: Any, path: str, accepted: Accepted) -> None:
    """The think block: one model or a chain of them; the first one's tools count."""
    chain = value if isinstance(value, list) else [value]
    if not chain:
        raise invalid(f"{path}: an empty chain")
    for position, entry in enumerate(chain):
        where = f"{path}[{position}]" if isinstance(value, list) else path
        functions, prompt, managed = _think_entry(entry, where)
        if position == 0:
            accepted.functions = functions
            accepted.prompt = prompt
            accepted.managed = managed


def _think_entry(value: Any, path: str) -> tuple[dict[str, AcceptedFunction], str, bool]:
    functions: dict[str, AcceptedFunction] = {}
    found = fields(
        value,
        path,
        required={"provider": anything},
        optional={
            "prompt": text,
            "functions": each(lambda item, at: _function(item, at, functions)),
            "endpoint": endpoint,
            "context_length": _context_length,
        },
    )
    own = "endpoint" in found
    if "context_length" in found and not own:
        raise invalid(f"{path}.context_length: only with an endpoint of your own")
    _think_provider(found["provider"], f"{path}.provider", own)
    return functions, found.get("prompt", ""), not own


def _context_length(value: Any, path: str) -> None:
    if value != "max":
        between(2, 10_000_000, integer=True)(value, path)


def _think_provider(value: Any, path: str, own_endpoint: bool) -> None:
    kind = object_of(value, path).get("type")
    if kind == "deepgram":
        raise invalid(f"{path}: early access, this project is not enrolled")
    if kind not in _MODELS:
        raise unparsable(f"{path}.type: unknown variant `{kind}`")
    optional: dict[str, Check] = {
        "model": text,
        "temperature": between(0, _HOTTEST.get(kind, 2.0)),
    }
    if kind in {"open_ai", "groq"}:
        optional |= {"reasoning_mode": _REASONING, "version": text}
    if kind == "google":
        optional["version"] = one_of("ai-studio-v1beta", "v1beta", "gemini-enterprise-agent-v1")
    if kind == "anthropic":
        optional["version"] = text
    if kind == "aws_bedrock":
        optional["credentials"] = credentials
    found = fields(value, path, required={"type": text}, optional=optional)
    if kind in {"groq", "aws_bedrock"} and not own_endpoint:
        raise invalid(f"{path}: {kind} needs an endpoint")
    if kind == "google" and own_endpoint:
        if "model" in found:
            raise invalid(f"{path}.model: part of the endpoint's address")
        return
    if "model" not in found:
        raise unparsable(f"{path}: missing field `model`")
    if not own_endpoint and not _MODELS[kind].fullmatch(found["model"]):
        raise invalid(f"{path}.model: unknown model {found['model']}")


_FILLER_FIELDS = frozenset(
    {"initial_agent_filler", "agent_filler_max_count", "agent_filler_interval_ms"}
)


def _function(value: Any, path: str, functions: dict[str, AcceptedFunction]) -> None:
    if _FILLER_FIELDS & object_of(value, path).keys():
        raise invalid(f"{path}: fillers need think_live")
    found = fields(
        value,
        path,
        required={"name": text},
        optional={
            "description": text,
            "parameters": _parameters,
            "endpoint": _function_endpoint,
            "defer_until_eot": flag,
        },
    )
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", found["name"]):
        raise invalid(f"{path}.name: letters, digits, underscore and dash, at most 64")
    functions[found["name"]] = AcceptedFunction(
        deferred=found.get("defer_until_eot", False),
        client_side="endpoint" not in found,
        required=tuple(found.get("parameters", {}).get("required", ())),
    )


def _parameters(value: Any, path: str) -> None:
    if object_of(value, path).get("type") != "object":
        raise invalid(f"{path}: the schema of an object is wanted")


def _function_endpoint(value: Any, path: str) -> None:
    fields(
        value,
        path,
        required={"url": text},
        optional={"method": text, "headers": strings_by_name},
    )
