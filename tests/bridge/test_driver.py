"""The shell around a call, without a socket and on a clock that jumps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.call import recording
from bridge.call.conversation import Conversation
from bridge.call.ending import GONE_PATIENCE_S
from bridge.call.events import CallerGone
from bridge.call.functions import GIVE_UP_S
from bridge.call.manners import Manners
from bridge.call.session import CallSession
from bridge.driver import LAST_JOBS_S, PIECE_BYTES, CallDriver
from bridge.errors import StateUnavailable
from bridge.wire import deepgram, mulaw
from tests.bridge.virtual_time import in_virtual_time
from tests.call.calls import (
    APOLOGY,
    BOOK,
    FILLERS,
    FIND,
    GREETING,
    STREAM,
    a_conversation,
    agent_text,
    cancels,
    media,
    sound,
    start,
    stop,
    user_text,
)
from tests.fakes import (
    FakeAgent,
    FakeCaller,
    FakeKeeper,
    FakePersona,
    FakePhrases,
    FakeTools,
    MemoryRecorder,
)
from tools.catalog import CATALOG
from tools.contract import Done, Failed
from tools.errors import Unavailable

GREETED = sound(1.0, b"\x10")
APOLOGISED = sound(2.0, b"\x11")
FILLED = sound(0.5, b"\x12")
ROOM = sound(0.02, b"\x7d")
VOICE = sound(0.02, b"\x20")

SETTINGS = deepgram.Settings(audio=deepgram.Audio(), agent=deepgram.Agent(greeting=GREETING))


class Remembering(CallSession):
    """A session that keeps what it commanded, and can have a bug."""

    def __init__(self, conversation: Conversation, **manners: Any) -> None:
        polite: dict[str, Any] = {"greeting": GREETING, "fillers": FILLERS, "apology": APOLOGY}
        super().__init__(conversation, manners=Manners(**(polite | manners)), catalog=CATALOG)
        self.commanded: list[Any] = []
        self.broken = False

    def receive(self, event: Any, now: float) -> list[Any]:
        if self.broken:
            raise ZeroDivisionError
        commands = super().receive(event, now)
        self.commanded += commands
        return commands


class Setting:
    """A call with everything about it fake."""

    def __init__(self, **manners: Any) -> None:
        self.conversation = a_conversation()
        self.session = Remembering(self.conversation, **manners)
        self.caller, self.agent, self.tools = FakeCaller(), FakeAgent(), FakeTools()
        self.keeper, self.recorder = FakeKeeper(self.conversation), MemoryRecorder()
        self.phrases = FakePhrases({GREETING: GREETED, APOLOGY: APOLOGISED, FILLERS[0]: FILLED})
        self.persona = FakePersona(SETTINGS)
        self.driver = CallDriver(
            self.session,
            open_agent=self.agent.open,
            persona=self.persona,
            tools=self.tools,
            keeper=self.keeper,
            phrases=self.phrases,
            recorder=self.recorder,
        )
        self.driver.caller = self.caller
        self.caller.hear = self.driver.caller_message
        self.running: asyncio.Task[str] | None = None

    def begin(self) -> None:
        self.running = asyncio.create_task(self.driver.run(start(), closed=self.caller.closed))

    async def ends(self) -> str:
        """Why it ended, the last save included."""
        assert self.running is not None
        try:
            return await self.running
        finally:
            await self.driver.finish()

    async def hangs_up(self) -> str:
        self.driver.caller_message(stop())
        return await self.ends()

    @property
    def last_saved(self) -> Conversation:
        return msgspec.msgpack.decode(self.keeper.saved[-1], type=Conversation)


@asynccontextmanager
async def a_call(**manners: Any) -> AsyncIterator[Setting]:
    """A call that is greeted and connected; hung up at the end unless it has ended."""
    setting = Setting(**manners)
    setting.begin()
    await asyncio.sleep(1.5)
    yield setting
    assert setting.running is not None
    if not setting.running.done():
        await setting.hangs_up()


def done(id: str = "fc1") -> Done:
    return Done(function_call_id=id, tool="find_slots", content='{"say":"Nine."}')


# --- the way in ------------------------------------------------------------------------------


@in_virtual_time
async def test_a_greeting_at_hand_is_played_before_anything_is_waited_for() -> None:
    setting = Setting()
    setting.agent.opens_after_s = 1.0
    setting.begin()
    began_at = asyncio.get_running_loop().time()

    while not setting.caller.pieces:
        await asyncio.sleep(0)

    assert asyncio.get_running_loop().time() == began_at
    assert setting.caller.sound == GREETED
    await setting.hangs_up()


@in_virtual_time
async def test_the_agent_is_configured_once_it_is_there_and_told_of_the_greeting() -> None:
    async with a_call() as setting:
        assert setting.agent.messages == [SETTINGS]
        assert setting.persona.greets == [False]


@in_virtual_time
async def test_a_phrase_is_played_in_pieces() -> None:
    async with a_call() as setting:
        assert [len(piece) for piece in setting.caller.pieces] == [PIECE_BYTES] * 2


@in_virtual_time
async def test_a_greeting_that_is_slow_but_not_too_slow_is_played() -> None:
    setting = Setting(greeting_patience_s=0.25)
    setting.phrases.here.clear()
    setting.phrases.slow[GREETING] = (0.2, GREETED)
    setting.begin()
    await asyncio.sleep(0.22)

    assert setting.caller.sound == GREETED
    await setting.hangs_up()


@in_virtual_time
async def test_without_a_greeting_the_agent_greets() -> None:
    setting = Setting()
    setting.phrases.here.clear()
    setting.begin()
    await asyncio.sleep(0.1)

    assert setting.persona.greets == [True]
    await setting.hangs_up()


# --- sound -----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_frame_is_with_the_agent_before_the_callback_returns() -> None:
    async with a_call() as setting:
        setting.driver.caller_message(media(b"\x01" * 160))

        assert setting.agent.voice == b"\x01" * 160


@in_virtual_time
async def test_agent_audio_is_with_the_caller_before_the_callback_returns() -> None:
    async with a_call() as setting:
        setting.agent.speaks("Yes?", sound(0.1))

        assert setting.caller.sound == GREETED + sound(0.1)


@in_virtual_time
async def test_a_barge_in_is_on_its_way_before_the_callback_returns() -> None:
    async with a_call() as setting:
        setting.agent.speaks("We have Tuesday at nine.", sound(3.0))
        await asyncio.sleep(1.0)

        setting.agent.says(deepgram.UserStartedSpeaking())

        assert setting.conversation.utterances[-1].heard_ms == pytest.approx(1000)
        assert type(setting.caller.messages[-1]).__name__ == "Clear"


@in_virtual_time
async def test_the_clock_of_a_driven_call_follows_the_marks() -> None:
    async with a_call() as setting:
        setting.agent.speaks("We have Tuesday at nine.", sound(3.0))
        await asyncio.sleep(3.1)

        assert setting.conversation.utterances[-1].heard_out


# --- tools -----------------------------------------------------------------------------------


@in_virtual_time
async def test_an_outcome_is_given_to_the_agent_at_once() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0.1)
        setting.tools.answer(done())

        assert [job.job_id for job in setting.tools.jobs] == ["CA1:fc1"]
        response = setting.agent.messages[-1]
        assert response == deepgram.FunctionCallResponse(
            id="fc1", name="find_slots", content='{"say":"Nine."}'
        )


@in_virtual_time
async def test_a_queue_that_answers_while_it_is_asked_is_heard() -> None:
    async with a_call() as setting:
        setting.tools.answers_at_once = done()
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0)

        assert isinstance(setting.agent.messages[-1], deepgram.FunctionCallResponse)


@in_virtual_time
async def test_a_job_that_cannot_be_queued_is_answered_with_the_failure() -> None:
    async with a_call() as setting:
        setting.tools.refuses_with = Unavailable("Not just now.")
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0.1)

        assert setting.agent.messages[-1].content == (
            '{"error":"unavailable","say":"Not just now."}'
        )


@in_virtual_time
async def test_a_worker_that_never_answers_is_answered_for() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(CATALOG["find_slots"].budget_s + 0.01)

        assert "budget_spent" in setting.agent.messages[-1].content


@in_virtual_time
async def test_what_is_given_up_is_answered_with_what_the_queue_says_of_it() -> None:
    async with a_call() as setting:
        setting.tools.says_of_what_is_given_up = Failed(
            function_call_id="fc1", tool="find_slots", code="withdrawn", say="Not just now."
        )
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(CATALOG["find_slots"].budget_s - GIVE_UP_S + 0.01)

        assert setting.tools.given_up == ["fc1"]
        assert "Not just now." in setting.agent.messages[-1].content


@in_virtual_time
async def test_what_is_known_late_is_said_and_noted_as_told() -> None:
    known = {"function_call_id": "fc1", "tool": "book_appointment"}
    async with a_call(fillers=()) as setting:
        setting.tools.says_of_what_is_given_up = Failed(code="doubt", say="One moment.", **known)
        setting.agent.asks("book_appointment", BOOK, id="fc1")
        await asyncio.sleep(CATALOG["book_appointment"].budget_s)
        setting.agent.speaks("I'm still confirming that for you.", sound(1.0))
        await asyncio.sleep(2.0)
        setting.tools.answer(Done(content='{"result":"booked","say":"Ines is booked."}', **known))
        await asyncio.sleep(2.0)
        given = setting.agent.messages[-1]
        setting.agent.speaks("<Ines> is booked.", sound(1.0))
        await asyncio.sleep(1.5)

        assert given == deepgram.InjectAgentMessage(message="<Ines> is booked.")
        noted = [job.arguments for job in setting.tools.jobs if job.tool == "note_told"]
        assert ['"as":"doubt"' in noted[0], '"as":"done"' in noted[1]] == [True, True]


@in_virtual_time
async def test_what_is_still_open_when_a_call_has_ended_changes_nothing() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        setting.tools.takes_s = 0.5  # for what is asked at the end
        setting.driver.caller_message(stop())
        await asyncio.sleep(0.1)
        before = len(setting.session.commanded)
        setting.tools.answer(done())

        assert len(setting.session.commanded) == before


@in_virtual_time
async def test_the_calls_own_last_jobs_are_queued_though_it_ends() -> None:
    async with a_call() as setting:
        setting.tools.takes_s = 0.5
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(1.0)
        await setting.hangs_up()

        assert [job.tool for job in setting.tools.jobs] == ["find_slots", "free_holds"]


@in_virtual_time
async def test_its_last_jobs_are_not_waited_for_without_end() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0)
        setting.tools.takes_s = 3600.0
        before = asyncio.get_running_loop().time()
        await setting.hangs_up()

        assert asyncio.get_running_loop().time() - before == pytest.approx(LAST_JOBS_S)
        assert not setting.tools.attached


@in_virtual_time
async def test_a_filler_is_played_when_its_time_has_come() -> None:
    async with a_call(filler_after_s=1.2) as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(1.21)

        assert setting.caller.sound == GREETED + FILLED


# --- saving ----------------------------------------------------------------------------------


@in_virtual_time
async def test_a_store_that_is_slow_is_given_only_the_newest() -> None:
    async with a_call() as setting:
        saves_before = len(setting.keeper.saved)
        setting.keeper.takes_s = 1.0
        for number in range(20):
            setting.agent.says(user_text(f"Word {number}."))
            await asyncio.sleep(0.01)
        await asyncio.sleep(3.0)

        assert len(setting.keeper.saved) - saves_before <= 2
        assert setting.last_saved.utterances[-1].text == "Word 19."


@in_virtual_time
async def test_a_store_that_hangs_delays_no_frame() -> None:
    async with a_call() as setting:
        setting.keeper.takes_s = 3600.0
        setting.agent.says(user_text("Hello."))
        await asyncio.sleep(0.1)

        setting.driver.caller_message(media(b"\x01" * 160))

        assert setting.agent.voice == b"\x01" * 160


@in_virtual_time
async def test_a_store_that_was_away_gets_the_conversation_later() -> None:
    async with a_call() as setting:
        setting.keeper.away_for = 2
        setting.agent.says(user_text("Hello."))
        await asyncio.sleep(2.0)

        assert setting.last_saved.utterances[-1].text == "Hello."


@in_virtual_time
async def test_a_call_goes_on_while_the_store_stays_away() -> None:
    async with a_call(stall_after_s=100.0) as setting:
        setting.keeper.away_for = 10**6
        setting.agent.says(user_text("Hello."))
        await asyncio.sleep(60.0)

        setting.agent.speaks("Yes?", sound(0.1))
        assert setting.caller.sound.endswith(sound(0.1))
        assert setting.driver.counts["unsaved"] == 1


@in_virtual_time
async def test_while_the_store_is_away_the_newest_conversation_is_tried_next() -> None:
    async with a_call() as setting:
        setting.keeper.away_for = 1
        setting.agent.says(user_text("One."))
        await asyncio.sleep(0.05)
        setting.agent.says(user_text("Two."))
        await asyncio.sleep(1.0)

        assert setting.last_saved.utterances[-1].text == "Two."


@in_virtual_time
async def test_the_last_save_tells_why_the_call_ended() -> None:
    async with a_call() as setting:
        await setting.hangs_up()

        assert setting.keeper.ended[-1] == "caller_hung_up"
        assert setting.last_saved.ended == "caller_hung_up"


@in_virtual_time
async def test_the_last_save_is_tried_again_even_if_an_earlier_one_waited() -> None:
    async with a_call() as setting:
        setting.keeper.away_for = 2
        setting.agent.says(user_text("Bye."))
        await setting.hangs_up()

        assert setting.last_saved.ended == "caller_hung_up"


@in_virtual_time
async def test_the_last_save_is_not_waited_for_without_end() -> None:
    async with a_call() as setting:
        setting.keeper.takes_s = 3600.0
        before = asyncio.get_running_loop().time()
        await setting.hangs_up()

        assert asyncio.get_running_loop().time() - before < 5.0
        assert setting.driver.counts["unsaved"] == 1


@in_virtual_time
async def test_a_call_that_another_bridge_holds_is_let_go() -> None:
    async with a_call() as setting:
        setting.keeper.held_elsewhere = True
        setting.agent.says(user_text("Hello."))

        assert await setting.ends() == "held_elsewhere"
        assert setting.agent.closed


# --- the agent's line ------------------------------------------------------------------------


async def apologised(setting: Setting) -> None:
    assert await setting.ends() == "agent_lost"
    assert setting.caller.sound.endswith(APOLOGISED)
    assert setting.keeper.plans == ["human"]


@in_virtual_time
async def test_a_refused_agent_is_apologised_for() -> None:
    setting = Setting()
    setting.agent.refuses_with = 401
    setting.begin()

    await apologised(setting)
    assert b'"status":401' in b"".join(setting.recorder.lines)


@in_virtual_time
async def test_an_agent_whose_connecting_has_a_bug_is_apologised_for() -> None:
    setting = Setting(agent_patience_s=8.0)
    setting.agent.fails_with = ZeroDivisionError()
    setting.begin()
    with capture_logs() as logs:
        await apologised(setting)

    assert "work_failed" in [line["event"] for line in logs]


@in_virtual_time
async def test_an_agent_that_is_lost_for_good_is_apologised_for() -> None:
    async with a_call() as setting:
        setting.agent.is_lost_for_good()

        await apologised(setting)


@in_virtual_time
async def test_an_agent_is_lost_with_the_code_of_its_last_error() -> None:
    async with a_call() as setting:
        with capture_logs() as logs:
            setting.agent.says(deepgram.Error(code="INVALID_SETTINGS"))
            await apologised(setting)

        assert {"agent_error"} & {line["event"] for line in logs}
        assert setting.agent.closed


@in_virtual_time
async def test_a_lost_line_is_opened_again_and_the_call_goes_on() -> None:
    async with a_call() as setting:
        setting.agent.loses_line()
        await asyncio.sleep(0.1)
        setting.agent.speaks("I am back.", sound(0.5))

        assert setting.agent.sessions == 2
        assert setting.persona.greets == [False, False]
        assert setting.caller.sound.endswith(sound(0.5))


@in_virtual_time
async def test_a_caller_who_speaks_while_nobody_listens_is_not_left_in_silence() -> None:
    async with a_call(agent_filler_after_s=2.0, cover="Still here.") as setting:
        setting.phrases.here["Still here."] = FILLED
        setting.agent.opens_after_s = 6.0
        setting.agent.loses_line()
        await asyncio.sleep(1.0)
        for frames in (ROOM * 80, VOICE * 25):  # the greeting and its echo end in the first
            setting.driver.caller_message(media(frames))
            await asyncio.sleep(0.1)
        heard_before = len(setting.caller.sound)

        await asyncio.sleep(2.0)

        assert bytes(setting.caller.sound[heard_before:]) == FILLED


@in_virtual_time
async def test_silence_takes_the_place_of_frames_after_the_very_first() -> None:
    async with a_call() as setting:
        setting.driver.caller_message(media(ROOM))
        await asyncio.sleep(1.0)

        assert setting.agent.voice.startswith(ROOM + mulaw.silence(500))


@in_virtual_time
async def test_what_a_lost_line_still_says_is_not_heard() -> None:
    async with a_call() as setting:
        late = setting.agent.ear
        setting.agent.opens_after_s = 1.0
        setting.agent.loses_line()
        events = len(setting.recorder.lines)

        late.agent_message(agent_text("Hello?"))
        late.agent_audio(sound(0.1))
        late.agent_closed(1006)

        assert len(setting.recorder.lines) == events


@in_virtual_time
async def test_a_line_that_opens_after_another_took_its_place_is_closed() -> None:
    setting = Setting(agent_patience_s=8.0)
    setting.agent.opens_after_s = 9.0
    setting.begin()
    await asyncio.sleep(8.5)
    setting.agent.opens_after_s = 0.0
    await asyncio.sleep(1.0)

    assert setting.agent.closed
    await setting.hangs_up()


@in_virtual_time
async def test_a_read_that_nobody_waits_for_is_taken_off_the_queue() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0.1)
        setting.agent.says(cancels("fc1"))
        await asyncio.sleep(0.1)

        assert setting.tools.cancelled == ["fc1"]


@in_virtual_time
async def test_a_read_that_cannot_be_cancelled_runs_in_vain() -> None:
    async with a_call() as setting:
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(0.1)
        setting.tools.refuses_with = Unavailable("Not just now.")
        with capture_logs() as logs:
            setting.agent.says(cancels("fc1"))
            await asyncio.sleep(0.1)

        assert "tool_not_cancelled" in [line["event"] for line in logs]


@in_virtual_time
async def test_a_name_is_written_for_the_voice_and_kept_as_it_is_read() -> None:
    async with a_call(still_there=("Are you there, Ines?",), idle_after_s=5.0) as setting:
        await asyncio.sleep(6.0)
        setting.agent.speaks("Are you there, <Ines>?", sound(1.0))

        [asked] = [
            one for one in setting.agent.messages if isinstance(one, deepgram.InjectAgentMessage)
        ]
        assert asked.message == "Are you there, <Ines>?"
        assert setting.conversation.utterances[-1].text == "Are you there, Ines?"


@in_virtual_time
async def test_warnings_and_errors_of_the_agent_are_counted_by_their_code() -> None:
    async with a_call() as setting:
        setting.agent.says(deepgram.Warning(code="SLOW_THINK_REQUEST"))
        setting.agent.says(deepgram.Warning(code="SLOW_THINK_REQUEST"))
        setting.agent.says(deepgram.Error(code="FAILED_TO_THINK"))

        assert setting.driver.counts["agent_warning:SLOW_THINK_REQUEST"] == 2
        assert setting.driver.counts["agent_error:FAILED_TO_THINK"] == 1


@in_virtual_time
async def test_a_slow_goodbye_of_the_agent_does_not_hold_up_the_caller() -> None:
    async with a_call() as setting:
        setting.agent.closes_after_s = 2.0
        before = asyncio.get_running_loop().time()
        setting.driver.caller_message(stop())
        await setting.running

        assert asyncio.get_running_loop().time() == before
        await setting.driver.finish()


@in_virtual_time
async def test_what_is_unreadable_is_counted_and_told_once() -> None:
    async with a_call() as setting:
        with capture_logs() as logs:
            for _ in range(3):
                setting.agent.mumbles()
                setting.driver.caller_unreadable("not JSON")

        assert setting.driver.counts["agent_protocol"] == 3
        assert setting.driver.counts["caller_protocol"] == 3
        assert [line["event"] for line in logs] == ["unreadable", "unreadable"]


@in_virtual_time
async def test_warnings_of_the_agent_are_told_and_change_nothing() -> None:
    async with a_call() as setting:
        commanded = len(setting.session.commanded)
        with capture_logs() as logs:
            setting.agent.says(deepgram.Warning(code="SLOW_THINK_REQUEST"))

        assert [line["code"] for line in logs] == ["SLOW_THINK_REQUEST"]
        assert len(setting.session.commanded) == commanded


# --- endings ---------------------------------------------------------------------------------


@in_virtual_time
async def test_a_caller_who_hangs_up_ends_everything() -> None:
    async with a_call() as setting:
        assert await setting.hangs_up() == "caller_hung_up"

        assert setting.agent.closed
        assert not setting.tools.attached


@in_virtual_time
async def test_a_socket_that_closes_ends_the_stream() -> None:
    async with a_call() as setting:
        setting.caller.hang_up(1006)

        assert await setting.ends() == "caller_line_lost"
        assert setting.conversation.ended == ""


@in_virtual_time
async def test_a_socket_that_breaks_ends_the_stream() -> None:
    setting = Setting()
    setting.caller.breaks_off = True
    setting.begin()

    assert await setting.ends() == "caller_line_lost"


@in_virtual_time
async def test_a_stream_that_is_drained_knows_what_was_heard() -> None:
    async with a_call() as setting:
        setting.agent.speaks("We have Tuesday at nine.", sound(4.0))
        await asyncio.sleep(2.0)
        setting.driver.hang_up("drained")

        assert await setting.ends() == "drained"
        assert setting.last_saved.utterances[-1].heard_text == "We have"
        assert setting.last_saved.ended == ""


@in_virtual_time
async def test_a_next_step_that_cannot_be_kept_does_not_hold_up_the_end() -> None:
    async with a_call() as setting:
        setting.keeper.plan_fails_with = Exception("a bug")
        setting.caller.returns_marks = False
        setting.agent.is_lost_for_good()
        before = asyncio.get_running_loop().time()

        assert await setting.ends() == "agent_lost"
        assert asyncio.get_running_loop().time() - before < 2.0 + 2.0 + GONE_PATIENCE_S + 1


@in_virtual_time
async def test_a_next_step_that_redis_does_not_take_ends_the_call_all_the_same() -> None:
    async with a_call() as setting:
        setting.keeper.plan_fails_with = StateUnavailable("Redis: ConnectionError")
        setting.agent.is_lost_for_good()

        assert await setting.ends() == "agent_lost"


@in_virtual_time
async def test_the_longest_call_ends_with_a_planned_goodbye() -> None:
    async with a_call(longest_call_s=100.0, idle_after_s=1000.0) as setting:
        assert await setting.ends() == "longest_call"

        assert setting.keeper.plans == ["goodbye"]


@in_virtual_time
async def test_a_bug_of_ours_ends_the_call_and_leaves_it_to_another_stream() -> None:
    async with a_call() as setting:
        setting.session.broken = True
        with capture_logs() as logs:
            setting.agent.says(user_text("Hello."))
            reason = await setting.ends()

        assert reason == "bridge_error"
        assert setting.agent.closed
        assert setting.last_saved.ended == ""
        assert "call_failed" in [line["event"] for line in logs]


@in_virtual_time
async def test_a_call_that_ends_is_told_in_one_line() -> None:
    async with a_call() as setting:
        setting.agent.says(user_text("My name is Ann."))
        with capture_logs() as logs:
            await setting.hangs_up()

    (line,) = [line for line in logs if line["event"] == "call_ended"]
    assert (line["reason"], line["turns"], line["call_sid"]) == ("caller_hung_up", 2, "CA1")
    assert "Ann" not in str(logs)


# --- order -----------------------------------------------------------------------------------


@in_virtual_time
async def test_an_event_that_comes_while_another_is_handled_waits_its_turn() -> None:
    async with a_call() as setting:
        order: list[str] = []
        play = setting.caller.play

        def playing(audio: bytes) -> None:
            order.append("play begins")
            setting.driver.caller_message(stop())
            play(audio)
            order.append("play ends" if setting.conversation.ended == "" else "ended in between")

        setting.caller.play = playing
        setting.agent.speaks("Yes?", sound(0.1))

        assert order == ["play begins", "play ends"]
        assert setting.conversation.ended == "caller_hung_up"


@in_virtual_time
async def test_a_driven_call_played_again_decides_the_same_byte_for_byte() -> None:
    async with a_call() as setting:
        setting.driver.caller_message(media(b"\x01" * 160))
        setting.agent.speaks("We have Tuesday at nine.", sound(3.0))
        await asyncio.sleep(1.0)
        setting.agent.says(deepgram.UserStartedSpeaking())
        setting.agent.says(user_text("Wednesday?"))
        setting.agent.asks("find_slots", FIND, id="fc1")
        await asyncio.sleep(1.5)
        setting.tools.answer(done())
        setting.agent.speaks("Wednesday at ten.", sound(2.0))
        setting.agent.asks("find_slots", FIND, id="fc2")
        await asyncio.sleep(5.0)
        setting.tools.answer(Failed(function_call_id="fc2", tool="x", code="full", say="-"))
        setting.agent.says(agent_text("I"))
        setting.agent.is_lost_for_good()
        await setting.ends()

        again = Remembering(a_conversation())
        commands = recording.replay(setting.recorder.lines, again)

        assert commands == setting.session.commanded
        assert repr(commands).encode() == repr(setting.session.commanded).encode()
        assert again.conversation == setting.conversation


@in_virtual_time
async def test_after_the_end_events_change_nothing() -> None:
    async with a_call() as setting:
        await setting.hangs_up()
        commanded = len(setting.session.commanded)

        setting.driver.feed(CallerGone())

        assert len(setting.session.commanded) == commanded


def test_streams_are_told_apart_by_sid() -> None:
    assert start().stream_sid == STREAM
