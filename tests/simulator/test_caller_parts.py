"""The parts of the fake Twilio, each alone and without a clock."""

import base64
import json
import wave
from itertools import pairwise

import pytest
from twilio.request_validator import RequestValidator

from bridge.simulator import checks, events
from bridge.simulator.diary import Diary
from bridge.simulator.figures import figures
from bridge.simulator.hearing import Ear, audible_part, utterances
from bridge.simulator.knobs import Weather, knobs
from bridge.simulator.line import Track
from bridge.simulator.microphone import Microphone
from bridge.simulator.person import Person, Said
from bridge.simulator.report import percentile, table
from bridge.simulator.sayings import sayings
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.simulator.script import Scene, Script
from bridge.simulator.stream import MediaStream
from bridge.simulator.wav import stereo
from bridge.simulator.webhook import Overrides, Route, handshake_signature, overrides
from bridge.wire import mulaw, twilio


def tone(milliseconds: int) -> bytes:
    return bytes((0x10 if at % 7 < 4 else 0x90) for at in range(milliseconds * 8))


# --- microphone and hearing --------------------------------------------------------------------


def test_the_line_is_never_silent_and_never_audible_when_nobody_speaks() -> None:
    microphone = Microphone(seed=1)
    noise = b"".join(microphone.hear().frame for _ in range(500))

    assert bytes([mulaw.SILENCE]) * 20 not in noise
    assert utterances(noise) == []


def test_a_clip_goes_out_byte_for_byte_and_its_last_frame_is_filled_with_noise() -> None:
    microphone = Microphone(seed=1)
    clip = tone(50)
    microphone.say([clip[:160], clip[160:320], clip[320:]])

    spoken = [microphone.hear().frame for _ in range(3)]

    assert b"".join(spoken)[: len(clip)] == clip
    assert not microphone.busy
    assert bytes([mulaw.SILENCE]) * 20 not in spoken[2]


def test_the_same_seed_makes_the_same_noise() -> None:
    one, same, other = Microphone(3), Microphone(3), Microphone(4)

    assert [one.hear().frame for _ in range(9)] == [same.hear().frame for _ in range(9)]
    assert one.hear() != other.hear()


def test_utterances_are_split_by_pauses_and_not_by_gaps_between_words() -> None:
    silence = mulaw.silence
    sound = silence(40) + tone(200) + silence(200) + tone(100) + silence(400) + tone(60)

    found = utterances(sound)

    assert [(one.start // 8, one.end // 8) for one in found] == [(40, 540), (940, 1000)]


def test_the_audible_part_of_a_clip_leaves_out_its_quiet_ends() -> None:
    part = audible_part(mulaw.silence(100) + tone(100) + mulaw.silence(60))

    assert (part.start, part.end) == (800, 1600)


def test_an_ear_notices_when_speech_begins_and_how_long_ago_it_was() -> None:
    ear = Ear()

    assert ear.silent_s(5.0) == float("inf")
    assert not ear.listen(mulaw.silence(20), 10.0)
    assert ear.listen(mulaw.silence(10) + tone(10), 10.02)
    assert ear.began_at == pytest.approx(10.03)
    assert not ear.listen(tone(20), 10.04)
    assert ear.silent_s(10.56) == pytest.approx(0.5)


# --- what the bridge sends ---------------------------------------------------------------------


def frame(**message) -> str:
    return json.dumps(message)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\x00", 31950),
        ("[]", 31951),
        ("null", 31951),
        (frame(streamSid="MZ1"), 31951),
        (frame(event="dtmf", streamSid="MZ1"), 31951),
        (frame(event="media", streamSid="MZ1"), 31951),
        (frame(event="media", stream_sid="MZ1", media={"payload": ""}), 31951),
        (frame(event="media", streamSid="MZ1", media={"payload": "!!"}), 31951),
        (frame(event="media", streamSid="MZ1", media={"payload": "/w", "track": "x"}), 31951),
        (frame(event="media", streamSid="MZ1", media={"payload": 7}), 31951),
        (frame(event="mark", streamSid="MZ1", mark={}), 31951),
        (frame(event="mark", streamSid="MZ1", mark="m"), 31951),
        (frame(event="clear", streamSid="MZ2"), 31951),
        (frame(event="connected", protocol="Call", version="1.0.0"), 31924),
        (frame(event="stop", streamSid="MZ1"), 31924),
    ],
)
def test_what_twilio_refuses_has_its_number(text, code: int) -> None:
    fault = checks.read(text, "MZ1")

    assert isinstance(fault, checks.Fault)
    assert fault.code == code
    assert fault.ends_stream is (code == 31924)


