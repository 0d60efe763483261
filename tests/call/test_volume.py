"""What is made louder, what softer, and what is left alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.quality import LineQuality
from bridge.call.volume import AIM_DBFS, MOST_DB, EvenVolume
from bridge.wire import mulaw
from tests.call.sounds import FRAME, mixed, noise, on_the_line, talk


def evened(sound: bytes, volume: EvenVolume) -> bytes:
    meter, line, passed = LineQuality(), on_the_line(sound), b""
    for at in range(0, len(line), FRAME):
        frame = line[at : at + FRAME]
        meter.hear(frame, at / 8000)
        passed += volume.pass_(frame, meter.level_dbfs, speech=meter.speech)
    return passed


def voice_level(line: bytes) -> float:
    meter = LineQuality()
    for at in range(0, len(line), FRAME):
        meter.hear(line[at : at + FRAME], at / 8000)
    level = meter.report().level_dbfs
    assert level is not None
    return level


def test_a_voice_that_is_where_it_should_be_is_left_alone() -> None:
    sound = mixed(talk(8, AIM_DBFS), noise(8, -60))

    assert evened(sound, EvenVolume()) == on_the_line(sound)


@pytest.mark.parametrize("level_dbfs", [-34.0, -30.0, -16.0, -13.0])
def test_another_voice_comes_near_to_it(level_dbfs: float) -> None:
    line = evened(mixed(talk(16, level_dbfs), noise(16, -65)), EvenVolume())

    assert voice_level(line[8 * 8000 :]) == pytest.approx(AIM_DBFS, abs=4.5)


def test_a_very_soft_voice_gets_the_most_and_no_more() -> None:
    volume = EvenVolume()
    evened(mixed(talk(12, -42), noise(12, -66)), volume)

    assert volume.gain_db == MOST_DB


def test_a_very_loud_one_is_taken_back_as_far() -> None:
    volume = EvenVolume()
    for _ in range(100):
        volume.pass_(b"\x00\x80" * 80, -0.2)

    assert volume.gain_db == -MOST_DB


def test_the_gain_rises_slowly() -> None:
    volume, heard = EvenVolume(), []
    for _ in range(250):
        volume.pass_(b"\x40\xc0" * 80, -40.0)
        heard.append(volume.gain_db)

    steps = [after - before for before, after in pairwise(heard)]
    assert set(steps) == {0.0, 0.5}
    assert heard[49] <= 5.0
    assert heard[-1] == MOST_DB


def test_no_sample_is_clipped_by_a_sudden_shout() -> None:
    volume = EvenVolume()
    evened(mixed(talk(12, -40), noise(12, -66)), volume)
    shout = b"\x08\x88" * 80

    loud = volume.pass_(shout, mulaw.level_dbfs(shout))

    assert mulaw.clipped(loud) == 0
    assert mulaw.peak(loud) >= mulaw.peak(shout)
    assert 0.0 <= volume.gain_db < MOST_DB


def test_there_is_no_room_for_what_is_clipped_already() -> None:
    volume = EvenVolume()
    evened(mixed(talk(12, -40), noise(12, -66)), volume)

    assert volume.pass_(b"\x00\x80" * 80, -0.2, speech=False) == b"\x00\x80" * 80
    assert volume.gain_db == 0.0


def test_noise_without_a_voice_is_not_brought_up() -> None:
    volume = EvenVolume()
    evened(noise(1, -45), EvenVolume())
    for _ in range(200):
        volume.pass_(b"\x60\xe0" * 80, -45.0, speech=False)
        volume.pass_(b"\x70\xf0" * 80, -55.0)

    assert volume.gain_db == 0.0


@given(st.lists(st.tuples(st.binary(max_size=400), st.floats(-96, 0)), max_size=60))
def test_as_much_comes_out_as_went_in_and_nothing_new_is_clipped(
    pieces: list[tuple[bytes, float]],
) -> None:
    volume = EvenVolume()
    for audio, level_dbfs in pieces * 5:
        passed = volume.pass_(audio, level_dbfs)

        assert len(passed) == len(audio)
        assert mulaw.clipped(passed) <= mulaw.clipped(audio)
