"""The XML answers: read back, and equal to what Twilio's own library builds."""

from xml.etree.ElementTree import canonicalize, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import VoiceResponse

from bridge.wire import twiml

MEDIA = "wss://bridge.example.com/twilio/media"
RESUME = "https://bridge.example.com/twilio/resume"
STATUS = "https://bridge.example.com/twilio/stream-status"
RESUME_WITH_OVERRIDES = RESUME + "#rc=4&rp=all&ct=1500&rt=4000"
STATUS_WITH_OVERRIDES = STATUS + "#rc=2&rp=all"
HOSTILE = "</Say><Hangup/>&amp;]]>\"'<!--"
ANY_TEXT = st.text(max_size=60)


def same_xml(ours, theirs) -> bool:
    return canonicalize(ours) == canonicalize(str(theirs))


def readable(text) -> str:
    """What XML 1.0 can carry of a text; a parser reads every line end as a newline."""
    kept = "".join(
        c for c in text if c in "\t\n\r" or 0x20 <= ord(c) <= 0xD7FF or 0xE000 <= ord(c) <= 0xFFFD
        or ord(c) >= 0x10000
    )  # fmt: skip
    return kept.replace("\r\n", "\n").replace("\r", "\n")


def test_a_call_is_connected_and_resumes_at_one_address_however_the_stream_ends() -> None:
    ours = twiml.connect_stream(
        stream_url=MEDIA,
        action_url=RESUME,
        status_callback_url=STATUS,
        parameters={"tok": "one&use", "gen": "1"},
        name="g1",
    )

    theirs = VoiceResponse()
    connect = theirs.connect(action=RESUME_WITH_OVERRIDES, method="POST")
    stream = connect.stream(url=MEDIA, name="g1", status_callback=STATUS_WITH_OVERRIDES)
    stream.parameter(name="tok", value="one&use")
    stream.parameter(name="gen", value="1")
    theirs.redirect(RESUME_WITH_OVERRIDES, method="POST")
    assert same_xml(ours, theirs)


def test_a_stream_needs_neither_name_nor_status_callback_nor_parameters() -> None:
    ours = twiml.connect_stream(stream_url=MEDIA, action_url=RESUME, parameters={})

    theirs = VoiceResponse()
    theirs.connect(action=RESUME_WITH_OVERRIDES, method="POST").stream(url=MEDIA)
    theirs.redirect(RESUME_WITH_OVERRIDES, method="POST")
    assert same_xml(ours, theirs)


@given(values=st.dictionaries(st.text(min_size=1, max_size=40), ANY_TEXT, max_size=4))
def test_parameters_arrive_as_they_were_given_but_for_what_xml_cannot_carry(values) -> None:
    document = twiml.connect_stream(stream_url=MEDIA, action_url=RESUME, parameters=values)

    read = [(p.get("name"), p.get("value")) for p in fromstring(document).iter("Parameter")]
    assert [(readable(n or ""), readable(v or "")) for n, v in read] == [
        (readable(name), readable(value)) for name, value in values.items()
    ]


def test_a_parameter_stays_under_five_hundred_characters() -> None:
    fits = {"tok": "x" * 496}
    too_long = {"tok": "x" * 497}

    twiml.connect_stream(stream_url=MEDIA, action_url=RESUME, parameters=fits)
    with pytest.raises(ValueError, match="under 500"):
        twiml.connect_stream(stream_url=MEDIA, action_url=RESUME, parameters=too_long)


def test_a_parameter_has_a_name() -> None:
    with pytest.raises(ValueError, match="parameter ''"):
        twiml.connect_stream(stream_url=MEDIA, action_url=RESUME, parameters={"": "x"})


def test_a_long_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="tok") as refused:
        twiml.connect_stream(
            stream_url=MEDIA, action_url=RESUME, parameters={"tok": "secret" * 100}
        )

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        MEDIA,
        "wss://bridge.example.com:8443/twilio/media",
        "ws://127.0.0.1:8080/twilio/media",
        "ws://127.3.2.1/twilio/media",
        "ws://localhost:8080/twilio/media",
        "ws://[::1]:8080/twilio/media",
    ],
)
def test_a_stream_is_encrypted_unless_it_stays_on_this_machine(url) -> None:
    document = twiml.connect_stream(stream_url=url, action_url=RESUME, parameters={})

    assert fromstring(document).find("Connect/Stream").get("url") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/twilio/media",
        "wss:///twilio/media",
        "ws:///twilio/media",
        "ws://bridge.example.com/twilio/media",
        "ws://10.0.0.1/twilio/media",
        "https://bridge.example.com/twilio/media",
        MEDIA + "?gen=1",
        MEDIA + "?",
        MEDIA + "#rc=2",
    ],
)
def test_a_stream_url_twilio_would_refuse_is_refused_here(url) -> None:
    with pytest.raises(ValueError, match="stream URL"):
        twiml.connect_stream(stream_url=url, action_url=RESUME, parameters={})


