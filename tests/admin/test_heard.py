"""The caller's side of a recording is recognised, wherever in it a line lies and is cut."""

from admin.heard import heard
from bridge.simulator.voices import AGENT, Voices
from bridge.wire import mulaw

GREETING = "Thank you for calling Hillside Dental. How can I help you?"
QUESTION = "Which suits you?"
LINES = [GREETING, QUESTION, "Goodbye."]


def test_each_line_is_found_at_its_time_whatever_its_place_in_the_frames() -> None:
    voices = Voices()
    track = bytes([mulaw.SILENCE]) * 3269
    for line in LINES:
        track += voices.render(line, AGENT) + bytes([mulaw.SILENCE]) * 8007

    found = heard(track, LINES, voices)

    assert [each.text for each in found] == LINES
    assert found[0].at_s == 0.428


def test_of_a_line_that_was_cut_only_what_was_heard_is_found() -> None:
    voices = Voices()
    track = voices.render(GREETING, AGENT)[:12_000]

    (found,) = heard(track, LINES, voices)

    assert GREETING.startswith(found.text)
    assert 0 < len(found.text) < len(GREETING)


def test_silence_is_nothing_heard() -> None:
    assert heard(bytes([mulaw.SILENCE]) * 80_000, LINES) == []
