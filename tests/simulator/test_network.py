"""What becomes of one stream's messages on their way, in virtual time."""

import random

import pytest

from bridge.simulator.knobs import Weather, knobs
from bridge.simulator.network import Network, Parcel


def network(first_media_at: float = 0.0, **weather) -> Network:
    return Network(Weather(**weather), random.Random("network"), first_media_at)


def names(parcels: list[Parcel]) -> str:
    return "".join(parcel.text for parcel in parcels)


def sound(text: str) -> Parcel:
    return Parcel(text, is_sound=True)


def test_in_fair_weather_everything_arrives_at_once() -> None:
    one = network()
    one.send(sound("a"), 1.0)
    one.send(Parcel("b"), 1.0)

    assert names(one.arrived(1.0)) == "ab"
    assert one.arrived(1.0) == []


def test_a_held_line_lets_everything_go_at_its_end() -> None:
    one = network(first_media_at=10.0, holds=((1.0, 0.5),))
    for number, now in enumerate((10.9, 11.0, 11.2, 11.4)):
        one.send(sound(str(number)), now)

    assert names(one.arrived(10.99)) == "0"
    assert one.arrived(11.49) == []
    assert not one.stalled(11.2)
    assert names(one.arrived(11.5)) == "123"


def test_what_twilio_has_to_say_in_a_stall_comes_behind_it() -> None:
    one = network(stalls=((1.0, 0.5), (3.0, 1.0)), stall_at_s=6.0, stall_s=2.0)
    one.send(Parcel("mark"), 1.1)

    assert one.arrived(1.1) == []
    assert names(one.arrived(1.5)) == "mark"
    assert [at for at in range(10) if one.stalled(at + 0.2)] == [1, 3, 6, 7]


def test_a_stall_and_a_hold_may_begin_now() -> None:
    one = network()
    one.stall(1.0, 0.5)
    one.hold(2.0, 0.5)
    one.send(Parcel("a"), 1.0)

    assert (one.stalled(1.2), one.stalled(1.5)) == (True, False)
    assert one.arrived(2.2) == []
    assert names(one.arrived(2.5)) == "a"


def test_jitter_delays_frames_and_changes_nothing_in_their_order() -> None:
    one = network(jitter_ms=100)
    arrived: list[tuple[int, int]] = []
    for tick in range(200):
        now = tick * 0.02
        one.send(sound(f"{tick} "), now)
        arrived += [(int(each), tick) for each in names(one.arrived(now)).split()]

    delays = [arrived_in - sent_in for sent_in, arrived_in in arrived]
    assert [sent_in for sent_in, _ in arrived] == sorted(sent_in for sent_in, _ in arrived)
    assert len(set(delays)) > 2
    assert max(delays) <= 6
    assert len(arrived) + len(one.rest()) == 200


def test_nothing_overtakes_a_frame_that_is_late() -> None:
    one = network(jitter_ms=1000)
    one.send(sound("a"), 0.0)
    one.send(Parcel("b"), 0.0)

    assert one.arrived(0.0) == []
    assert names(one.arrived(1.0)) == "ab"


def test_gusts_hold_the_line_now_and_then_and_never_too_long() -> None:
    one = network(burst_share=0.1, longest_hold_s=0.233)
    waited: list[int] = []
    for tick in range(2000):
        now = tick * 0.02
        came = one.arrived(now)
        one.send(sound(f"{tick} "), now)
        one.gust(now)
        waited += [tick - int(each) for each in names([*came, *one.arrived(now)]).split()]

    assert max(waited) in (11, 12)
    assert waited.count(0) > 500


def test_a_share_of_the_frames_is_lost() -> None:
    one = network(lost_share=0.25)

    assert sum(one.loses() for _ in range(4000)) == pytest.approx(1000, rel=0.15)
    assert not any(network().loses() for _ in range(100))


def test_what_is_on_its_way_when_the_line_ends_still_arrives() -> None:
    one = network(holds=((0.0, 9.0),))
    one.send(sound("a"), 1.0)

    assert names(one.rest()) == "a"
    assert one.rest() == []


def test_weather_is_read_from_a_scenarios_table() -> None:
    weather = knobs({"weather": {"stalls": [[1, 2.5]], "holds": [[0, 1]], "jitter_ms": 60}}).weather

    assert weather.every_stall == ((1, 2.5),)
    assert weather.holds == ((0, 1),)
    for wrong in ({"stalls": [[1]]}, {"holds": [[-1, 2]]}, {"jitter_ms": -5}):
        with pytest.raises(ValueError, match="weather"):
            knobs({"weather": wrong})
