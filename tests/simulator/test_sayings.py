"""What the caller's steps sound like, and that the emulator still understands them."""

import math
import struct
import wave
from pathlib import Path

import pytest

from bridge.simulator import sounds
from bridge.simulator.ears import INAUDIBLE, Ears
from bridge.simulator.hearing import utterances
from bridge.simulator.room import Bed, Echo, Room, louder
from bridge.simulator.sayings import known_sounds, recording, sayings
from bridge.simulator.scenario import CallerStep, Scenario
from bridge.simulator.voices import Voices
from bridge.wire import mulaw

HELLO = "Thank you, bye."


@pytest.fixture(scope="module")
def voices() -> Voices:
    return Voices()


def call(*steps: CallerStep, **room) -> Scenario:
    return Scenario(name="x", summary="", caller=list(steps), line={"room": room})


def said(scenario: Scenario, voices: Voices) -> list:
    return [saying for saying in sayings(scenario, voices) if saying is not None]


def understood(scenario: Scenario, voices: Voices) -> list[str]:
    """What an ear makes of each step, pauses apart."""
    ears = Ears(known_sounds(scenario, voices))
    texts = []
    for saying in said(scenario, voices):
        ear = ears.open()
        for frame in saying.frames:
            ear.feed(frame) if frame else ear.pause()
        texts.append(ear.text())
    return texts


# --- sounds that are no words ------------------------------------------------------------------


@pytest.mark.parametrize("kind", sounds.NOISES)
def test_every_noise_is_whole_frames_as_loud_as_speech_and_always_the_same(kind) -> None:
    sound = sounds.sound(kind)
    sounds.linear.cache_clear()

    assert sounds.sound(kind) == sound
    assert len(sound) % mulaw.FRAME_BYTES == 0
    assert utterances(sound)
    if kind != "click":  # shorter than its frame
        assert mulaw.level_dbfs(sound) == pytest.approx(-21, abs=0.6)


def test_no_two_noises_are_alike() -> None:
    assert len({sounds.sound(kind) for kind in sounds.NOISES}) == len(sounds.NOISES)


def test_a_cough_is_short_and_a_fit_of_coughing_is_several() -> None:
    (cough,) = utterances(sounds.sound("cough"))
    fit = sounds.sound("cough", 2000)

    assert mulaw.duration_ms(cough.end - cough.start) < 400
    assert len(utterances(fit)) == 3
    assert mulaw.duration_ms(len(fit)) == 2000


@pytest.mark.parametrize("kind", ["hum", "noise", "babble", "tone"])
def test_what_goes_on_goes_on_for_any_time(kind) -> None:
    assert mulaw.duration_ms(len(sounds.sound(kind, 3500))) == 3500


def test_mhm_is_two_syllables() -> None:
    sound = sounds.sound("mhm")
    loudness = [mulaw.rms(sound[at : at + 160]) for at in range(0, len(sound), 160)]
    first, dip, second = max(loudness[:8]), min(loudness[9:12]), max(loudness[12:])

    assert dip < first / 3
    assert dip < second / 3


# --- the room ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["line", "hum", "babble"])
@pytest.mark.parametrize("level", [-50.0, -30.0])
def test_a_bed_is_as_loud_as_it_should_be(kind, level: float) -> None:
    bed = Bed(kind, level, seed=3)
    noise = b"".join(bed.frame() for _ in range(200))

    assert mulaw.level_dbfs(noise) == pytest.approx(level, abs=1)


def test_noise_under_a_line_is_the_same_every_time_and_another_under_another() -> None:
    one, same = Bed("line", -40.0, seed=3), Bed("line", -40.0, seed=3)
    sound = sounds.sound("hum", 9000)
    one.frame()

    assert one.under(sound) == same.under(sound) != sound
    assert len(one.under(sound)) == len(sound)
    assert Bed("line", -40.0, seed=4).under(sound) != one.under(sound)
    assert Bed("line", None, seed=3).under(sound) == sound


def test_gain_is_in_decibels_and_too_much_of_it_clips() -> None:
    sound = sounds.sound("hum")

    assert louder(sound, 0.0) is sound
    assert mulaw.level_dbfs(louder(sound, -20)) == pytest.approx(-41, abs=0.7)
    clipped = louder(sound, 24)
    assert sum(byte & 0x7F == 0 for byte in clipped) > len(clipped) / 10


def test_an_echo_is_quieter_and_leaves_her_frames_alone_when_nothing_is_played() -> None:
    echo = Echo(Room(echo_db=-20.0, echo_lag_ms=50))
    quiet = mulaw.silence(20)
    loud = sounds.sound("tone")[:160]

    assert echo.lag_bytes == 400
    assert echo.over(loud, quiet) is loud
    assert mulaw.level_dbfs(echo.over(quiet, loud)) == pytest.approx(
        mulaw.level_dbfs(loud) - 20, abs=1
    )
    assert not Echo(Room()).audible


# --- what is said ------------------------------------------------------------------------------


