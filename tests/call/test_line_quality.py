"""What is measured of a caller's line, and what it is called."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.quality import LineQuality
from bridge.wire import mulaw
from tests.call.sounds import (
    FRAME,
    echoed,
    louder,
    mixed,
    noise,
    nothing,
    on_the_line,
    talk,
)


class Line:
    """A meter and a clock that goes with the sound."""

    def __init__(self) -> None:
        self.meter = LineQuality()
        self.now = 0.0

    def hear(self, sound: bytes, *, piece: int = FRAME) -> list[bool]:
        """The decisions, one for each piece."""
        line, spoken = on_the_line(sound), []
        for at in range(0, len(line), piece):
            part = line[at : at + piece]
            self.now += mulaw.duration_s(len(part))
            self.meter.hear(part, self.now)
            spoken.append(self.meter.speech)
        return spoken


def a_line(sound: bytes, **how: Any) -> LineQuality:
    line = Line()
    line.hear(sound, **how)
    return line.meter


GOOD = mixed(talk(12, -26), noise(12, -55))


def test_the_voice_the_noise_and_their_distance_are_measured() -> None:
    report = a_line(GOOD).report()

    assert report.heard_s == 12.0
    assert report.voice_s == pytest.approx(12 * (1 - report.silence_share))
    assert report.level_dbfs == pytest.approx(-26, abs=1.5)
    assert report.noise_dbfs == pytest.approx(-54.5, abs=1.5)
    assert report.snr_db == pytest.approx(28.5, abs=2.5)
    assert 0.1 < report.silence_share < 0.45
    assert (report.mute_share, report.clipping_share, report.gaps) == (0.0, 0.0, 0)
    assert (report.echo, report.poor) == (None, None)


def test_the_level_is_that_of_the_last_frame() -> None:
    meter = LineQuality()
    meter.hear(b"\x00\x80" * 80, 0.0)
    loud = meter.level_dbfs
    meter.hear(mulaw.silence(20), 0.02)

    assert loud == pytest.approx(-0.17, abs=0.01)
    assert meter.level_dbfs == mulaw.NOTHING_DBFS


def test_a_line_on_which_nothing_came_is_unknown() -> None:
    report = LineQuality().report()

    assert (report.heard_s, report.missing_s, report.silence_share) == (0.0, 0.0, 0.0)
    assert (report.level_dbfs, report.noise_dbfs, report.snr_db) == (None, None, None)


def test_digital_silence_is_told_from_a_quiet_room() -> None:
    report = a_line(nothing(3) + noise(1, -60)).report()

    assert report.mute_share == 0.75
    assert report.silence_share == 1.0
    assert report.noise_dbfs == -72.0


@pytest.mark.parametrize("piece", [20, 33, 100, 159, 161, 240, 320, 1000])
def test_the_size_of_the_pieces_changes_no_figure(piece: int) -> None:
    def figures(meter: LineQuality) -> tuple[Any, ...]:
        report = meter.report()
        return report.level_dbfs, report.snr_db, report.silence_share, report.poor

    odd = Line()
    odd.hear(GOOD, piece=piece)

    assert figures(odd.meter) == figures(a_line(GOOD))
    assert odd.meter.report().gaps == 0


@given(st.lists(st.binary(max_size=700), max_size=40), st.floats(0, 5))
def test_any_bytes_at_any_time_are_measured(pieces: list[bytes], every_s: float) -> None:
    meter = LineQuality()
    for place, piece in enumerate(pieces):
        meter.hear(piece, place * every_s)
        meter.spoke(piece, place * every_s)

    report = meter.report()

    assert report.heard_s == sum(map(len, pieces)) // FRAME * 0.02
    assert 0.0 <= report.silence_share <= 1.0
    assert 0.0 <= report.clipping_share <= 1.0


# --- a voice ------------------------------------------------------------------------------------


def test_there_is_a_voice_while_the_caller_talks_and_none_before_or_after() -> None:
    line = Line()
    before = line.hear(noise(2, -50))
    during = line.hear(mixed(talk(4, -26), noise(4, -50)))
    after = line.hear(noise(2, -50, seed=3))

    assert sum(before[25:]) == 0
    assert sum(during) / len(during) > 0.65
    assert sum(after) == 0


def test_a_voice_is_measured_from_its_beginning() -> None:
    line = Line()
    line.hear(noise(2, -50))
    line.hear(noise(0.3, -20))

    assert line.meter.voice_ms == 300


# --- poor lines ---------------------------------------------------------------------------------

POOR = {
    "noisy": mixed(talk(20, -26), noise(20, -36)),
    "quiet": mixed(talk(20, -46), noise(20, -68)),
    "clipping": louder(mixed(talk(20, -26), noise(20, -60)), 24),
}


@pytest.mark.parametrize("fault", POOR)
def test_a_poor_line_is_named_after_five_seconds_of_voice(fault: str) -> None:
    meter = a_line(POOR[fault])

    assert meter.poor() == fault
    assert meter.report().poor == fault


def test_nothing_is_said_of_a_line_before_five_seconds_of_voice() -> None:
    line = Line()
    while line.meter.report().voice_s < 4.9:
        line.hear(POOR["noisy"][round(line.now * 16000) :][:3200])
        assert line.meter.poor() is None

    line.hear(POOR["noisy"][: 4 * 16000])

    assert line.meter.poor() == "noisy"


def test_a_good_line_is_not_poor() -> None:
    assert a_line(GOOD + GOOD).poor() is None


def test_noise_that_drowns_every_voice_is_noticed_after_half_a_minute() -> None:
    line = Line()
    line.hear(mixed(talk(29, -30), noise(29, -28)))
    before = line.meter.poor()
    line.hear(noise(2, -28))

    assert (before, line.meter.poor()) == (None, "noisy")


def test_a_silent_caller_has_no_poor_line() -> None:
    assert a_line(noise(65, -55)).poor() is None


def test_a_caller_who_goes_to_a_quieter_place_has_a_good_line_again() -> None:
    line = Line()
    line.hear(POOR["noisy"])
    line.hear(GOOD + GOOD)

    assert line.meter.poor() is None
    assert line.meter.report().voice_s > 20


def test_the_agents_voice_coming_back_is_an_echo_and_is_not_measured_as_the_callers() -> None:
    line = Line()
    agent = talk(20, -20, seed=7)
    line.meter.spoke(on_the_line(agent), line.now)
    line.hear(mixed(noise(20, -60), echoed(agent, after_ms=160, softer_db=18)))
    echo_only = line.meter.report()
    line.hear(nothing(1) + mixed(talk(12, -26), noise(12, -60)))
    report = line.meter.report()

    assert echo_only.voice_s < 0.1
    assert echo_only.echo is not None
    assert echo_only.echo > 0.85
    assert report.poor == "echo"
    assert report.level_dbfs == pytest.approx(-26, abs=1.5)


def test_what_was_cleared_is_not_taken_for_audible() -> None:
    line = Line()
    line.meter.spoke(on_the_line(talk(5, -20)), line.now)
    line.hear(noise(1, -60))
    audible = line.meter.agent_audible
    line.meter.hushed(line.now)
    line.hear(noise(1, -60))

    assert (audible, line.meter.agent_audible) == (True, False)


# --- gaps ---------------------------------------------------------------------------------------


def test_audio_that_comes_late_is_a_gap_and_in_a_burst_nothing_is_missing() -> None:
    meter = LineQuality()
    for at in (0.0, 0.02, 0.25, 0.25, 0.25, 0.25):
        meter.hear(mulaw.silence(20), at)
    for _ in range(8):
        meter.hear(mulaw.silence(20), 0.27)

    report = meter.report()

    assert report.gaps == 1
    assert report.longest_gap_s == pytest.approx(0.21)
    assert report.missing_s == pytest.approx(0.01)


def test_audio_that_never_comes_is_missing() -> None:
    meter = LineQuality()
    for frame in range(50):
        meter.hear(mulaw.silence(20), frame * 0.02)
    for frame in range(50):
        meter.hear(mulaw.silence(20), 3.0 + frame * 0.02)

    report = meter.report()

    assert report.gaps == 1
    assert report.longest_gap_s == pytest.approx(2.0)
    assert report.missing_s == pytest.approx(2.0)


def test_a_long_piece_is_no_gap_for_being_long() -> None:
    meter = LineQuality()
    for place in range(5):
        meter.hear(mulaw.silence(200), place * 0.2)

    assert meter.report().gaps == 0
