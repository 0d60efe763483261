"""The agent's voice on one session: sentences in, text messages and paced audio out.

Leaves what to say to ``brain`` and when it may be cut to ``talk``.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal

import msgspec

from bridge.simulator.board import CallNotes
from bridge.simulator.client import Client
from bridge.simulator.faults import within
from bridge.simulator.formats import written
from bridge.simulator.moments import Moments
from bridge.simulator.options import Options
from bridge.simulator.strict.accepted import Accepted
from bridge.simulator.voices import AGENT, Voices
from bridge.wire.deepgram import AgentAudioDone

Kind = Literal["greeting", "reply", "injection"]


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence to be said."""

    text: str
    kind: Kind
    first: bool
    """The first of the sentences it came with."""
    mute: bool


class Mouth:
    """Speaks one sentence after the other, each told before its sound.

    ``begun`` is called when the first sound after a silence is about to leave, ``spawn`` keeps a
    task of the session.
    """

    def __init__(
        self,
        client: Client,
        *,
        begun: Callable[[], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        accepted: Accepted,
        voices: Voices,
        options: Options,
        notes: CallNotes,
        moments: Moments,
    ) -> None:
        self._client = client
        self._begun = begun
        self._spawn = spawn
        self._accepted = accepted
        self._voices = voices
        self._options = options
        self._faults = notes.scenario.faults
        self._notes = notes
        self._moments = moments
        self._lines: deque[_Line] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._cut = 0
        """Counts how often speech was cut: a sentence begun before a cut ends there."""
        self._unsent = b""
        self._sounding = False
        """Some sound has left since the last silence."""
        self._owes_done = False
        """``AgentAudioDone`` is to follow what was given to be spoken."""

    @property
    def busy(self) -> bool:
        """Something is being said or waits to be: the agent has its turn."""
        return not self._idle.is_set()

    async def quiet(self) -> None:
        """Returns when everything has been sent."""
        await self._idle.wait()

    def say(self, sentences: Sequence[str], kind: Kind) -> None:
        """Speaks these behind everything already queued."""
        if not sentences:
            return
        mute = False
        if kind == "reply":
            mute = within(self._faults.mute_replies, self._notes.counted["reply"])
            self._notes.counted["reply"] += 1
        self._lines.extend(
            _Line(text=text, kind=kind, first=number == 0, mute=mute)
            for number, text in enumerate(sentences)
        )
        self._owes_done |= not mute
        self._idle.clear()
        self._wanted.set()

    async def stop(self) -> float:
        """Stops in mid-sentence and forgets the queue.

        Returns:
            Milliseconds of speech that were not sent.
        """
        if not self.busy:
            return 0.0
        self._cut += 1
        unsent, self._unsent = self._unsent, b""
        self._lines.clear()
        self._wanted.clear()
        bytes_per_ms = self._accepted.spoken.bytes_per_ms
        stray = unsent[: self._faults.stray_audio_ms * bytes_per_ms]
        if stray and self._faults.stray_delay_ms:
            self._spawn(self._stray_later(stray, self._client.turns_begun))
        elif stray:
            await self._stray(stray)
        match self._faults.barge_in_audio_done:
            case "at_once":
                await self._silent()
            case "late":
                self._spawn(self._done_later(self._ended()))
            case "missing":
                self._ended()
        return len(unsent) / bytes_per_ms

    async def run(self) -> None:
        """Speaks whatever it is given, until cancelled."""
        while True:
            await self._wanted.wait()
            cut = self._cut
            while cut == self._cut and self._lines:
                await self._speak(self._lines.popleft(), cut)
            if cut == self._cut:
                self._wanted.clear()
                if self._owes_done:
                    await self._pause(self._faults.audio_done_delay_ms)
                if cut == self._cut and not self._lines:
                    await self._silent()

    async def _speak(self, line: _Line, cut: int) -> None:
        ulaw = await self._render(line.text)
        if cut != self._cut:
            return
        sound = b"" if line.mute else written(ulaw, self._accepted.spoken)
        self._unsent = sound
        await self._client.converse("assistant", line.text)
        if line.mute:
            self._notes.add("told", text=line.text)
            return
        if not self._sounding:
            await self._pause(self._options.voice_ms)
            if cut != self._cut:
                return
            self._sounding = True
            await self._begun()
        if line.first:
            self._moments.mark(line.kind)
        spoken_ms = len(sound) / self._accepted.spoken.bytes_per_ms
        voice = self._accepted.voice
        self._notes.add("said", text=line.text, name=voice, ms=spoken_ms)
        await self._send_paced(sound, cut)
        if cut == self._cut:
            self._notes.add("spoken", text=line.text, name=voice, ms=spoken_ms)

    async def _send_paced(self, sound: bytes, cut: int) -> None:
        clock = asyncio.get_running_loop().time
        bytes_per_ms = self._accepted.spoken.bytes_per_ms
        piece_bytes = self._options.piece_ms * bytes_per_ms
        early_bytes = self._faults.audio_done_early_ms * bytes_per_ms
        step_s = self._options.piece_ms / 1000 / self._options.speech_rate / self._options.pace
        due = clock()
        for at in range(0, len(sound), piece_bytes):
            if len(sound) - at <= early_bytes and not self._lines:
                owed, self._owes_done = self._owes_done, False
                await self._tell_done(owed)
            self._unsent = sound[at + piece_bytes :]
            await self._client.send_sound(sound[at : at + piece_bytes])
            due += step_s
            await asyncio.sleep(max(0.0, due - clock()))
            if cut != self._cut:
                return

    async def _render(self, sentence: str) -> bytes:
        if self._voices.ready(sentence, AGENT):
            return self._voices.render(sentence, AGENT)
        return await asyncio.to_thread(self._voices.render, sentence, AGENT)

    # --- the end of speech ---

    def _ended(self) -> bool:
        """Nothing is being said any more; whether ``AgentAudioDone`` is still owed."""
        owed, self._owes_done = self._owes_done, False
        self._sounding = False
        self._idle.set()
        return owed

    async def _silent(self) -> None:
        await self._tell_done(self._ended())

    async def _done_later(self, owed: bool) -> None:
        await self._pause(self._faults.audio_done_delay_ms)
        await self._tell_done(owed)

    async def _tell_done(self, owed: bool) -> None:
        if owed and not self._faults.omit_audio_done:
            await self._client.send(AgentAudioDone())

    async def _stray_later(self, sound: bytes, turns_begun: int) -> None:
        await self._pause(self._faults.stray_delay_ms)
        if self._client.turns_begun == turns_begun:
            await self._stray(sound)

    async def _stray(self, sound: bytes) -> None:
        self._notes.add("stray", ms=len(sound) / self._accepted.spoken.bytes_per_ms)
        await self._client.send_sound(sound)

    async def _pause(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000 / self._options.pace)
