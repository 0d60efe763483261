"""The narrative says what the caller hears, when she hears it, and no more."""

import asyncio
import time

import pytest

from admin.heard import Heard
from admin.narrative import Narrative
from bridge.simulator import events
from bridge.simulator.board import Note

GREETING = "Thank you for calling."


class Told:
    """A narrative, its lines, and a clock that begins with the call."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.narrative = Narrative(self.lines.append, greeting=GREETING)
        self.began_at = time.monotonic()
        self.event(events.CallPlaced, 0, scenario="s", from_number="+1212", to_number="+1555")

    def event(self, kind: type, at_s: float, **fields: object) -> None:
        at = self.began_at + at_s
        self.narrative.on_event(kind(at=at, at_s=at_s, call_sid="CA1", **fields))

    def note(self, kind: str, at_s: float, **fields: object) -> None:
        self.narrative.on_note(Note(at=self.began_at + at_s, kind=kind, **fields))

    def since(self) -> list[str]:
        """What was told after the call was placed, without times."""
        return [line[10:] for line in self.lines[1:]]


@pytest.fixture
async def told() -> Told:
    return Told()


async def test_sound_that_the_agent_did_not_send_is_the_cached_greeting(told: Told) -> None:
    told.event(events.AgentAudible, 0.4)

    assert told.lines[-1] == f"  0.40 s  agent   {GREETING}   (from the cache)"


async def test_later_sound_that_the_agent_did_not_send_is_a_cached_phrase(told: Told) -> None:
    told.note("opened", 0.1)
    told.event(events.AgentAudible, 0.4)
    told.event(events.AgentAudible, 5.0, gap_ms=1200.0)

    assert told.since()[-1] == "agent   (a phrase from the cache, 1,200 ms after she had finished)"


async def test_of_an_agent_that_tells_nothing_only_that_it_speaks_is_known(told: Told) -> None:
    told.event(events.AgentAudible, 0.4)
    told.event(events.AgentAudible, 5.0)

    assert told.since()[-1] == "agent   (agent speaks)"


async def test_what_twilio_says_is_not_taken_for_the_agent(told: Told) -> None:
    told.event(events.VerbBegun, 5.0, verb="Say", detail="Please call again.")
    told.event(events.AgentAudible, 5.1)
    told.event(events.StreamOpened, 9.0, stream_sid="MZ2", handshake_ms=1.0)
    told.event(events.AgentAudible, 9.1)

    assert told.since() == ["twilio  Please call again.", f"agent   {GREETING}   (from the cache)"]


async def test_a_cached_phrase_is_found_in_the_recording_once_and_the_greeting_is_not_repeated(
    told: Told,
) -> None:
    told.event(events.AgentAudible, 0.4)

    found = [Heard(at_s=0.4, text=f"{GREETING} I'm sorry.")]
    told.narrative.recognised(found, [GREETING, "I'm sorry.", "Never said."])

    (line,) = told.lines[2:]
    assert line == "  0.40 s  agent   I'm sorry.   (from the cache, in what she heard from then on)"


async def test_what_the_agent_sends_is_told_once_though_it_is_heard_too(told: Told) -> None:
    told.note("said", 0.0, text="Hello.", ms=500)
    told.event(events.AgentAudible, 0.1)

    assert told.since() == ["agent   Hello."]


async def test_a_sentence_is_told_when_the_one_before_it_has_been_heard(told: Told) -> None:
    told.note("said", 0.0, text="First.", ms=30)
    told.note("said", 0.0, text="Second.", ms=30)
    assert told.since() == ["agent   First."]

    async with asyncio.timeout(5):
        while len(told.lines) < 3:
            await asyncio.sleep(0.005)

    assert told.since() == ["agent   First.", "agent   Second."]
    assert told.lines[-1].startswith("  0.03 s")


async def test_a_sentence_that_a_barge_in_threw_away_is_never_told(told: Told) -> None:
    told.note("said", 0.0, text="First.", ms=40)
    told.note("said", 0.0, text="Second.", ms=40)
    told.event(events.CallerSpoke, 0.01, text="Wait!", duration_ms=400, over_agent_ms=10.0)
    told.event(events.QueueCleared, 0.02, cut_ms=1500.0, marks=1, after_speech_ms=60.0)
    told.note("said", 0.0, text="Third.", ms=40)

    async with asyncio.timeout(5):
        while len(told.lines) < 5:
            await asyncio.sleep(0.005)

    assert told.since() == [
        "agent   First.",
        "caller  Wait!   ⟵ breaks in after 10 ms",
        "✂       barge-in: 1,500 ms of agent speech cut, 60 ms after her first sound",
        "agent   Third.",
    ]


async def test_a_clear_that_cut_nothing_is_not_worth_a_line(told: Told) -> None:
    told.event(events.QueueCleared, 1.0, cut_ms=0.0, marks=0)

    assert told.since() == []


async def test_a_function_call_is_told_with_its_round_trip_and_kept(told: Told) -> None:
    told.note("asked", 1.0, name="find_slots", function_call_id="fc_1", content='{"service":"x"}')
    told.note("answered", 1.02, function_call_id="fc_1", content='{"say":"none"}', ms=20.4)

    assert told.since() == ['→       find_slots {"service":"x"}',
                            "←       find_slots answered after 20.4 ms"]  # fmt: skip
    (call,) = told.narrative.function_calls
    assert (call.name, call.content, call.round_trip_ms) == ("find_slots", '{"say":"none"}', 20.4)


async def test_trouble_of_either_side_is_told(told: Told) -> None:
    told.event(events.WarningNoted, 1.0, code=31921, why="bridge closed", expected=False)
    told.note("error", 2.0, code="CLIENT_MESSAGE_TIMEOUT", content="nothing came")
    told.event(events.CallEnded, 3.0, outcome="caller_hung_up", why="her script says so")

    assert told.since() == [
        "!       31921: bridge closed",
        "!       agent error: CLIENT_MESSAGE_TIMEOUT nothing came",
        "☎       caller hung up: her script says so",
    ]