def test_a_wav_header_in_the_sound_is_a_fault() -> None:
    wav = base64.b64encode(b"RIFF....WAVE").decode()
    fault = checks.read(frame(event="media", streamSid="MZ1", media={"payload": wav}), "MZ1")

    assert fault == checks.Fault(code=0, why="a WAV header, heard as a click")


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (twilio.media_text("MZ1", b"\xff" * 160), checks.Play(b"\xff" * 160)),
        (
            twilio.encode(twilio.SendMark(stream_sid="MZ1", mark=twilio.MarkBody(name="m"))),
            checks.MarkHere("m"),
        ),
        (twilio.encode(twilio.Clear(stream_sid="MZ1")), checks.ClearQueue()),
    ],
)
def test_what_our_own_messages_look_like_is_accepted(message: str, read) -> None:
    assert checks.read(message, "MZ1") == read


# --- the stream's numbers ----------------------------------------------------------------------


def stream(**more) -> MediaStream:
    return MediaStream(
        account_sid="AC1",
        call_sid="CA1",
        stream_sid="MZ1",
        parameters={"tok": "t"},
        heard=Track(0.0),
        opened_at=0.0,
        first_media_at=0.15,
        weather=more.pop("weather", Weather()),
        seed=more.pop("seed", 1),
    )


def sent(one: MediaStream, ticks: int, *, speaking: bool = True) -> list[dict]:
    texts = [one.frame(b"\x10" * 160, speaking=speaking, now=at * 0.02) for at in range(ticks)]
    return [json.loads(parcel.text) for burst in texts for parcel in burst]


def test_our_reader_understands_what_twilio_sends() -> None:
    one = stream()
    connected, start = map(twilio.from_twilio.read, one.opening())
    media = twilio.from_twilio.read(one.frame(b"\x10" * 160, speaking=True, now=1.0)[0].text)

    assert isinstance(connected, twilio.Connected)
    assert start.start.custom_parameters == {"tok": "t"}
    assert (media.sequence_number, media.media.chunk) == (2, 1)
    assert isinstance(twilio.from_twilio.read(one.press("5", 1.0)[0].text), twilio.Dtmf)
    assert isinstance(twilio.from_twilio.read(one.stop()[0].text), twilio.Stop)


def test_whole_numbers_travel_as_strings() -> None:
    media = sent(stream(), 20)[0]

    assert isinstance(media["sequenceNumber"], str)
    assert isinstance(media["media"]["chunk"], str)
    assert isinstance(media["media"]["timestamp"], str)


def test_the_first_frame_is_late_and_timestamps_step_by_about_twenty() -> None:
    frames = sent(stream(), 400)
    timestamps = [int(frame["media"]["timestamp"]) for frame in frames]

    assert 150 <= timestamps[0] <= 175
    steps = {after - before for before, after in pairwise(timestamps)}
    assert steps <= {19, 20, 21}
    assert len(steps) > 1
    assert [int(frame["media"]["chunk"]) for frame in frames] == list(range(1, len(frames) + 1))


def test_no_frames_are_sent_in_suppressed_silence_and_the_timestamp_jumps() -> None:
    one = stream(weather=Weather(silence_suppressed=True))
    first = sent(one, 10)
    assert sent(one, 10, speaking=False) == []
    then = sent(one, 10)

    jump_ms = int(then[0]["media"]["timestamp"]) - int(first[-1]["media"]["timestamp"])
    assert jump_ms >= 40
    assert int(then[0]["media"]["chunk"]) == int(first[-1]["media"]["chunk"]) + 1


def test_a_held_line_delivers_everything_at_once_and_in_order() -> None:
    one = stream(weather=Weather(burst_share=0.2))
    bursts = [one.frame(b"\x10" * 160, speaking=True, now=at * 0.02) for at in range(200)]

    assert max(map(len, bursts)) > 3
    chunks = [int(json.loads(one.text)["media"]["chunk"]) for burst in bursts for one in burst]
    assert chunks == list(range(1, len(chunks) + 1))


def test_a_line_that_stalls_sends_nothing_for_a_while_and_no_stop() -> None:
    frames = sent(stream(weather=Weather(stall_at_s=0.2, stall_s=1.0)), 100)
    timestamps = [int(frame["media"]["timestamp"]) for frame in frames]

    assert max(after - before for before, after in pairwise(timestamps)) >= 980
    assert {frame["event"] for frame in frames} == {"media"}