def test_a_plain_line_is_its_clip_byte_for_byte(voices) -> None:
    (saying,) = said(call(CallerStep(say=HELLO)), voices)

    assert b"".join(saying.frames) == voices.render(HELLO, "caller")
    assert saying.has_words
    assert saying.text == HELLO


def test_letters_are_parted_by_pauses_in_which_only_the_room_is_heard(voices) -> None:
    close, wide = said(
        call(CallerStep(spell="MO"), CallerStep(spell="MO", letter_gap_ms=900)), voices
    )

    assert close.text == "M O"
    assert close.frames.count(b"") == 18  # 350 ms
    assert wide.frames.count(b"") == 45
    assert len(wide.audible) == 2
    assert mulaw.duration_ms(wide.audible[1].start - wide.audible[0].end) >= 900


def test_a_pause_inside_a_line_is_silence_of_hers(voices) -> None:
    (saying,) = said(call(CallerStep(say="Thank you, … bye.", pause_ms=1500)), voices)

    assert saying.frames.count(b"") == 75
    assert len(saying.audible) == 2
    assert [text for text, _ in saying.known] == ["Thank you,", "bye."]


@pytest.mark.parametrize(
    "room",
    [
        {},
        {"noise_dbfs": -45.0},
        {"noise_dbfs": -35.0, "noise": "babble"},
        {"gain_db": -15.0, "noise_dbfs": -50.0, "noise": "hum"},
    ],
)
def test_whatever_the_room_is_like_the_emulator_understands(room, voices) -> None:
    scenario = call(
        CallerStep(spell="ANNA"),
        CallerStep(say="Thank you, … bye.", pause_ms=600),
        CallerStep(say=HELLO, gain_db=24),
        CallerStep(say=HELLO, gain_db=-12),
        CallerStep(sound="mhm"),
        CallerStep(sound="cough"),
        **room,
    )

    texts = understood(scenario, voices)

    assert texts == ["A N N A", "Thank you, bye.", HELLO, HELLO, "mhm", INAUDIBLE]


def test_a_room_that_grows_louder_is_loud_from_that_step_on(voices) -> None:
    scenario = call(CallerStep(say=HELLO), CallerStep(noise_dbfs=-40.0), CallerStep(say=HELLO))
    before, nothing, after = sayings(scenario, voices)

    assert nothing is None
    assert before.frames != after.frames
    assert before.audible == after.audible
    assert understood(scenario, voices) == [HELLO, HELLO]


def test_a_line_that_is_cut_ends_there(voices) -> None:
    whole, cut = said(call(CallerStep(say=HELLO), CallerStep(say=HELLO, cut_ms=310)), voices)

    assert b"".join(cut.frames) == b"".join(whole.frames)[: 310 * 8]
    assert cut.audible[-1].end == 310 * 8
    assert cut.known == whole.known


def test_a_cough_has_no_words(voices) -> None:
    (cough,) = said(call(CallerStep(sound="cough", gain_db=-6)), voices)

    assert (cough.text, cough.has_words) == ("(cough)", False)


def wav(path: Path, *, rate_hz: int, width: int, channels: int) -> Path:
    samples = [round(8000 * math.sin(2 * math.pi * 440 * at / rate_hz)) for at in range(rate_hz)]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate_hz, 0, "NONE", ""))
        for sample in samples:
            one = struct.pack("<h", sample) if width == 2 else bytes([(sample >> 8) + 128])
            file.writeframesraw(one + bytes(width) * (channels - 1))
    return path


@pytest.mark.parametrize(
    ("rate_hz", "width", "channels"), [(8000, 2, 1), (16000, 2, 2), (44100, 2, 1), (8000, 1, 1)]
)
def test_a_recording_of_any_rate_is_heard_as_it_is(tmp_path, rate_hz, width, channels) -> None:
    sound = recording(wav(tmp_path / "a.wav", rate_hz=rate_hz, width=width, channels=channels))

    assert mulaw.duration_ms(len(sound)) == pytest.approx(1000, abs=2)
    tone = mulaw.from_linear(
        struct.pack("=800h", *(round(8000 * math.sin(0.11 * math.pi * at)) for at in range(800)))
    )
    assert mulaw.level_dbfs(sound) == pytest.approx(mulaw.level_dbfs(tone), abs=0.3)


def test_words_of_a_recording_are_understood_where_it_lies_and_nowhere_else(
    tmp_path, voices
) -> None:
    path = wav(tmp_path / "a.wav", rate_hz=8000, width=2, channels=1)
    scenario = call(CallerStep(wav=str(path), words="La la."), CallerStep(wav=str(path)))
    worded, wordless = said(scenario, voices)
    pairs = known_sounds(scenario, voices)
    path.unlink()

    assert [text for text, _ in pairs] == ["La la."]
    assert (worded.text, worded.has_words) == ("La la.", True)
    assert (wordless.text, wordless.has_words) == ("(a)", False)
    assert known_sounds(scenario, voices) == []
