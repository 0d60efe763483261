"""The agent's voice on one session: sentences in, text messages and paced audio out.

Leaves what to say to ``brain`` and when it may be cut to ``session``.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from bridge.simulator.board import CallNotes
from bridge.simulator.options import Options
from bridge.simulator.scenario import Faults
from bridge.simulator.voices import AGENT, Voices
from bridge.wire.deepgram import AgentAudioDone, FromAgent
from bridge.wire.mulaw import BYTES_PER_MS, duration_ms


class Mouth:
    """Speaks one sentence after the other, each announced by ``tell`` before its sound."""

    def __init__(
        self,
        *,
        send: Callable[[FromAgent], Awaitable[None]],
        send_sound: Callable[[bytes], Awaitable[None]],
        tell: Callable[[str], Awaitable[None]],
        begun: Callable[[], Awaitable[None]],
        voices: Voices,
        options: Options,
        faults: Faults,
        notes: CallNotes,
    ) -> None:
        self._send = send
        self._send_sound = send_sound
        self._tell = tell
        self._begun = begun
        self._voices = voices
        self._options = options
        self._faults = faults
        self._notes = notes
        self._sentences: deque[str] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._cut = 0
        """Counts how often speech was cut: a sentence begun before a cut ends there."""
        self._unsent = b""

    @property
    def busy(self) -> bool:
        """Something is being said or waits to be: the agent has its turn."""
        return not self._idle.is_set()

    async def quiet(self) -> None:
        """Returns when everything has been sent."""
        await self._idle.wait()

    def say(self, sentences: list[str]) -> None:
        """Speaks these behind everything already queued."""
        if sentences:
            self._sentences.extend(sentences)
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
        self._sentences.clear()
        self._wanted.clear()
        stray = unsent[: self._faults.stray_audio_ms * BYTES_PER_MS]
        if stray:
            await self._send_sound(stray)
        await self._done()
        return duration_ms(len(unsent))

    async def run(self) -> None:
        """Speaks whatever it is given, until cancelled."""
        while True:
            await self._wanted.wait()
            cut = self._cut
            first = True
            while cut == self._cut and self._sentences:
                await self._speak(self._sentences.popleft(), cut, first)
                first = False
            if cut == self._cut:
                self._wanted.clear()
                await asyncio.sleep(self._faults.audio_done_delay_ms / 1000 / self._options.pace)
                if cut == self._cut and not self._sentences:
                    await self._done()

    async def _speak(self, sentence: str, cut: int, first: bool) -> None:
        sound = await self._render(sentence)
        if cut != self._cut:
            return
        self._unsent = sound
        await self._tell(sentence)
        if first:
            await asyncio.sleep(self._options.voice_ms / 1000 / self._options.pace)
            if cut != self._cut:
                return
            await self._begun()
        self._notes.add("said", text=sentence, ms=duration_ms(len(sound)))
        await self._send_paced(sound, cut)
        if cut == self._cut:
            self._notes.add("spoken", text=sentence, ms=duration_ms(len(sound)))

    async def _send_paced(self, sound: bytes, cut: int) -> None:
        clock = asyncio.get_running_loop().time
        piece_bytes = self._options.piece_ms * BYTES_PER_MS
        step_s = self._options.piece_ms / 1000 / self._options.speech_rate / self._options.pace
        due = clock()
        for at in range(0, len(sound), piece_bytes):
            self._unsent = sound[at + piece_bytes :]
            await self._send_sound(sound[at : at + piece_bytes])
            due += step_s
            await asyncio.sleep(max(0.0, due - clock()))
            if cut != self._cut:
                return

    async def _render(self, sentence: str) -> bytes:
        if self._voices.ready(sentence, AGENT):
            return self._voices.render(sentence, AGENT)
        return await asyncio.to_thread(self._voices.render, sentence, AGENT)

    async def _done(self) -> None:
        self._idle.set()
        if not self._faults.omit_audio_done:
            await self._send(AgentAudioDone())
