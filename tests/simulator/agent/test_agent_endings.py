"""Refused and slow handshakes, and every way in which a session ends, over real sockets."""

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from bridge.simulator.faults import Faults, Strike
from bridge.simulator.scenario import Action
from bridge.wire.mulaw import silence
from tests.simulator.agent.conftest import settings as good_settings
from tests.simulator.agent.scripts import (
    BOOK_ME,
    FIND,
    LATER,
    LONG,
    ask,
    hears,
    say,
    scenario,
    words,
)

SETTINGS = good_settings()
HEADERS = {"Authorization": "Token key", "x-deepgram-session-id": "CA1"}


async def refusal(url):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers=HEADERS):
            pass
    return refused.value.response


# --- the handshake ---------------------------------------------------------------------------


async def test_only_the_reconnect_is_refused_and_only_so_often(emulator, dial, noted):
    faults = Faults(refuse_status=429, refuse_times=2, refuse_from_session=2)
    async with dial(scenario(faults=faults)):
        pass
    for _ in range(2):
        assert (await refusal(emulator.agent_url)).status_code == 429
    async with dial():
        pass

    assert [(note.name, note.code) for note in noted("refused")] == [("handshake", "429")] * 2
    assert [note.code for note in noted("session")] == ["1", "2"]


async def test_a_refusal_may_say_when_to_come_again(emulator):
    emulator.board.announce("CA1", scenario(faults=Faults(refuse_status=503, retry_after_s=7)))

    assert (await refusal(emulator.agent_url)).headers["retry-after"] == "7"


async def test_a_refused_handshake_does_not_count_as_a_session(emulator):
    emulator.board.announce("CA1", scenario(faults=Faults(refuse_status=402)))

    await refusal(emulator.agent_url)

    assert emulator.open_sessions == 0


async def test_a_slow_handshake_is_slow_for_the_sessions_named_only(emulator, dial):
    emulator.options.pace = 1
    faults = Faults(handshake_delay_ms=3_600_000, slow_sessions=(2,))
    async with dial(scenario(faults=faults)):
        pass
    with pytest.raises(TimeoutError):
        async with connect(emulator.agent_url, additional_headers=HEADERS, open_timeout=0.2):
            pass


async def test_welcome_may_not_come_and_settings_are_applied_all_the_same(dial):
    async with dial(scenario(faults=Faults(omit_welcome=True)), welcome=False) as client:
        pass

    assert client.kinds() == ["SettingsApplied"]


async def test_a_late_welcome_comes_behind_settings_that_did_not_wait_for_it(dial):
    async with dial(scenario(faults=Faults(welcome_delay_ms=2000)), welcome=False) as client:
        await client.until("Welcome")

    assert client.kinds() == ["SettingsApplied", "Welcome"]


async def test_settings_may_never_be_applied_and_then_nothing_else_is_done(dial, emulator, noted):
    emulator.options.idle_s = 0.2
    faults = Faults(omit_settings_applied=True)
    async with dial(scenario(hears("cleaning", say("Yes.")), faults=faults), apply=False) as client:
        client.forget()
        await client.send(SETTINGS)
        await client.say(BOOK_ME)
        await client.until_closed()

    assert client.kinds() == ["Error"]
    assert client.seen[0]["code"] == "CLIENT_MESSAGE_TIMEOUT"
    assert noted("heard") == []


async def test_sound_sent_before_late_settings_are_applied_is_heard_behind_them(dial):
    call = scenario(hears("cleaning", say("Which day?")), faults=Faults(settings_delay_ms=3000))
    async with dial(call, apply=False) as client:
        client.forget()
        await client.send(SETTINGS)
        await client.say(BOOK_ME)
        await client.until("AgentAudioDone")

    assert client.kinds()[:2] == ["SettingsApplied", "UserStartedSpeaking"]
    assert client.texts() == [BOOK_ME, "Which day?"]


