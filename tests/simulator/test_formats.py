import math
import struct

import pytest

from bridge.simulator import levels
from bridge.simulator.formats import KNOWN, TELEPHONE, Format, Reading, doubled, written
from bridge.simulator.synthesis import Placeholder
from bridge.wire import mulaw

WIDE = Format(encoding="linear16", rate_hz=16000)
NARROW = Format(encoding="linear16", rate_hz=8000)
ULAW = Placeholder().speak("hello there", "caller")


def tone(hertz, rate_hz, count=8000):
    step = 2 * math.pi * hertz / rate_hz
    return struct.pack(f"={count}h", *(round(12000 * math.sin(step * at)) for at in range(count)))


def decibels(samples, reference):
    return 20 * math.log10(max(1, levels.linear_rms(samples)) / levels.linear_rms(reference))


@pytest.mark.parametrize("wanted", KNOWN)
def test_a_second_has_as_many_bytes_as_its_format_says(wanted):
    assert len(written(ULAW, wanted)) == len(ULAW) * wanted.bytes_per_ms // 8


@pytest.mark.parametrize("wanted", KNOWN)
@pytest.mark.parametrize("piece", [1, 160, 333, 641, 100_000])
def test_what_is_written_is_read_again(wanted, piece):
    reading = Reading(wanted)
    sent = written(ULAW, wanted)

    read = b"".join(reading.read(sent[at : at + piece]) for at in range(0, len(sent), piece))

    assert len(read) == len(ULAW)
    if wanted == WIDE:  # seven samples late, and through two filters
        before, after = mulaw.to_linear(ULAW[:-7]), mulaw.to_linear(read[7:])
        difference = levels.mixed(before, levels.louder(after, -1))
        assert decibels(difference, before) < -28
    else:
        assert read == ULAW


@pytest.mark.parametrize("hertz", [300, 1000, 2000, 3000])
def test_doubling_adds_nothing(hertz):
    wanted = tone(hertz, 16000, 16000)
    difference = levels.mixed(doubled(tone(hertz, 8000)), levels.louder(wanted, -1))

    assert decibels(difference[200:-200], wanted) < -40


@pytest.mark.parametrize(("hertz", "floor_db"), [(4600, -25), (5000, -45), (7000, -50)])
def test_what_the_telephone_cannot_hold_is_not_folded_back(hertz, floor_db):
    heard = Reading(WIDE).read(tone(hertz, 16000, 16000))

    assert decibels(mulaw.to_linear(heard[50:]), tone(hertz, 16000)) < floor_db


def test_the_telephones_own_sound_is_left_alone():
    assert written(ULAW, TELEPHONE) is ULAW
    assert Reading(TELEPHONE).read(ULAW) is ULAW
    assert NARROW in KNOWN
