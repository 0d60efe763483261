"""The emulator's HTTP side: speech, and what a simulated caller arranges and reads.

* ``POST /v1/speak``: as Deepgram's. ``GET /healthz``: the server is up.
* ``PUT /simulator/calls/{call_sid}``: announces a call; ``{"scenario": name}`` or a scenario.
* ``GET /simulator/calls/{call_sid}/events``: its notes as JSON lines, until the call is over.
* ``PUT /simulator/options``: changes the server's options.
* ``/2010-04-01/Accounts/{sid}/Messages.json``: as Twilio's. ``GET /simulator/texts``: all of them.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from bridge.simulator.board import Board, CallNotes
from bridge.simulator.doors import Answer, Request
from bridge.simulator.messages import PATH as MESSAGES
from bridge.simulator.messages import Messages
from bridge.simulator.options import Options
from bridge.simulator.scenario import ScenarioError, from_json, load
from bridge.simulator.speech import SpeechRoute, refusal

_CALL = re.compile(r"/simulator/calls/([A-Za-z0-9_-]{1,64})(/events)?")


def authorised(headers: Mapping[str, str], api_key: str) -> bool:
    """Whether a request carries the key: ``Token <key>``; an API key behind ``Bearer`` is 401.

    ``api_key`` is the only right key; empty takes any (1.2).
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "token" or not key:
        return False
    return not api_key or key == api_key


class Routes:
    """Answers every plain HTTP request."""

    def __init__(
        self, *, board: Board, options: Options, speech: SpeechRoute, messages: Messages
    ) -> None:
        self._board = board
        self._options = options
        self._speech = speech
        self._messages = messages

    async def respond(self, request: Request) -> Answer:
        """One request."""
        call = _CALL.fullmatch(request.path)
        if call is not None:
            return self._call(request, call.group(1), bool(call.group(2)))
        if account := MESSAGES.fullmatch(request.path):
            return await self._messages.respond(request, account.group(1))
        match request.method, request.path:
            case "GET", "/healthz":
                return _json(200, {"status": "ok"})
            case "POST", "/v1/speak":
                if not authorised(request.headers, self._options.api_key):
                    return refusal(401, "INVALID_AUTH", "invalid credentials")
                return await self._speech.respond(request)
            case "GET", "/simulator/texts":
                return self._messages.listed()
            case "PUT", "/simulator/options":
                return self._change_options(request)
            case "GET", "/v1/agent/converse":
                return refusal(426, "UPGRADE_REQUIRED", "a WebSocket is wanted here")
            case _:
                return refusal(404, "NOT_FOUND", "nothing is here")

    def _call(self, request: Request, call_sid: str, events: bool) -> Answer:
        if request.method == "PUT" and not events:
            return self._announce(request, call_sid)
        if request.method == "GET" and events:
            return Answer(
                status=200,
                headers={"content-type": "application/x-ndjson"},
                body=_lines(self._board.call(call_sid)),
            )
        return refusal(405, "METHOD_NOT_ALLOWED", "not here")

    def _announce(self, request: Request, call_sid: str) -> Answer:
        try:
            body = msgspec.json.decode(request.body)
            named = isinstance(body, dict) and body.keys() == {"scenario"}
            scenario = load(str(body["scenario"])) if named else from_json(request.body)
        except (ScenarioError, msgspec.DecodeError) as wrong:
            return refusal(400, "NO_SCENARIO", str(wrong))
        self._board.announce(call_sid, scenario)
        return _json(200, {"call_sid": call_sid, "scenario": scenario.name})

    def _change_options(self, request: Request) -> Answer:
        try:
            changes = msgspec.json.decode(request.body, type=dict[str, Any])
            merged = msgspec.convert(msgspec.to_builtins(self._options) | changes, Options)
        except msgspec.DecodeError as wrong:
            return refusal(400, "NO_OPTIONS", str(wrong))
        for name in merged.__struct_fields__:
            setattr(self._options, name, getattr(merged, name))
        return _json(
            200, msgspec.to_builtins(self._options) | {"api_key": "", "twilio_credentials": ""}
        )


async def _lines(call: CallNotes) -> AsyncIterator[bytes]:
    async for note in call.follow():
        yield msgspec.json.encode(note) + b"\n"


def _json(status: int, body: Any) -> Answer:
    return Answer(
        status=status,
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body),
    )
