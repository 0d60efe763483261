"""What is known of each simulated call: its announced scenario, and what the agent noted.

The caller announces a call before it rings and then reads along; the session writes. They meet by
the call's sid, which the bridge sends as ``x-deepgram-session-id``.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence

import msgspec

from bridge.simulator.scenario import Scenario

_KEPT = 2000
"""Calls remembered; older ones are forgotten."""


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something the agent's side saw or did."""

    at: float
    """Seconds of ``CLOCK_MONOTONIC``: the same clock in every process of one machine."""
    kind: str
    """``session`` begins (``code`` is its number in the call), ``settings`` accepted, ``ended``.

    The caller: ``speech_started`` and ``speech_ended`` (``at`` is when the sound arrived),
    ``heard`` a turn, ``unheard`` one (a scenario's deaf turn), ``false_start`` without words,
    ``barge_in``. The agent: ``said`` (the first sound of a sentence leaves), ``spoken`` (its
    last), ``told`` (words without sound), ``stray`` sound. Function calls: ``asked``, ``answered``,
    ``cancelled``, ``late`` an answer nobody waits for, ``unsigned`` one without its signature.
    What the client sends: ``injected``, ``injected_words``, ``refused``, ``ignored``, ``updated``,
    ``forced`` the end of a turn, ``kept_alive``. What it is told: ``acknowledged``, ``warning``,
    ``error``."""
    text: str = ""
    name: str = ""
    """Of the tool, the message, the behaviour, what was refused, or the voice of a sentence."""
    function_call_id: str = ""
    content: str = ""
    """Arguments or answer of a function call; an update or settings as JSON; description of an
    error; of a cancelled function call "answered" if it was."""
    code: str = ""
    ms: float = 0.0
    """Length of the sentence, speech cut by a barge-in or sent after it, round trip of a function
    call, delay of an acknowledgement."""


class CallNotes:
    """One call's notes, over all its sessions."""

    def __init__(self, call_sid: str, scenario: Scenario) -> None:
        self.call_sid = call_sid
        self.scenario = scenario
        self.sessions = 0
        """Begun so far."""
        self.refusals = 0
        """Handshakes refused so far."""
        self.counted: Counter[str] = Counter()
        """What a scenario's faults count over all sessions."""
        self.over = False
        """The client closed its last session: nothing more comes."""
        self._notes: list[Note] = []
        self._news = asyncio.Event()

    def add(
        self,
        kind: str,
        *,
        at: float | None = None,
        text: str = "",
        name: str = "",
        function_call_id: str = "",
        content: str = "",
        code: str = "",
        ms: float = 0.0,
    ) -> None:
        """Notes something, now unless ``at`` says when."""
        self._notes.append(
            Note(
                at=time.monotonic() if at is None else at,
                kind=kind,
                text=text,
                name=name,
                function_call_id=function_call_id,
                content=content,
                code=code,
                ms=round(ms, 3),
            )
        )
        self._wake()

    def close(self) -> None:
        """Nothing more comes."""
        self.over = True
        self._wake()

    def reopen(self) -> None:
        """Another session of the call began."""
        self.over = False

    @property
    def notes(self) -> Sequence[Note]:
        """Everything noted so far."""
        return self._notes

    async def follow(self) -> AsyncIterator[Note]:
        """Everything noted so far, then each as it comes, until the call is over."""
        read = 0
        while True:
            news = self._news
            while read < len(self._notes):
                yield self._notes[read]
                read += 1
            if self.over:
                return
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Board:
    """Every call's notes; a call that nobody announced plays the scenario ``unannounced``."""

    def __init__(self, unannounced: Scenario) -> None:
        self._unannounced = unannounced
        self._calls: OrderedDict[str, CallNotes] = OrderedDict()

    def announce(self, call_sid: str, scenario: Scenario) -> CallNotes:
        """A call will come and play this scenario."""
        self._calls.pop(call_sid, None)
        return self._keep(CallNotes(call_sid, scenario))

    def call(self, call_sid: str) -> CallNotes:
        """The call, announced or not."""
        known = self._calls.get(call_sid)
        return known or self._keep(CallNotes(call_sid, self._unannounced))

    def find(self, call_sid: str) -> CallNotes | None:
        """The call, if anybody has spoken of it."""
        return self._calls.get(call_sid)

    def _keep(self, call: CallNotes) -> CallNotes:
        self._calls[call.call_sid] = call
        if len(self._calls) > _KEPT:
            self._calls.popitem(last=False)
        return call
