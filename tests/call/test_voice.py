"""Whether a voice is told from what else a telephone line carries."""

import pytest

from bridge.call.voice import QUIETEST, Voice
from bridge.wire import mulaw
from tests.call.sounds import FRAME, mixed, noise, nothing, on_the_line, talk


def decisions(voice: Voice, sound: bytes) -> list[bool]:
    line = on_the_line(sound)
    return [
        voice.hear(mulaw.rms(line[at : at + FRAME]))
        for at in range(0, len(line) - FRAME + 1, FRAME)
    ]


def share(decided: list[bool]) -> float:
    return sum(decided) / len(decided)


@pytest.mark.parametrize("level_dbfs", [-70, -55, -45, -35, -25])
def test_steady_noise_is_no_voice_once_it_is_known(level_dbfs: float) -> None:
    voice = Voice()
    decisions(voice, noise(0.5, level_dbfs))

    assert not any(decisions(voice, noise(10, level_dbfs, seed=2)))


@pytest.mark.parametrize("noise_dbfs", [-90, -60, -50, -42])
def test_talk_is_found_above_the_noise_and_pauses_are_not(noise_dbfs: float) -> None:
    voice = Voice()
    decisions(voice, noise(2, noise_dbfs))

    assert share(decisions(voice, mixed(talk(6, -24), noise(6, noise_dbfs, seed=3)))) > 0.65
    assert share(decisions(voice, noise(3, noise_dbfs, seed=4))) < 0.05


def test_a_soft_voice_is_one_on_a_quiet_line() -> None:
    voice = Voice()
    decisions(voice, noise(2, -68))

    assert share(decisions(voice, mixed(talk(6, -44), noise(6, -68, seed=3)))) > 0.6


def test_a_noise_that_begins_is_taken_for_a_voice_for_four_seconds_at_most() -> None:
    voice = Voice()
    decisions(voice, noise(4, -60))

    decided = decisions(voice, noise(8, -30, seed=2))

    assert all(decided[:150])
    assert not any(decided[240:])


def test_a_noise_that_ends_leaves_the_ear_as_keen_as_before_at_once() -> None:
    voice = Voice()
    decisions(voice, noise(6, -30))
    decisions(voice, noise(0.1, -60))

    assert share(decisions(voice, mixed(talk(2, -34), noise(2, -60, seed=2)))) > 0.6


def test_digital_silence_is_no_voice_and_does_not_make_hiss_one() -> None:
    voice = Voice()

    assert not any(decisions(voice, nothing(3)))
    assert voice.floor == QUIETEST
    assert not any(decisions(voice, noise(3, -62)))


def test_lost_packets_do_not_make_the_noise_between_them_a_voice() -> None:
    voice = Voice()
    decisions(voice, noise(2, -35))
    holed = b"".join(
        noise(0.18, -35, seed=seed) + nothing(0.02 * (1 + seed % 2)) for seed in range(30)
    )

    assert not any(decisions(voice, holed))


def test_half_a_lost_packet_does_not_pull_the_floor_down() -> None:
    voice = Voice()
    decisions(voice, noise(2, -35))
    whole = mulaw.linear(-35)
    before = voice.floor

    for _ in range(10):
        voice.hear(whole // 8)
        for _ in range(5):
            voice.hear(whole)

    assert voice.floor == before


def test_where_silence_is_sent_between_the_words_it_is_the_floor() -> None:
    voice = Voice()
    burst = talk(1.0, -30, seed=5)

    decided = [decisions(voice, burst + nothing(0.5)) for _ in range(8)]

    assert share([one for second in decided[2:] for one in second[:50]]) > 0.6
    assert voice.floor == QUIETEST


def test_a_voice_lasts_from_its_first_frame_pauses_within_words_included() -> None:
    voice = Voice()
    loud, soft = mulaw.linear(-20), mulaw.linear(-70)

    for level in [loud] * 5 + [soft] * 6 + [loud] * 3:
        voice.hear(level)

    assert voice.stretch_ms == 280


def test_a_longer_pause_ends_it() -> None:
    voice = Voice()
    loud, soft = mulaw.linear(-20), mulaw.linear(-70)

    for level in [loud] * 5 + [soft] * 6:
        voice.hear(level)
    before = voice.stretch_ms
    voice.hear(soft)

    assert (before, voice.stretch_ms, voice.present) == (100, 0, False)


def test_a_voice_may_fade_before_it_is_gone() -> None:
    voice = Voice()
    floor = mulaw.linear(-50)
    for _ in range(60):
        voice.hear(floor)

    heard = [voice.hear(round(floor * 10 ** (above / 20))) for above in (8, 10, 7, 5, 7)]

    assert heard == [False, True, True, False, False]
