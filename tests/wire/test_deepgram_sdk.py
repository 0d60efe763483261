"""The official ``deepgram-sdk`` and our types, each reading what the other writes.

The SDK's own unions are walked, so a message or a field that a newer SDK knows and we do not
fails here. Its models are built in several shapes: only what must be there, everything, and
everything with each field in turn at each of its other values.
"""

import inspect
import json
import typing
import warnings
from pathlib import Path

import pydantic
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK imports the legacy API of websockets
    from deepgram.agent.v1 import socket_client

from bridge.wire import deepgram
from bridge.wire.reading import Unknown

FOLDER = Path(__file__).parents[1] / "golden" / "deepgram"

WE_ASK_FOR_MORE = {
    ("ThinkSettingsV1Endpoint", "url"),
    ("SpeakSettingsV1Endpoint", "url"),
    ("ThinkSettingsV1FunctionsItemEndpoint", "url"),
    ("ThinkSettingsV1FunctionsItem", "name"),
    ("AwsBedrockThinkProviderCredentials", "type"),
    ("AwsBedrockThinkProviderCredentials", "region"),
    ("AwsBedrockThinkProviderCredentials", "access_key_id"),
    ("AwsBedrockThinkProviderCredentials", "secret_access_key"),
    ("AgentV1SettingsAgentContextListen", "provider"),
    ("AgentV1SettingsAgentContextContext", "messages"),
}
"""Optional in the SDK's types, but meaningless or refused when absent."""

NAMED_VALUES = {
    ("SpeakSettingsV1Provider_Deepgram", "version"): ["v1", "v2"],
    ("ThinkSettingsV1", "context_length"): ["max", 5000],
}
"""Wider in the SDK's types than in the documents: any string, a fraction of a character."""

NOT_IN_THE_SDK = {
    "end-of-turn": "undocumented; seen live",
    "function-call-response-signed": "the documents want thought_signature returned",
    "update-think-nvidia": "a provider of the documents only",
}


def server_models():
    return [
        model
        for member in typing.get_args(socket_client.V1SocketClientResponse)
        for model in models_in(member)
    ]


def client_models():
    return [
        model
        for name, method in inspect.getmembers(socket_client.AsyncV1SocketClient)
        if name.startswith("send_")
        for model in models_in(typing.get_type_hints(method).get("message"))
    ]


def models_in(annotation):
    if inspect.isclass(annotation) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def tag_of(model):
    return model.model_fields["type"].default


def values(annotation, *, nulls):
    """A few JSON values of a type, the plainest first."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return values(arguments[0], nulls=nulls)
    if origin is typing.Literal:
        return [*arguments[:3], arguments[-1]] if len(arguments) > 4 else list(arguments)
    if origin is typing.Union:
        meant = [part for part in arguments if part not in (typing.Any, type(None))]
        found = [value for part in meant for value in values(part, nulls=nulls)]
        return [*found, None] if nulls and type(None) in arguments else found
    if origin is list:
        members = values(arguments[0], nulls=nulls)
        return [members, [], members[:1]]
    if origin is dict:
        return [{"key": value} for value in values(arguments[1], nulls=nulls)] + [{}]
    if annotation is typing.Any:
        return [{"any": [1, 2.5, "x", None, {}]}, "text", None, 7, []]
    if inspect.isclass(annotation) and issubclass(annotation, pydantic.BaseModel):
        return shapes(annotation, nulls=nulls)
    return {str: ["text", "", 'µ " \\ \n'], int: [3, -1], float: [0.25, 2.0], bool: [True, False]}[
        annotation
    ]


def shapes(model, *, nulls):
    """The JSON shapes of a model: full, least, and one field at a time otherwise."""
    possible = {
        field.alias or name: NAMED_VALUES.get((model.__name__, name))
        or values(field.annotation, nulls=nulls)
        for name, field in model.model_fields.items()
    }
    full = {name: options[0] for name, options in possible.items()}
    least = {
        field.alias or name: full[field.alias or name]
        for name, field in model.model_fields.items()
        if field.is_required()
        or field.default is not None
        or (model.__name__, name) in WE_ASK_FOR_MORE
    }
    others = [
        {**full, name: option} for name, options in possible.items() for option in options[1:]
    ]
    return [full, least, *others]


def as_the_sdk_sends(model, shape):
    """The text the SDK would put on the wire for this shape of its model."""
    instance = model.model_validate(shape)
    return json.dumps(socket_client._sanitize_numeric_types(instance.dict()))


def without_nulls(value):
    """A JSON value without its top-level and nested null fields, and whole floats as integers."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def extras_of(value):
    """Fields an SDK model took in without knowing them (its models allow any)."""
    if isinstance(value, pydantic.BaseModel):
        own = set(value.model_extra or {})
        return own.union(*(extras_of(getattr(value, name)) for name in type(value).model_fields))
    if isinstance(value, list):
        return set().union(*(extras_of(item) for item in value))
    return set()


