from bridge.call.commands import PlayVoice, SendVoice
from bridge.call.events import AgentAudio, AgentLost
from bridge.wire import deepgram, twilio
from tests.call.calls import (
    GREETING,
    STREAM,
    media,
    phrase,
    ready_call,
    send_mark,
    sound,
    started_call,
)


def test_caller_audio_reaches_the_agent_byte_for_byte() -> None:
    frame = bytes(range(160))

    assert ready_call().at(2.0, media(frame)) == [SendVoice(frame)]


def test_agent_audio_reaches_the_caller_byte_for_byte() -> None:
    audio = bytes(range(256)) * 3

    assert ready_call().at(2.0, AgentAudio(audio)) == [PlayVoice(audio)]


def test_caller_audio_is_kept_until_the_agent_takes_it() -> None:
    call = started_call()
    call.at(0.02, media(b"\x01" * 160))
    call.at(0.04, media(b"\x02" * 160))

    commands = call.at(0.5, deepgram.SettingsApplied())

    assert commands == [SendVoice(b"\x01" * 160 + b"\x02" * 160)]


def test_the_oldest_caller_audio_is_dropped_when_too_much_is_kept_and_it_is_counted() -> None:
    call = started_call(kept_bytes=320)
    for byte in (b"\x01", b"\x02", b"\x03"):
        call.at(0.02, media(byte * 160))

    commands = call.at(0.5, deepgram.SettingsApplied())

    assert commands == [SendVoice(b"\x02" * 160 + b"\x03" * 160)]
    assert call.session.unsent_bytes == 160


def test_a_silent_line_sends_nothing_when_the_agent_is_ready() -> None:
    assert started_call().at(0.5, deepgram.SettingsApplied()) == []


def test_caller_audio_is_grouped_to_the_size_asked_for() -> None:
    call = ready_call(group_bytes=320)

    first = call.at(2.00, media(b"\x01" * 160))
    second = call.at(2.02, media(b"\x02" * 160))

    assert (first, second) == ([], [SendVoice(b"\x01" * 160 + b"\x02" * 160)])


def test_pieces_of_odd_length_keep_their_order() -> None:
    call = ready_call(group_bytes=160)

    call.at(2.0, media(b"\x01" * 100))

    assert call.at(2.02, media(b"\x02" * 160)) == [SendVoice(b"\x01" * 100 + b"\x02" * 160)]


def test_an_empty_piece_of_caller_audio_is_not_sent_on() -> None:
    assert ready_call().at(2.0, media(b"")) == []


def test_empty_agent_audio_begins_no_reply() -> None:
    call = ready_call()

    assert call.at(2.0, AgentAudio(b"")) == []
    assert call.at(2.1, deepgram.UserStartedSpeaking()) == []


def test_a_mark_follows_every_second_of_agent_audio() -> None:
    call = ready_call()
    call.at(2.0, AgentAudio(sound(0.9)))

    commands = call.at(2.1, AgentAudio(sound(0.1)))

    assert commands == [PlayVoice(sound(0.1)), send_mark("0:2")]


def test_a_mark_follows_the_last_audio_of_a_reply() -> None:
    call = ready_call()
    call.at(2.0, AgentAudio(sound(0.3)))

    assert call.at(2.1, deepgram.AgentAudioDone()) == [send_mark("0:2")]


def test_the_end_of_a_reply_without_audio_is_not_marked() -> None:
    assert ready_call().at(2.1, deepgram.AgentAudioDone()) == []


def test_after_the_agent_is_lost_its_audio_is_not_played() -> None:
    call = ready_call()
    call.at(2.0, AgentLost(code="refused", status=401))

    assert call.at(2.1, AgentAudio(sound(0.1))) == []
    assert call.session.stray_bytes == 800


def test_what_means_nothing_to_a_call_changes_nothing() -> None:
    call = ready_call()

    commands = call.at(
        2.0,
        twilio.Connected(protocol="Call", version="1.0.0"),
        twilio.Dtmf(stream_sid=STREAM, dtmf=twilio.DtmfBody(digit="1")),
        deepgram.History(role="user", content="hi"),
        deepgram.PromptUpdated(),
        deepgram.Warning(code="SLOW_THINK_REQUEST"),
        phrase("greeting", GREETING, 1.0),
        phrase("apology", "Sorry.", 1.0),
    )

    assert commands == []
