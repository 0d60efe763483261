"""Whole calls through the real processes: spoken, heard, booked, and found in the database."""

import asyncio
import wave
from pathlib import Path

import httpx
import msgspec
import pytest

from admin.demo import appointments, overlapping
from admin.heard import heard
from bridge.profile import PACKAGED, load_profiles
from bridge.simulator.events import StreamOpened
from bridge.simulator.report import CallReport
from bridge.simulator.scenario import Action, AgentRule, Ask, CallerStep, Faults, Scenario
from bridge.simulator.wav import write_wav
from tools.catalog import CATALOG
from tools.schedule import Appointment

pytestmark = pytest.mark.usefixtures("no_fault_of_ours")

ASKS = "Hi, I'd like to book a cleaning, please."


def short_booking(name: str, phone: str, *, start: str = "{slots.offers[0].start}") -> Scenario:
    """The caller speaks over the greeting; the agent books the first time it finds."""
    wanted = {"service": "cleaning", "start": start, "patient_name": name, "phone": phone}
    return Scenario(
        name="short-booking",
        summary="One line, one booking.",
        caller=[
            CallerStep(say=ASKS, at_ms=300),
            CallerStep(hangup=True, after_agent_ms=400),
        ],
        agent=[
            AgentRule(
                hears=["cleaning"],
                do=[
                    Action(ask=[Ask(tool="find_slots", arguments={"service": "cleaning"},
                                    save_as="slots")]),
                    Action(ask=[Ask(tool="book_appointment", arguments=wanted,
                                    save_as="booked")]),
                    Action(say="Goodbye."),
                ],
            )
        ],
    )  # fmt: skip


async def in_the_database(house, report: CallReport) -> list[Appointment]:
    everything = await appointments(house.environ["DATABASE_URL"], "hillside")
    assert overlapping(everything) is None
    return [made for made in everything if made.call_sid == report.call_sid]


async def notes(house, report: CallReport, kind: str) -> list[dict]:
    """What the emulated agent noted of a call that is over."""
    url = f"{house.run.simulator_url}/simulator/calls/{report.call_sid}/events"
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(url)).text.splitlines()
    return [note for note in map(msgspec.json.decode, lines) if note["kind"] == kind]


async def test_a_booking_that_was_spoken_is_in_the_database(house) -> None:
    report = await house.call(short_booking("Ada Quist", "2125550187"))

    assert report.ok, (report.outcome, report.why, report.warnings)
    (made,) = await in_the_database(house, report)
    assert (made.patient_name, made.phone) == ("Ada Quist", "+12125550187")
    assert made.service == "cleaning"


async def test_callers_who_want_the_same_time_at_once_get_it_once(house) -> None:
    patients = [("Bo Lind", "2125550188"), ("Cy Marsh", "2125550189"), ("Di Novak", "2125550190")]
    reports = await asyncio.gather(
        *(house.call(short_booking(name, phone)) for name, phone in patients)
    )

    assert all(report.ok for report in reports)
    made = [each for report in reports for each in await in_the_database(house, report)]
    slots = {(each.provider, each.start) for each in made}
    assert len(slots) == len(made) >= 1
    for report in reports:
        answers = [note["content"] for note in await notes(house, report, "answered")]
        booked = len(await in_the_database(house, report))
        assert ('"result":"booked"' in answers[-1].replace(" ", "")) == bool(booked)


async def test_a_barge_in_cuts_the_agent_and_the_caller_is_heard(house) -> None:
    report = await house.call(short_booking("Eli Oake", "2125550191"))

    (cut,) = report.figures.barge_ins
    assert cut.cut_ms > 0
    assert [note["text"] for note in await notes(house, report, "heard")] == [ASKS]


async def test_a_caller_who_says_nothing_hears_the_greeting_untouched(house) -> None:
    scenario = Scenario(
        name="only-listens",
        summary="Hears the greeting and hangs up.",
        caller=[CallerStep(hangup=True, after_agent_ms=300)],
    )

    report = await house.call(scenario)

    profile = load_profiles(PACKAGED, known_tools=CATALOG).of_id("hillside")
    greeting = profile.phrases.greeting
    assert [each.text for each in heard(report.heard_track, [greeting])] == [greeting]
    assert report.ok


async def test_a_caller_who_hangs_up_in_mid_sentence_leaves_nothing_behind(house) -> None:
    scenario = Scenario(
        name="gone",
        summary="Speaks a moment, then the line is dead.",
        caller=[CallerStep(say=ASKS, at_ms=300, cut_ms=600), CallerStep(hangup=True, at_ms=1000)],
    )

    report = await house.call(scenario)

    assert report.outcome == "caller_hung_up"
    assert await notes(house, report, "session")
    assert await in_the_database(house, report) == []


async def test_without_an_agent_the_caller_hears_a_human_way_out_and_the_bridge_lives(
    house,
) -> None:
    scenario = Scenario(
        name="no-agent",
        summary="Deepgram refuses every session.",
        caller=[CallerStep(hangup=True, at_ms=60_000)],
        faults=Faults(refuse_status=503),
        line={"dial_s": 0.5, "timings": {"patience_s": 60.0}},
    )

    report = await house.call(scenario)

    assert report.outcome == "bridge_hung_up"
    assert report.heard_track.strip(b"\xff")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{house.run.web_url}/readyz")).status_code == 200


async def test_a_number_that_is_no_practices_is_refused_politely(house) -> None:
    scenario = Scenario(name="wrong-number", summary="Dials a number nobody has.", caller=[])

    report = await house.call(scenario, to_number="+15550999999")

    assert not [event for event in report.events if isinstance(event, StreamOpened)]
    assert report.outcome == "bridge_hung_up"


async def test_the_recording_has_the_caller_left_and_what_she_heard_right(
    house, tmp_path: Path
) -> None:
    report = await house.call(short_booking("Flo Pace", "2125550192"))

    with wave.open(str(write_wav(report, tmp_path / "call.wav"))) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        seconds = recording.getnframes() / 8000
    assert abs(seconds - report.duration_s) < 1.0


async def test_no_log_has_a_callers_words_number_or_a_secret(house) -> None:
    report = await house.call(short_booking("Gus Quigley", "2125550193"))

    everything = "".join(house.logs(name) for name in ("web", "worker", "admin"))
    assert report.call_sid in everything
    for secret in ("Quigley", "2125550193", "book a cleaning", house.environ["TWILIO_AUTH_TOKEN"],
                   house.environ["ADMIN_TOKENS"].split(":")[1]):  # fmt: skip
        assert secret not in everything
