"""One call at the fake Twilio: its TwiML, its person, its streams, and who ended it.

Leaves setting it up to ``bridge.simulator.caller``.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import httpx

from bridge.simulator import events
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.events import WarningNoted
from bridge.simulator.figures import figures, heard_stretches, said_stretches
from bridge.simulator.knobs import Knobs
from bridge.simulator.media_socket import BRIDGE_CLOSED
from bridge.simulator.person import Person
from bridge.simulator.report import CallReport
from bridge.simulator.requests import Requests
from bridge.simulator.sayings import Saying
from bridge.simulator.scenario import Scenario
from bridge.simulator.sids import new_sid
from bridge.simulator.streams import Streams
from bridge.simulator.twiml_player import Ending, Player, Purpose, StreamEnding
from bridge.simulator.verbs import StreamNoun
from bridge.simulator.voices import AGENT, Voices
from bridge.simulator.webhook import Answer, NoAnswer, Route, Webhooks, voice_parameters
from bridge.wire import mulaw

__all__ = ["SimulatedCall"]

_TICK_S = mulaw.FRAME_MS / 1000


class SimulatedCall:
    """One call at Twilio: what is requested, which stream is up, who ended it."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        sayings: Sequence[Saying | None],
        voices: Voices,
        knobs: Knobs,
        clock: Clock,
        diary: Diary,
        route: Route,
        client: httpx.AsyncClient,
        auth_token: str,
        account_sid: str,
        call_sid: str,
        to_number: str,
        fallback_url: str | None,
        status_callback_url: str | None,
    ) -> None:
        self._scenario = scenario
        self._voices = voices
        self._knobs = knobs
        self._clock = clock
        self._diary = diary
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._to_number = to_number
        self._status_callback_url = status_callback_url
        self._began_at = diary.began_at
        self._player = Player(self, fallback_url=fallback_url)
        self._person = Person(scenario, sayings, diary, self._began_at, knobs.room)
        self._requests = Requests(
            Webhooks(client, route, auth_token, knobs.mischief),
            voice_parameters(
                account_sid=account_sid,
                call_sid=call_sid,
                from_number=scenario.from_number,
                to_number=to_number,
                call_status="in-progress",
            ),
            diary,
            clock,
        )
        self._streams = Streams(
            account_sid=account_sid,
            call_sid=call_sid,
            auth_token=auth_token,
            seed=scenario.seed,
            route=route,
            knobs=knobs,
            person=self._person,
            requests=self._requests,
            diary=diary,
            clock=clock,
            warn=self.note,
        )
        self._answered = asyncio.Event()
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._lost_speech_ms = 0.0

    async def run(self, voice_url: str) -> CallReport:
        """From the first ring to the report."""
        self._diary.note(
            events.CallPlaced,
            self._began_at,
            scenario=self._scenario.name,
            from_number=self._scenario.from_number,
            to_number=self._to_number,
        )
        playing = asyncio.create_task(self._player.run(voice_url))
        living = asyncio.create_task(self._live())
        try:
            await asyncio.wait({playing, living}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                ending = living.result()
                await self._hang_up()
            else:
                ending = playing.result()
        finally:
            for task in (playing, living):
                task.cancel()
            await asyncio.gather(playing, living, return_exceptions=True)
        if self._status_callback_url is not None:
            self._requests.tell_call_completed(self._status_callback_url)
        self._streams.abandon()
        await self._requests.finish()
        return self._report(ending)

    # --- the person at her telephone ---------------------------------------------------------

    async def _live(self) -> Ending:
        """20 ms after 20 ms, by absolute deadlines, until she hangs up."""
        await self._answered.wait()
        tick = int((self._clock.now() - self._began_at) / _TICK_S)
        while True:
            tick += 1
            now = self._began_at + tick * _TICK_S
            await self._clock.until(now)
            deed = self._person.tick(now)
            if not self._streams.tick(deed, now):
                self._lost_speech_ms += mulaw.FRAME_MS * deed.speaking
                if deed.press is not None:
                    self._keys.put_nowait(deed.press)
            if deed.hang_up:
                return Ending(outcome="caller_hung_up", why="her script says so")
            if (tired := self._out_of_patience(now)) is not None:
                return tired

    def _out_of_patience(self, now: float) -> Ending | None:
        timings, person = self._knobs.timings, self._person
        if now - self._began_at > timings.longest_call_s:
            return Ending(outcome="gave_up", why=f"{timings.longest_call_s:g} s are over")
        last = max(person.script.waiting_since, person.scene.agent_audible_at or self._began_at)
        if person.idle and now - last > timings.patience_s:
            why = f"waited {timings.patience_s:g} s for {person.script.waits_for}"
            return Ending(outcome="gave_up", why=why)
        return None

    async def _hang_up(self) -> None:
        await self._streams.hang_up()
        if self._knobs.action_after_hangup and self._player.action_after_stream is not None:
            url, method = self._player.action_after_stream
            with contextlib.suppress(NoAnswer):
                await self._requests.ask("next", url, {"CallStatus": "completed"}, method)

    # --- what the TwiML player needs (Stage) -------------------------------------------------

    async def ask(
        self, purpose: Purpose, url: str, extra: Mapping[str, str], method: str
    ) -> Answer:
        """Requests the next document."""
        status = "ringing" if purpose == "voice" else "in-progress"
        return await self._requests.ask(purpose, url, {"CallStatus": status, **extra}, method)

    def note(self, code: int, why: str) -> None:
        """Writes into the call's notifications."""
        # 31921 is "logged for intended closes too" (1.8): it is never a reason to fail a run.
        expected = code == BRIDGE_CLOSED or code in self._knobs.expected_warnings
        self._diary.note(WarningNoted, self._clock.now(), code=code, why=why, expected=expected)

    def begin(self, verb: str, detail: str) -> None:
        """Tells that a verb is being carried out; the first one answers the call."""
        self._answered.set()
        self._diary.note(events.VerbBegun, self._clock.now(), verb=verb, detail=detail)

    async def speak(self, text: str) -> None:
        """Lets the caller hear Twilio's own voice."""
        sound = await asyncio.to_thread(self._voices.render, text, AGENT)
        heard = self._person.heard
        heard.lay(max(heard.position(self._clock.now()), heard.end), sound)
        await self._clock.sleep(mulaw.duration_s(len(sound)))

    async def wait(self, seconds: float) -> None:
        """Lets so much of the call's time pass."""
        await self._clock.sleep(seconds)

    async def dial(self, to: str) -> Mapping[str, str]:
        """A second leg with a scripted outcome."""
        await self._clock.sleep(self._knobs.dial_s)
        status = self._knobs.dial_status
        return {
            "DialCallSid": new_sid("CA"),
            "DialCallStatus": status,
            "DialCallDuration": f"{self._knobs.dial_s:.0f}" if status == "completed" else "0",
            "DialBridged": "true" if status == "completed" else "false",
        }

    async def record(self, longest_s: float) -> Mapping[str, str]:
        """The caller speaks into a recording for a scripted while."""
        seconds = min(longest_s, self._knobs.record_s)
        await self._clock.sleep(seconds)
        sid = new_sid("RE")
        origin = f"https://api.twilio.com/2010-04-01/Accounts/{self._account_sid}"
        return {
            "RecordingSid": sid,
            "RecordingUrl": f"{origin}/Recordings/{sid}",
            "RecordingDuration": f"{seconds:.0f}",
        }

    async def gather(self, timeout_s: float, most: int | None, finish: str) -> str:
        """The keys the caller presses."""
        digits = ""
        while most is None or len(digits) < most:
            try:
                async with self._clock.timeout(timeout_s):
                    key = await self._keys.get()
            except TimeoutError:
                break
            if key in finish:
                break
            digits += key
        return digits

    async def connect(self, stream: StreamNoun) -> StreamEnding:
        """Runs a two-way stream to its end."""
        return await self._streams.run(stream)

    def _report(self, ending: Ending) -> CallReport:
        now = self._clock.now()
        if self._lost_speech_ms:
            self._diary.note(events.SpeechLost, now, lost_ms=self._lost_speech_ms)
        self._diary.note(events.CallEnded, now, outcome=ending.outcome, why=ending.why)
        person = self._person
        end = max(person.spoken.end, person.heard.position(now) if self._streams.ended else 0)
        heard_track = person.heard.between(0, end)
        return CallReport(
            call_sid=self._call_sid,
            account_sid=self._account_sid,
            scenario=self._scenario.name,
            from_number=self._scenario.from_number,
            to_number=self._to_number,
            outcome=ending.outcome,
            why=ending.why,
            duration_s=now - self._began_at,
            figures=figures(
                said=person.said,
                heard_track=heard_track,
                events=self._diary.events,
                streams=self._streams.ended,
                lost_speech_ms=self._lost_speech_ms,
            ),
            said=said_stretches(person.said),
            heard=heard_stretches(heard_track),
            streams=self._streams.ended,
            events=self._diary.events,
            warnings=self._diary.of(WarningNoted),
            replay_close_code=self._streams.replay_close_code,
            caller_track=person.spoken.between(0, end),
            heard_track=heard_track,
        )