@pytest.mark.parametrize("url", ["", "/twilio/resume", "https:///x", "ftp://x/y", RESUME + "#rc=1"])
def test_a_callback_url_is_absolute_and_without_fragment(url) -> None:
    with pytest.raises(ValueError, match="callback URL"):
        twiml.redirect(url)


def test_a_callback_url_may_have_a_query() -> None:
    ours = twiml.redirect(RESUME + "?src=watchdog&n=1")

    theirs = VoiceResponse()
    theirs.redirect(RESUME + "?src=watchdog&n=1#rc=4&rp=all&ct=1500&rt=4000", method="POST")
    assert same_xml(ours, theirs)


def test_a_text_is_said_and_after_a_pause_the_next_document_is_asked_for() -> None:
    url = "https://bridge.example.com/twilio/voice?round=1"

    ours = twiml.say_and_redirect("Busy.", pause_s=4, url=url, voice="alice", language="en-GB")

    theirs = VoiceResponse()
    theirs.say("Busy.", voice="alice", language="en-GB")
    theirs.pause(length=4)
    theirs.redirect(url + "#rc=4&rp=all&ct=1500&rt=4000", method="POST")
    assert same_xml(ours, theirs)


def test_a_text_is_said_and_the_call_ends() -> None:
    ours = twiml.say_and_hang_up("Good-bye.", voice="Polly.Amy", language="en-GB")

    theirs = VoiceResponse()
    theirs.say("Good-bye.", voice="Polly.Amy", language="en-GB")
    theirs.hangup()
    assert same_xml(ours, theirs)


def test_a_hostile_text_is_said_not_obeyed() -> None:
    ours = twiml.say_and_hang_up(HOSTILE)

    theirs = VoiceResponse()
    theirs.say(HOSTILE)
    theirs.hangup()
    assert same_xml(ours, theirs)
    assert [verb.tag for verb in fromstring(ours)] == ["Say", "Hangup"]


@given(text=ANY_TEXT | st.text(st.characters(categories=["Cs", "Cc"]), max_size=10))
def test_any_text_makes_a_document_that_can_be_read_and_sent(text) -> None:
    document = twiml.say_and_hang_up(text)

    assert readable(fromstring(document.encode()).findtext("Say") or "") == readable(text)


def test_a_caller_is_put_through() -> None:
    ours = twiml.dial(
        "+15550100299",
        action_url=RESUME,
        caller_id="+15550100200",
        timeout_s=20,
        say="One moment.",
        voice="alice",
        language="en-US",
    )

    theirs = VoiceResponse()
    theirs.say("One moment.", voice="alice", language="en-US")
    theirs.dial(
        answer_on_bridge=True,
        timeout=20,
        caller_id="+15550100200",
        action=RESUME_WITH_OVERRIDES,
        method="POST",
    ).number("+15550100299")
    assert same_xml(ours, theirs)


def test_a_caller_is_put_through_with_nothing_said_and_nothing_to_follow() -> None:
    ours = twiml.dial("+15550100299")

    theirs = VoiceResponse()
    theirs.dial(answer_on_bridge=True, timeout=30).number("+15550100299")
    assert same_xml(ours, theirs)


def test_a_message_is_recorded_and_a_silent_caller_is_let_go() -> None:
    ours = twiml.voicemail(
        say="Please leave a message.",
        action_url=RESUME,
        recording_status_callback_url=STATUS,
        max_length_s=90,
        silence_s=4,
        finish_on_key="*",
    )

    theirs = VoiceResponse()
    theirs.say("Please leave a message.")
    theirs.record(
        action=RESUME_WITH_OVERRIDES,
        method="POST",
        max_length=90,
        timeout=4,
        finish_on_key="*",
        play_beep=True,
        recording_status_callback=STATUS_WITH_OVERRIDES,
        recording_status_callback_event="completed absent",
    )
    theirs.hangup()
    assert same_xml(ours, theirs)


def test_a_message_is_recorded_without_asking_when_the_file_is_ready() -> None:
    ours = twiml.voicemail(say="Please leave a message.", action_url=RESUME)

    record = fromstring(ours).find("Record")
    assert record.get("action") == RESUME_WITH_OVERRIDES
    assert record.get("recordingStatusCallback") is None


def test_a_call_is_ended() -> None:
    theirs = VoiceResponse()
    theirs.hangup()

    assert same_xml(twiml.hangup(), theirs)


def test_nothing_is_answered_for_a_call_that_is_over() -> None:
    assert same_xml(twiml.empty(), VoiceResponse())
