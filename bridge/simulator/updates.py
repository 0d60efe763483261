"""What a client changes while a session runs: prompt, model, voice, listening; and being told so.

Nothing waits for an acknowledgement, and it may be long in coming (G-9). Leaves what an update may
say to ``strict``.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.brain import Brain
from bridge.simulator.client import Client
from bridge.simulator.options import Options
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.strict.listen import listen
from bridge.simulator.strict.speak import speak
from bridge.simulator.strict.think import think
from bridge.wire import deepgram

_ACKNOWLEDGED: dict[str, deepgram.FromAgent] = {
    "UpdatePrompt": deepgram.PromptUpdated(),
    "UpdateThink": deepgram.ThinkUpdated(),
    "UpdateSpeak": deepgram.SpeakUpdated(),
    "UpdateListen": deepgram.ListenUpdated(),
}

KINDS = frozenset(_ACKNOWLEDGED)
"""The messages that update something."""


class Updates:
    """Takes the updates of one session; ``spawn`` keeps a task of it."""

    def __init__(
        self,
        client: Client,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        accepted: Accepted,
        brain: Brain,
        options: Options,
        notes: CallNotes,
    ) -> None:
        self._client = client
        self._spawn = spawn
        self._accepted = accepted
        self._brain = brain
        self._options = options
        self._notes = notes
        self._faults = notes.scenario.faults
        self._owed: set[str] = set()
        """Kinds whose acknowledgement is still to come."""

    async def take(self, kind: str, message: dict[str, Any]) -> None:
        """One update, which counts from now on.

        Raises:
            Refused: it asks for what is not possible.
        """
        match kind:
            case "UpdatePrompt":
                self._accepted.prompt += "\n" + message["prompt"]
            case "UpdateThink":
                think(message["think"], "UpdateThink.think", self._accepted)
            case "UpdateSpeak":
                speak(message["speak"], "UpdateSpeak.speak", self._accepted)
            case _:
                listen(message["listen"], "UpdateListen.listen", self._accepted, update=True)
        self._notes.add("updated", name=kind, content=msgspec.json.encode(message).decode())
        await self._acknowledge(kind)
        await self.check_prompt()

    async def check_prompt(self) -> None:
        """A prompt that grew too long is cut, with a warning (4.4)."""
        accepted = self._accepted
        too_long = accepted.managed and len(accepted.prompt) > self._options.prompt_limit
        if too_long:
            accepted.prompt = accepted.prompt[: self._options.prompt_limit]
        self._brain.prompt = accepted.prompt
        if too_long:
            await self._client.warn("PROMPT_TOO_LONG", "the prompt was cut")

    async def _acknowledge(self, kind: str) -> None:
        faults = self._faults
        if faults.omit_acks or (faults.collapse_acks and kind in self._owed):
            return
        if faults.ack_delay_ms:
            self._owed.add(kind)
            self._spawn(self._acknowledge_later(kind))
        else:
            await self._tell(kind, 0)

    async def _acknowledge_later(self, kind: str) -> None:
        await asyncio.sleep(self._faults.ack_delay_ms / 1000 / self._options.pace)
        self._owed.discard(kind)
        await self._tell(kind, self._faults.ack_delay_ms)

    async def _tell(self, kind: str, after_ms: int) -> None:
        message = _ACKNOWLEDGED[kind]
        self._notes.add("acknowledged", name=type(message).__name__, ms=after_ms)
        await self._client.send(message)