def test_pieces_of_odd_sizes_carry_every_byte_in_order() -> None:
    one = stream(weather=Weather(odd_sizes=True))
    sound = [bytes([tick % 250]) * 160 for tick in range(200)]
    pieces = [
        base64.b64decode(json.loads(parcel.text)["media"]["payload"])
        for tick, frame in enumerate(sound)
        for parcel in one.frame(frame, speaking=True, now=1 + tick * 0.02)
    ]

    assert len({len(piece) for piece in pieces}) > 20
    assert b"".join(sound).startswith(b"".join(pieces))
    assert all(20 <= len(piece) <= 320 for piece in pieces)


def test_the_end_of_her_words_is_sent_before_the_silence_that_is_not() -> None:
    one = stream(weather=Weather(odd_sizes=True, silence_suppressed=True))
    spoken = sent(one, 11)
    rest = sent(one, 12, speaking=False)

    carried = sum(len(base64.b64decode(piece["media"]["payload"])) for piece in [*spoken, *rest])
    assert len(rest) <= 1
    assert 3 * 160 - 20 < carried <= 3 * 160  # the first eight frames come before the stream's


def test_a_clear_on_its_way_is_crossed_by_the_echo_of_a_mark() -> None:
    one = stream(weather=Weather(clear_delay_s=0.1))
    one.receive(twilio.media_text("MZ1", bytes(800)), 1.0)
    mark = twilio.SendMark(stream_sid="MZ1", mark=twilio.MarkBody(name="m"))
    one.receive(twilio.encode(mark), 1.0)

    assert one.receive(twilio.encode(twilio.Clear(stream_sid="MZ1")), 1.05).did is None
    reactions = one.advance(1.2)

    assert [reaction.echoed for reaction in reactions] == [["m"], []]
    assert reactions[1].did.cut == b""


# --- the script --------------------------------------------------------------------------------


def due(step: CallerStep, scene: Scene, now: float, began_at: float = 10.0) -> bool:
    return Script([step], began_at).due(scene, now) is step


def test_a_step_waits_for_a_pause_behind_what_the_agent_said() -> None:
    step = CallerStep(say="yes")

    assert not due(step, Scene(), 20.0)
    assert not due(step, Scene(agent_audible_at=12.0), 12.6)
    assert due(step, Scene(agent_audible_at=12.0), 12.71)
    assert not due(step, Scene(agent_audible_at=9.0), 12.0)


def test_speech_that_was_cut_off_is_not_taken_for_an_answer() -> None:
    step = CallerStep(say="yes")

    assert not due(step, Scene(agent_audible_at=12.0, cleared_at=12.0), 14.0)
    assert due(step, Scene(agent_audible_at=13.0, cleared_at=12.0), 14.0)


def test_barging_in_counts_from_the_next_utterance_of_the_agent() -> None:
    step = CallerStep(say="no", barge_in_ms=300)

    assert not due(step, Scene(agent_began=[9.0], agent_audible_at=11.0), 11.0)
    assert not due(step, Scene(agent_began=[9.0, 11.0]), 11.2)
    assert due(step, Scene(agent_began=[9.0, 11.0]), 11.31)


def test_silence_counts_from_whoever_was_heard_last() -> None:
    step = CallerStep(hangup=True, after_silence_ms=1000)

    assert not due(step, Scene(), 10.9)
    assert due(step, Scene(), 11.0)
    assert not due(step, Scene(agent_audible_at=10.5), 11.4)
    assert not due(step, Scene(caller_audible_at=10.8), 11.7)


def test_time_into_the_stream_and_marks_are_triggers_too() -> None:
    assert not due(CallerStep(press="1", at_ms=100), Scene(), 99.0)
    assert due(CallerStep(press="1", at_ms=100), Scene(stream_at=10.5), 10.625)
    assert not due(CallerStep(press="1", at_mark=2), Scene(marks=1), 99.0)
    assert due(CallerStep(press="1", at_mark=2), Scene(marks=2), 10.0)


def test_steps_come_one_after_the_other() -> None:
    first, second = CallerStep(wait_ms=5, after_silence_ms=0), CallerStep(hangup=True, at_ms=0)
    script = Script([first, second], 0.0)
    scene = Scene(stream_at=0.0)

    assert script.due(scene, 1.0) is first
    assert "at_ms" in script.waits_for
    assert script.due(scene, 1.0) is second
    assert script.finished
    assert script.due(scene, 1.0) is None


class OneClip:
    def __init__(self, clip: bytes) -> None:
        self.clip = clip

    def render(self, text: str, voice: str) -> bytes:
        return self.clip


