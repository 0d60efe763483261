"""Runs a call's TwiML as Twilio does: verb after verb, document after document, until it ends (F4).

Leaves sound, sockets and requests to the ``Stage`` it is given; that is the call.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from bridge.simulator import document
from bridge.simulator.document import Document, Unreadable
from bridge.simulator.verbs import (
    Connect,
    Dial,
    Fork,
    Gather,
    Hangup,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    StreamNoun,
    Verb,
)
from bridge.simulator.webhook import Answer, NoAnswer

__all__ = ["Ending", "Player", "Purpose", "Stage", "StreamEnding"]

_MOST_VERBS = 200
"""A document that redirects to itself must not run for ever."""

_DIGIT_S = 0.5
"""A tone and the pause behind it."""

_PLAY_S = 2.0
"""Twilio would fetch the file; here it only takes its time."""

_TWIML_FAILED = 11200


Purpose = Literal["voice", "next", "fallback"]


class StreamEnding(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a stream that has ended."""

    call_goes_on: bool
    why: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is nothing left to run."""

    outcome: str
    why: str


class Stage(Protocol):
    """What a verb needs of the call it plays in."""

    async def ask(
        self, purpose: Purpose, url: str, extra: Mapping[str, str], method: str
    ) -> Answer:
        """Requests the next document; raises ``NoAnswer``."""

    def note(self, code: int, why: str) -> None:
        """Writes into the call's notifications."""

    def begin(self, verb: str, detail: str) -> None:
        """Tells that a verb is being carried out."""

    async def speak(self, text: str) -> None:
        """Lets the caller hear Twilio's own voice."""

    async def wait(self, seconds: float) -> None:
        """Lets so much of the call's time pass."""

    async def connect(self, stream: StreamNoun) -> StreamEnding:
        """Runs a two-way stream to its end."""

    async def dial(self, to: str) -> Mapping[str, str]:
        """Runs a second leg; returns what ``action`` is told of it."""

    async def record(self, longest_s: float) -> Mapping[str, str]:
        """Records the caller; returns what ``action`` is told of it."""

    async def gather(self, timeout_s: float, most: int | None, finish: str) -> str:
        """The keys the caller presses."""


class Player:
    """One call's way through its documents."""

    def __init__(self, stage: Stage, *, fallback_url: str | None = None) -> None:
        self._stage = stage
        self._fallback_url = fallback_url
        self._current_url = ""
        self.action_after_stream: tuple[str, str] | None = None
        """URL and method that would follow the stream that is up."""

    async def run(self, url: str) -> Ending:
        """From the voice webhook to the end of the last document."""
        step: Document | Ending = await self._document("voice", url, {}, "POST")
        verbs_left = _MOST_VERBS
        while isinstance(step, Document):
            verbs = step.verbs
            step = Ending(outcome="bridge_hung_up", why="the document has no next verb")
            for verb in verbs:
                verbs_left -= 1
                if verbs_left < 0:
                    return Ending(outcome="failed", why="the TwiML goes round in circles")
                following = await self._perform(verb)
                if following is not None:
                    step = following
                    break
        return step

    async def _document(
        self, purpose: Purpose, url: str, extra: Mapping[str, str], method: str
    ) -> Document | Ending:
        try:
            answer = await self._stage.ask(purpose, url, extra, method)
            if not answer.good:
                return await self._failed(purpose, url, _TWIML_FAILED, f"HTTP {answer.status}")
            if not answer.body.strip():
                return Ending(outcome="bridge_hung_up", why="an empty answer")
            read = document.read(answer.body, url=answer.url, content_type=answer.content_type)
        except NoAnswer as silence:
            return await self._failed(purpose, url, silence.code, silence.why)
        except Unreadable as wrong:
            return await self._failed(purpose, url, wrong.code, str(wrong))
        self._current_url = read.url
        for notice in read.notices:
            self._stage.note(notice.code, notice.why)
        return read

    async def _failed(self, purpose: Purpose, url: str, code: int, why: str) -> Document | Ending:
        self._stage.note(code, f"{url.partition('#')[0]}: {why}")
        if self._fallback_url is None or purpose == "fallback":
            return Ending(outcome="failed", why=why)
        told = {"ErrorCode": str(code), "ErrorUrl": url.partition("#")[0]}
        return await self._document("fallback", self._fallback_url, told, "POST")

    async def _perform(self, verb: Verb) -> Document | Ending | None:
        """One verb; None when the next one of the same document follows."""
        stage = self._stage
        match verb:
            case Connect():
                return await self._connect(verb)
            case Redirect(url=url, method=method):
                stage.begin("Redirect", url)
                return await self._document("next", url or self._current_url, {}, method)
            case Hangup():
                stage.begin("Hangup", "")
                return Ending(outcome="bridge_hung_up", why="<Hangup>")
            case Reject(reason=reason):
                stage.begin("Reject", reason)
                return Ending(outcome="refused", why=f"<Reject> {reason}")
            case Gather():
                return await self._gather(verb)
            case Dial(to=to):
                stage.begin("Dial", to)
                told = await stage.dial(to)
                return await self._action(verb.action_url, verb.method, told)
            case Record():
                stage.begin("Record", "")
                told = await stage.record(verb.longest_s)
                # Without action "it requests the current document again (loop!)" (5.6).
                return await self._action(verb.action_url or self._current_url, verb.method, told)
            case Fork(what=what):
                stage.begin("Start", what)
                return None
            case Say() | Play() | Pause():
                await self._utter(verb)
                return None

    async def _connect(self, verb: Connect) -> Document | Ending | None:
        fault = verb.stream.fault
        self._stage.begin("Connect", verb.stream.url)
        if fault is not None and fault.code != document.NOT_CONNECTED:
            # One team saw "TwiML fetched with 200, call answered, then ended" (1.1).
            self._stage.note(fault.code, fault.why)
            return Ending(outcome="failed", why=fault.why)
        if verb.action_url is not None:
            self.action_after_stream = (verb.action_url, verb.method)
        ending = await self._stage.connect(verb.stream)
        if not ending.call_goes_on:
            return Ending(outcome="lost", why=ending.why)
        return await self._action(verb.action_url, verb.method, {})

    async def _gather(self, verb: Gather) -> Document | Ending | None:
        self._stage.begin("Gather", "")
        for prompt in verb.prompts:
            await self._utter(prompt)
        digits = await self._stage.gather(verb.timeout_s, verb.most_digits, verb.finish_on_key)
        if not digits and not verb.even_if_empty:
            return None
        told = {"Digits": digits, "FinishedOnKey": verb.finish_on_key}
        return await self._action(verb.action_url or self._current_url, verb.method, told)

    async def _utter(self, verb: Say | Play | Pause) -> None:
        match verb:
            case Say(text=text):
                self._stage.begin("Say", text)
                await self._stage.speak(text)
            case Play(digits=digits) if digits:
                self._stage.begin("Play", digits)
                await self._stage.wait(len(digits) * _DIGIT_S)
            case Play(url=url):
                self._stage.begin("Play", url)
                await self._stage.wait(_PLAY_S)
            case Pause(length_s=length_s):
                self._stage.begin("Pause", f"{length_s:g} s")
                await self._stage.wait(length_s)

    async def _action(
        self, url: str | None, method: str, told: Mapping[str, str]
    ) -> Document | Ending | None:
        if url is None:
            return None
        return await self._document("next", url, told, method)
