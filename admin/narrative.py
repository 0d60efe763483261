"""One call told as it happens, from what the caller's line and the emulated agent saw of it.

Merges the two by the clock they share, and shows an agent's sentence when the caller begins to
hear it: a sentence that a barge-in threw away is never shown as said.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

import httpx
import msgspec

from admin.errors import NotReady
from admin.heard import Heard
from bridge.simulator import events
from bridge.simulator.board import Note
from bridge.simulator.events import CallEvent

Tell = Callable[[str], None]

_LAST_NOTES_S = 2.0
"""The agent's last notes may come a moment after the caller hung up."""
_ECHO_S = 0.25
"""What is heard so soon after the agent began a sentence is that sentence."""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """Something the agent said, when the caller would hear it."""

    at: float
    text: str
    ms: float


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True):
    """Something the agent asked, and what it was told."""

    name: str
    arguments: str
    content: str
    asked_at_s: float
    round_trip_ms: float


class Narrative:
    """Tells one call. Feed it the line's events and let it follow the agent's notes.

    ::

        async with narrative.following(simulator_url, call_sid):
            report = await place_call(..., on_event=narrative.on_event)
    """

    def __init__(self, tell: Tell, *, greeting: str = "") -> None:
        """Nothing is told yet.

        Args:
            tell: Takes one line at a time.
            greeting: What the practice's cached greeting says; the agent does not know it.
        """
        self.function_calls: list[FunctionCall] = []
        """Those that were answered, in order."""
        self.sentences: list[str] = []
        """Everything the agent sent, heard or not."""
        self._tell = tell
        self._greeting = greeting
        self._began_at = 0.0
        self._asked: dict[str, Note] = {}
        self._coming: deque[Sentence] = deque()
        self._line_free_at = 0.0
        self._telling: asyncio.TimerHandle | None = None
        self._heard_agent = False
        self._agent_tells = False
        self._twilio_speaks = False
        self._told: list[str] = []
        self._placed = asyncio.Event()

    # -- the line ------------------------------------------------------------------------------

    def on_event(self, event: CallEvent) -> None:
        """Take one event of the caller's line, on the running loop."""
        match event:
            case events.CallPlaced():
                self._began_at = event.at
                self._placed.set()
                self._say(event.at, "☎", f"{event.from_number} calls {event.to_number}")
            case events.VerbBegun(verb="Say"):
                self._twilio_speaks = True
                self._say(event.at, "twilio", event.detail)
            case events.StreamOpened():
                self._twilio_speaks = False
            case events.AgentAudible() if not self._twilio_speaks:
                self._hear(event)
            case events.CallerSpoke():
                over = event.over_agent_ms
                note = "" if over is None else f"   ⟵ breaks in after {over:,.0f} ms"
                self._say(event.at, "caller", event.text + note)
            case events.KeyPressed():
                self._say(event.at, "caller", f"presses {event.digit}")
            case events.QueueCleared() if event.cut_ms > 0:
                self._cut(event)
            case events.WarningNoted():
                self._say(event.at, "!", f"{event.code}: {event.why}")
            case events.CallEnded():
                self._say(event.at, "☎", f"{event.outcome.replace('_', ' ')}: {event.why}")

    def _hear(self, event: events.AgentAudible) -> None:
        first, self._heard_agent = not self._heard_agent, True
        from_agent = self._line_free_at > event.at - _ECHO_S
        gap = "" if event.gap_ms is None else f", {event.gap_ms:,.0f} ms after she had finished"
        if first and not from_agent:
            self._say(event.at, "agent", f"{self._greeting or '(greets)'}   (from the cache)")
        elif not from_agent:
            what = "a phrase from the cache" if self._agent_tells else "agent speaks"
            self._say(event.at, "agent", f"({what}{gap})")

    def _cut(self, event: events.QueueCleared) -> None:
        after = event.after_speech_ms
        stopped = "" if after is None else f", {after:,.0f} ms after her first sound"
        self._say(event.at, "✂", f"barge-in: {event.cut_ms:,.0f} ms of agent speech cut{stopped}")
        self._coming.clear()
        self._line_free_at = event.at
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    # -- the recording -------------------------------------------------------------------------

    def recognised(self, found: Iterable[Heard], phrases: Iterable[str]) -> None:
        """Tell, after the call, the cached phrases that she heard and that nobody had told of."""
        missed = [text for text in phrases if not any(text in line for line in self._told)]
        for stretch in found:
            for text in missed:
                if text in stretch.text:
                    note = "(from the cache, in what she heard from then on)"
                    self._say(self._began_at + stretch.at_s, "agent", f"{text}   {note}")

    # -- the agent -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def following(self, simulator_url: str | None, call_sid: str) -> AsyncIterator[None]:
        """Read the agent's notes while the block runs, and the last ones after it.

        Args:
            simulator_url: The emulator's control address; None: a real agent, which tells nothing.
            call_sid: The call that is being placed.
        """
        if simulator_url is None:
            yield
            return
        reading = asyncio.create_task(self._read(f"{simulator_url}/simulator/calls/{call_sid}"))
        try:
            yield
            await asyncio.wait([reading], timeout=_LAST_NOTES_S)
            if reading.done():
                reading.result()
        except httpx.HTTPError as error:
            raise NotReady(f"the agent's notes cannot be read: {error!r}") from error
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if self._telling is not None:
                self._telling.cancel()

    async def _read(self, url: str) -> None:
        await self._placed.wait()  # announced by now: before, the notes would be another call's
        timeout = httpx.Timeout(10.0, read=None)
        decode = msgspec.json.Decoder(Note).decode
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False, verify=False) as client,
            client.stream("GET", f"{url}/events") as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                self.on_note(decode(line))

    def on_note(self, note: Note) -> None:
        """Take one note of the emulated agent, on the running loop."""
        self._agent_tells = True
        match note.kind:
            case "said":
                self.sentences.append(note.text)
                start_at = max(note.at, self._line_free_at)
                self._line_free_at = start_at + note.ms / 1000
                self._coming.append(Sentence(at=start_at, text=note.text, ms=note.ms))
                self._tell_what_is_due()
            case "asked":
                self._asked[note.function_call_id] = note
                self._say(note.at, "→", f"{note.name} {note.content}")
            case "answered" if note.function_call_id in self._asked:
                self._answered(self._asked.pop(note.function_call_id), note)
            case "error" | "warning" | "refused":
                self._say(note.at, "!", f"agent {note.kind}: {note.code} {note.content}".rstrip())

    def _answered(self, asked: Note, note: Note) -> None:
        self._say(note.at, "←", f"{asked.name} answered after {note.ms:,.1f} ms")
        self.function_calls.append(
            FunctionCall(
                name=asked.name,
                arguments=asked.content,
                content=note.content,
                asked_at_s=round(asked.at - self._began_at, 3),
                round_trip_ms=note.ms,
            )
        )

    def _tell_what_is_due(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()  # CLOCK_MONOTONIC, as every stamp of the simulator
        while self._coming and self._coming[0].at <= now:
            sentence = self._coming.popleft()
            self._say(sentence.at, "agent", sentence.text)
        self._telling = None
        if self._coming:
            self._telling = loop.call_at(self._coming[0].at, self._tell_what_is_due)

    def _say(self, at: float, who: str, what: str) -> None:
        self._told.append(what)
        self._tell(f"{at - self._began_at:6.2f} s  {who:<6}  {what}")
