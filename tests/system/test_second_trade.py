"""A call to the other practice that ships: its own words, voices, services and clock."""

import asyncio

import httpx
import msgspec
import pytest

from admin.demo import appointments
from admin.heard import heard
from bridge.profile import PACKAGED, load_profiles
from bridge.simulator.scenario import Action, AgentRule, Ask, CallerStep, Scenario
from tools.catalog import OFFERED

pytestmark = pytest.mark.usefixtures("no_fault_of_ours")

ASKS = "Hello, my brakes are squeaky."
WANTED = {
    "service": "brakes",
    "start": "{slots.offers[0].start}",
    "patient_name": "Ivo Brandl",
    "phone": "3035550176",
}
A_REPAIR = Scenario(
    name="a-repair",
    summary="Hears greeting and notice out, asks once, and is booked.",
    caller=[
        CallerStep(say=ASKS, after_agent_ms=1500),
        CallerStep(hangup=True, after_agent_ms=1500),
    ],
    agent=[
        AgentRule(
            hears=["brakes"],
            do=[
                Action(ask=[Ask(tool="find_slots", arguments={"service": "brakes"},
                                save_as="slots")]),
                Action(ask=[Ask(tool="book_appointment", arguments=WANTED, save_as="booked")]),
                Action(say="Goodbye."),
            ],
        )
    ],
)  # fmt: skip


async def test_a_repair_is_booked_with_the_practice_that_was_dialled(house) -> None:
    practice = load_profiles(PACKAGED, known_tools=OFFERED).of_id("copperline")
    words = practice.phrases

    report = await house.call(A_REPAIR, to_number=practice.numbers[0])

    assert report.ok, (report.outcome, report.why, report.warnings)
    said = " ".join(each.text for each in heard(report.heard_track, [words.greeting, words.notice]))
    assert said.startswith(f"{words.greeting} {words.notice}")
    url = house.environ["DATABASE_URL"]
    here, elsewhere = [
        [made for made in await appointments(url, place) if made.call_sid == report.call_sid]
        for place in ("copperline", "hillside")
    ]
    assert [(made.service, made.patient_name) for made in here] == [("brake job", "Ivo Brandl")]
    assert here[0].start.tzinfo.key == practice.time_zone
    assert elsewhere == []


async def test_its_fillers_are_ready_in_each_of_its_voices(house) -> None:
    token = house.environ["ADMIN_TOKENS"].partition(":")[2]
    url = f"{house.run.admin_url}/admin/phrases?practice=copperline&kind=filler"
    voices: set[str] = set()
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as admin,
    ):
        while voices != {"aura-2-arcas-en", "aura-2-mars-en"}:
            answer = msgspec.json.decode((await admin.get(url)).content)
            voices = {phrase["voice"] for phrase in answer["phrases"]}
            await asyncio.sleep(0.05)