async def test_a_client_may_leave_before_late_settings_are_applied(dial, emulator, noted):
    emulator.options.pace = 1
    faults = Faults(settings_delay_ms=3_600_000)
    async with dial(scenario(faults=faults), apply=False) as client:
        await client.send(SETTINGS)
    while not noted("ended"):
        await asyncio.sleep(0)

    assert [note.name for note in noted("ended")] == ["ClientLeft"]


# --- strikes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strike", "code"),
    [
        (Strike(how="error"), 1005),
        (Strike(how="error", close_code=1011), 1011),
        (Strike(how="error", close_code=1006), 1006),
        (Strike(how="close"), 1000),
        (Strike(how="close", close_code=1011), 1011),
        (Strike(how="drop"), 1006),
        (Strike(how="fin"), 1006),
    ],
)
async def test_a_session_ends_in_every_way(dial, noted, strike, code):
    async with dial(scenario(faults=Faults(strikes=[strike]))) as client:
        assert await client.until_closed() == code

    errors = [message["code"] for message in client.messages("Error")]
    assert errors == (["INTERNAL_SERVER_ERROR"] if strike.how == "error" else [])
    assert [note.code for note in noted("error")] == errors


class Witness(ClientConnection):
    """Remembers how TCP ended."""

    def connection_lost(self, exc):
        self.ended_by = exc
        super().connection_lost(exc)


async def tcp_end_of(emulator, strike):
    """What ended TCP for the client; None is its orderly end."""
    emulator.board.announce("CA1", scenario(faults=Faults(strikes=[strike])))
    async with connect(
        emulator.agent_url, additional_headers=HEADERS, create_connection=Witness
    ) as socket:
        await socket.send(json.dumps(SETTINGS))
        await socket.wait_closed()
        return socket.ended_by


async def test_a_reset_is_a_reset_and_an_orderly_end_of_tcp_is_none(emulator):
    assert isinstance(await tcp_end_of(emulator, Strike(how="drop")), ConnectionResetError)
    assert await tcp_end_of(emulator, Strike(how="fin")) is None


async def test_a_hung_session_keeps_its_socket_and_says_nothing_any_more(dial, emulator, noted):
    call = scenario(
        hears("cleaning", say("Which day?")), faults=Faults(strikes=[Strike(how="hang")])
    )
    async with dial(call) as client:
        while not emulator.board.call("CA1").notes:
            await asyncio.sleep(0)
        client.forget()
        await client.say(BOOK_ME)
        await (await client.socket.ping())
    while not noted("ended"):
        await asyncio.sleep(0)

    assert client.seen == []
    assert [note.name for note in noted("ended")] == ["Hung"]


@pytest.mark.parametrize("after", ["greeting", "reply", "asked", "speech", "heard"])
async def test_a_strike_waits_for_its_moment(dial, settings, after):
    call = scenario(
        hears("cleaning", say("One moment."), ask(FIND), say(LONG)),
        faults=Faults(strikes=[Strike(after=after, code="SERVER_GOING_AWAY")]),
    )
    async with dial(call, apply=settings(greeting="Hello.")) as client:
        if after != "greeting":
            await client.until("AgentAudioDone")
            await client.say(BOOK_ME)
        await client.until_closed()

    last = {
        "greeting": "ConversationText",
        "reply": "ConversationText",
        "asked": "FunctionCallRequest",
        "speech": "UserStartedSpeaking",
        "heard": "ConversationText",
    }[after]
    assert client.messages("Error")[0]["code"] == "SERVER_GOING_AWAY"
    assert last in client.kinds()
    assert {
        "greeting": ["Hello."],
        "reply": ["Hello.", BOOK_ME, "One moment."],
        "asked": ["Hello.", BOOK_ME, "One moment."],
        "speech": ["Hello."],
        "heard": ["Hello.", BOOK_ME],
    }[after] == client.texts()[: {"speech": 1}.get(after, 9)]