def goldens(direction):
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        golden = json.loads(path.read_text(encoding="utf-8"))
        if golden["direction"] == direction and "odd" not in golden:
            found[path.stem] = golden["message"]
    return found


def sdk_accepts(models, text):
    """The one SDK model that takes this text in full, or a complaint."""
    message = json.loads(text)
    complaints = []
    for model in models:
        if tag_of(model) != message["type"]:
            continue
        try:
            extras = extras_of(model.model_validate(message))
        except pydantic.ValidationError as wrong:
            complaints.append(str(wrong))
            continue
        if not extras:
            return None
        complaints.append(f"{model.__name__} does not know {sorted(extras)}")
    return complaints or ["no such type"]


@pytest.mark.parametrize("model", server_models(), ids=lambda model: model.__name__)
def test_we_read_everything_the_sdk_says_the_agent_may_send(model) -> None:
    for shape in shapes(model, nulls=True):
        text = as_the_sdk_sends(model, shape)

        message = deepgram.from_agent.read(text)

        assert not isinstance(message, Unknown)
        assert without_nulls(json.loads(deepgram.encode(message))) == without_nulls(
            json.loads(text)
        )


@pytest.mark.parametrize("model", client_models(), ids=lambda model: model.__name__)
def test_we_read_everything_the_sdk_can_send_to_the_agent(model) -> None:
    for shape in shapes(model, nulls=False):
        text = as_the_sdk_sends(model, shape)

        message = deepgram.to_agent.read(text)

        assert not isinstance(message, Unknown)
        assert json.loads(deepgram.encode(message)) == json.loads(text)


@pytest.mark.parametrize(
    "name", [name for name in goldens("to_agent") if name not in NOT_IN_THE_SDK]
)
def test_the_sdk_knows_every_field_we_send(name) -> None:
    written = deepgram.encode(deepgram.to_agent.read(json.dumps(goldens("to_agent")[name])))

    assert sdk_accepts(client_models(), written) is None


@pytest.mark.parametrize(
    "name", [name for name in goldens("from_agent") if name not in NOT_IN_THE_SDK]
)
def test_the_sdk_knows_every_field_our_own_agent_sends(name) -> None:
    written = deepgram.encode(deepgram.from_agent.read(json.dumps(goldens("from_agent")[name])))

    assert sdk_accepts(server_models(), written) is None


@pytest.mark.parametrize("name", NOT_IN_THE_SDK)
def test_what_the_sdk_is_said_not_to_know_it_really_does_not_know(name) -> None:
    message = {**goldens("to_agent"), **goldens("from_agent")}[name]

    assert sdk_accepts([*client_models(), *server_models()], json.dumps(message))


def test_the_unions_of_the_sdk_were_found_whole() -> None:
    ours = {struct.__struct_config__.tag for struct in deepgram.FromAgent.__args__}
    sent = {struct.__struct_config__.tag for struct in deepgram.ToAgent.__args__}

    assert {tag_of(model) for model in server_models()} == ours - {"EndOfTurn"}
    assert {tag_of(model) for model in client_models()} == sent