def test_a_person_in_virtual_time_says_her_line_after_the_agents() -> None:
    clip = tone(100)
    diary = Diary("CA1", 0.0)
    scenario = Scenario(name="x", summary="", caller=[CallerStep(say="hello", after_agent_ms=200)])
    person = Person(scenario, sayings(scenario, OneClip(clip)), diary, 0.0)
    person.heard.lay(0, tone(500))

    deeds = [person.tick(tick * 0.02) for tick in range(1, 100)]

    spoke = diary.of(events.CallerSpoke)[0]
    assert spoke.at == pytest.approx(0.7, abs=0.021)
    assert b"".join(deed.frame for deed in deeds if deed.speaking) == clip
    assert [type(event) for event in diary.events] == [
        events.AgentAudible, events.CallerSpoke, events.CallerFinished, events.AgentSilent,
    ]  # fmt: skip


# --- requests ----------------------------------------------------------------------------------


def test_fragments_are_taken_off_the_url_and_obeyed_within_their_ranges() -> None:
    url, how = overrides("https://b.example.com/x?y=1#rc=4&rp=all&ct=1500&rt=4000")

    assert url == "https://b.example.com/x?y=1"
    assert how == Overrides(rc=4, rp="all", ct=1500, rt=4000)
    assert overrides("https://b.example.com/x#rc=9")[1] == Overrides()


@pytest.mark.parametrize(
    ("how", "reason", "again"),
    [
        (Overrides(), "ct", True),
        (Overrides(), "5xx", False),
        (Overrides(rp="5xx,rt"), "5xx", True),
        (Overrides(rp="5xx,rt"), "ct", False),
        (Overrides(rp="all"), "4xx", True),
    ],
)
def test_what_is_retried(how: Overrides, reason: str, again: bool) -> None:
    assert how.retries_on(reason) is again


@pytest.mark.parametrize(
    ("bridge_url", "url", "opened"),
    [
        ("http://127.0.0.1:9", "https://b.example.com/x", "http://127.0.0.1:9/x"),
        ("http://127.0.0.1:9", "wss://b.example.com/m", "ws://127.0.0.1:9/m"),
        ("https://b.fly.dev", "wss://b.example.com/m", "wss://b.fly.dev/m"),
        (
            "http://127.0.0.1:9",
            "https://elsewhere.example.com/x",
            "https://elsewhere.example.com/x",
        ),
    ],
)
def test_what_is_signed_as_public_is_opened_where_the_bridge_is(bridge_url, url, opened) -> None:
    route = Route(public_url="https://b.example.com", bridge_url=bridge_url)

    assert route.connect_to(url) == opened


def test_a_handshake_is_signed_over_the_url_of_the_twiml() -> None:
    url = "wss://bridge.example.com/twilio/media"
    right = handshake_signature(url, "12345", "right")

    assert right == {"x-twilio-signature": "hGVJmeOLwZmJhPeWsyRDIvgH8Zc="}
    wrong = handshake_signature(url, "12345", "wrong")["x-twilio-signature"]
    assert not RequestValidator("12345").validate(url, {}, wrong)
    assert handshake_signature(url, "12345", "missing") == {}


# --- knobs and figures -------------------------------------------------------------------------


def test_a_scenarios_line_table_is_checked() -> None:
    assert knobs({"weather": {"lost_share": 0.1}}).weather.lost_share == 0.1
    with pytest.raises(ValueError, match=r"\[line\]"):
        knobs({"wether": {}})


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile([3, 1, 2, 4], 0.99) == 4
    assert percentile([7], 0.01) == 7


def test_a_table_lines_up_its_columns() -> None:
    assert table([("a", "x"), ("long", "10")]) == "a      x\nlong  10"


def test_a_line_that_nobody_answers_is_unanswered() -> None:
    heard = bytes([0xFF]) * 8000 + tone(100)
    said = [
        Said(text="first", start=0, end=800),
        Said(text="second", start=1600, end=2400),
        Said(text="third", start=20000, end=21000),
    ]

    found = figures(said=said, heard_track=heard, events=[], streams=[], lost_speech_ms=0)

    assert [gap.said for gap in found.turn_gaps] == ["second"]
    assert found.turn_gaps[0].gap_ms == 700
    assert found.unanswered == ["first", "third"]
    assert found.answer_ms == 1000


def test_a_stereo_recording_has_the_caller_on_the_left(tmp_path) -> None:
    sound = stereo(tone(20), mulaw.silence(40))
    left, right = sound[0::4] + sound[1::4], sound[2::4] + sound[3::4]

    assert len(sound) == 40 * 8 * 4
    assert set(right) == {0}
    assert set(left[:160]) != {0}
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(sound)
    assert path.stat().st_size == 44 + len(sound)