async def test_a_strike_in_the_second_reply_is_in_mid_sentence(dial, emulator, voices, noted):
    emulator.options.pace = 1
    emulator.options.speech_rate = 20
    call = scenario(
        hears("cleaning", say("One moment."), say(LONG)),
        faults=Faults(strikes=[Strike(after="reply", nth=2, wait_ms=30, how="drop")]),
    )
    async with dial(call) as client:
        await client.send(words(BOOK_ME))
        await client.until_closed()

    assert client.texts() == [BOOK_ME, "One moment.", LONG]
    assert [note.text for note in noted("spoken")] == ["One moment."]
    assert "AgentAudioDone" not in client.kinds()


async def test_each_session_has_its_own_strike(dial):
    faults = Faults(
        strikes=[
            Strike(how="drop", sessions=(1,)),
            Strike(how="error", code="ASR_CONNECTION_CLOSED", sessions=(2, 3)),
        ]
    )
    codes = []
    async with dial(scenario(faults=faults)) as client:
        codes.append(await client.until_closed())
    for _ in range(2):
        async with dial() as client:
            codes.append(await client.until_closed())
    async with dial() as client:
        await client.settled()

    assert codes == [1006, 1005, 1005]


async def test_the_close_code_behind_any_error_is_the_scenarios(dial):
    async with dial(scenario(faults=Faults(close_code=1011))) as client:
        await client.send("no json")

        assert await client.until_closed() == 1011


async def test_the_socket_outlives_its_error_for_a_while(dial, emulator):
    emulator.options.pace = 1
    faults = Faults(strikes=[Strike()], close_delay_ms=3_600_000)
    async with dial(scenario(faults=faults)) as client:
        await client.until("Error")
        await client.socket.send(silence(20))
        await (await client.socket.ping())

        assert client.socket.close_code is None


# --- idleness and the longest session --------------------------------------------------------


async def test_keep_alive_alone_may_not_keep_a_session(dial):
    faults = Faults(idle_ms=20_000, idle_without_sound=True)
    async with dial(scenario(faults=faults)) as client:

        async def keep_alive():
            while True:
                await client.send({"type": "KeepAlive"})
                await asyncio.sleep(0.02)

        keeping = asyncio.create_task(keep_alive())
        code = await client.until_closed()
        keeping.cancel()

    assert code == 1005
    assert client.messages("Error")[0]["code"] == "CLIENT_MESSAGE_TIMEOUT"


async def test_keep_alive_is_counted(dial, noted):
    async with dial(scenario()) as client:
        for _ in range(3):
            await client.send({"type": "KeepAlive"})
        await client.settled()

    assert len(noted("kept_alive")) == 3


async def test_two_hours_may_pass_at_once(dial):
    faults = Faults(session_warning_s=0.05, session_limit_s=0.1)
    async with dial(scenario(faults=faults)) as client:
        await client.until_closed()

    codes = [message["code"] for message in client.seen if "code" in message]
    assert codes == ["MAXIMUM_SESSION_LENGTH_APPROACHING", "MAXIMUM_SESSION_LENGTH_REACHED"]


async def test_only_the_sessions_named_have_another_longest_length(dial, emulator):
    emulator.options.session_warning_s = emulator.options.session_limit_s = 0.05
    faults = Faults(session_warning_s=3600, session_limit_s=3600, limit_sessions=(1,))
    async with dial(scenario(faults=faults)) as first, dial() as second:
        await second.until_closed()
        await first.settled()

    assert "Warning" not in first.kinds()


async def test_the_model_and_the_voice_may_fail_for_good(dial):
    call = scenario(
        hears("cleaning", Action(error="FAILED_TO_THINK")),
        hears("another", Action(error="FAILED_TO_SPEAK")),
    )
    codes = []
    for line in (BOOK_ME, LATER):
        async with dial(call) as client:
            await client.say(line)
            await client.until_closed()
            codes.append(client.messages("Error")[0]["code"])

    assert codes == ["FAILED_TO_THINK", "FAILED_TO_SPEAK"]
