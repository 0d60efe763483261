"""Every known line in a track is found where it is, cut where it was cut, and never invented."""

import pytest

from admin.recognition import recognise
from bridge.simulator.voices import AGENT, Voices
from bridge.wire import mulaw

GREETING = "Thank you for calling Hillside Dental. How can I help you?"
QUESTION = "Which suits you?"
OFFER = "I have tomorrow, Monday at eight or ten in the morning."
OTHER_OFFER = "I have Wednesday, November twenty-fifth at one in the afternoon."
LINES = [GREETING, QUESTION, OFFER, OTHER_OFFER, "Goodbye."]


@pytest.fixture(scope="module")
def voices() -> Voices:
    return Voices()


def silence(milliseconds: float) -> bytes:
    return bytes([mulaw.SILENCE]) * round(milliseconds * mulaw.BYTES_PER_MS)


def test_lines_are_found_in_order_each_at_its_time_at_any_byte(voices: Voices) -> None:
    track = silence(400.125)
    for line in (GREETING, OFFER, QUESTION):
        track += voices.render(line, AGENT) + silence(900.875)

    found = recognise(track, LINES, voices)

    assert [each.line for each in found.lines] == [GREETING, OFFER, QUESTION]
    assert all(each.whole and each.words == each.line for each in found.lines)
    assert 0.4 < found.lines[0].at_s < 0.5
    assert found.unknown_at_s == []


def test_lines_without_a_pause_between_them_are_told_apart(voices: Voices) -> None:
    track = b"".join(voices.render(line, AGENT) for line in (OFFER, QUESTION, QUESTION))

    found = recognise(track, LINES, voices)

    assert [each.line for each in found.lines] == [OFFER, QUESTION, QUESTION]


def test_a_line_that_was_cut_has_its_first_words_and_no_end(voices: Voices) -> None:
    track = voices.render(GREETING, AGENT)[:12_007] + silence(500)

    (cut,) = recognise(track, LINES, voices).lines

    assert GREETING.startswith(cut.words)
    assert 0 < len(cut.words) < len(GREETING)
    assert cut.from_start
    assert not cut.to_end
    assert not cut.whole


def test_a_line_taken_up_in_its_middle_does_not_pass_for_one_from_its_start(
    voices: Voices,
) -> None:
    sound = voices.render(GREETING, AGENT)
    track = sound[:8000] + silence(300) + sound[16_000:]

    first, second = recognise(track, LINES, voices).lines

    assert (first.from_start, first.to_end) == (True, False)
    assert (second.from_start, second.to_end) == (False, True)


def test_a_line_whose_sound_paused_is_one_line_with_a_gap(voices: Voices) -> None:
    sound = voices.render(GREETING, AGENT)
    track = sound[:8000] + silence(400) + sound[8000:]

    (line,) = recognise(track, LINES, voices).lines

    assert line.words == GREETING
    assert line.gaps_ms == pytest.approx(400)
    assert not line.whole


def test_a_line_that_begins_like_another_is_not_taken_for_it(voices: Voices) -> None:
    found = recognise(voices.render(OTHER_OFFER, AGENT), LINES, voices)

    assert [each.line for each in found.lines] == [OTHER_OFFER]


def test_a_line_that_is_the_end_of_another_is_taken_for_itself(voices: Voices) -> None:
    farewell = "I have Wednesday. Goodbye."
    found = recognise(voices.render("Goodbye.", AGENT), [farewell, *LINES], voices)

    assert [each.line for each in found.lines] == ["Goodbye."]
    assert found.lines[0].whole


def test_sound_that_no_line_explains_is_told(voices: Voices) -> None:
    stranger = voices.render("We are on Main Street, right across from the library.", AGENT)
    track = voices.render(QUESTION, AGENT) + silence(100) + stranger

    found = recognise(track, LINES, voices)

    assert [each.line for each in found.lines] == [QUESTION]
    (at_s,) = found.unknown_at_s
    assert at_s == pytest.approx(mulaw.duration_s(len(track) - len(stranger)), abs=0.2)


def test_silence_is_nothing_heard(voices: Voices) -> None:
    found = recognise(silence(5000), LINES, voices)

    assert found.lines == []
    assert found.unknown_at_s == []
