"""Whether an insurance is accepted, and booking for somebody who has one."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tools.desk import ANN, Desk
from tools.answers import Booked, SlotTaken
from tools.arguments import BookWithInsurance
from tools.errand import Errand
from tools.errors import BadArguments, Unavailable
from tools.insurance import Accepted, NotAccepted, NotListed
from tools.insured import InsuredBooked, book_with_insurance
from tools.office import Unclear

INSURED = BookWithInsurance(**ANN, insurance="Delta Dental")
ERRAND = Errand(practice="hillside", call_sid="CA1")


@pytest.fixture
def database_url(seeded_sqlite: Path, tmp_path: Path) -> str:
    """What the steps ask a database is tried on both elsewhere: one will do."""
    copy = tmp_path / "holdfast.db"
    shutil.copy(seeded_sqlite, copy)
    return f"sqlite:///{copy}"


async def check(desk: Desk, insurance: str) -> Any:
    return await desk.ask("check_insurance", insurance=insurance)


async def book(desk: Desk, **changes: Any) -> Any:
    return await desk.ask("book_with_insurance", **(ANN | {"insurance": "Delta"} | changes))


async def coming(desk: Desk) -> list[str]:
    found = await desk.ask("lookup_appointment", phone=ANN["phone"])
    return [each.patient_name for each in found.appointments]


@pytest.mark.parametrize("words", ["Delta Dental", "delta", "I have a Delta Dental PPO plan"])
async def test_an_insurance_is_known_by_what_callers_call_it(desk: Desk, words: str) -> None:
    assert await check(desk, words) == Accepted(
        say="Yes, we accept Delta Dental.", insurance="Delta Dental"
    )


async def test_what_a_caller_with_it_should_know_is_told_with_it(desk: Desk) -> None:
    accepted = await check(desk, "signa")

    assert accepted.say == (
        "Yes, we accept Cigna. Please bring your member card to the first visit."
    )


async def test_an_insurance_that_is_not_accepted_is_answered_with_those_that_are(
    desk: Desk,
) -> None:
    refused = await check(desk, "Aetna")

    assert isinstance(refused, NotAccepted)
    assert refused.say == (
        "I'm sorry, we don't accept Aetna. You can still come and pay us directly. "
        "We accept Delta Dental, MetLife, Cigna, and Guardian."
    )
    assert refused.accepted == ("Delta Dental", "MetLife", "Cigna", "Guardian")


async def test_an_insurance_nobody_entered_is_not_guessed(desk: Desk) -> None:
    unknown = await check(desk, "Umbrella Mutual")

    assert isinstance(unknown, NotListed)
    assert "Umbrella" not in unknown.say
    assert unknown.say.startswith("I don't find that insurance on our list. We accept Delta Dental")


async def test_two_insurances_in_one_breath_are_a_question(desk: Desk) -> None:
    unclear = await check(desk, "Delta or Cigna")

    assert isinstance(unclear, NotListed)
    assert unclear.say == "Do you mean Delta Dental or Cigna?"


async def test_a_trade_without_insurance_takes_none(desk: Desk) -> None:
    facts = msgspec.structs.replace(desk.office.facts, insurers=())
    without = Desk(msgspec.structs.replace(desk.office, facts=facts), desk.ledger)

    refused = await check(without, "Delta Dental")

    assert refused == NotAccepted(
        say="I'm sorry, we don't work with any insurance, so you would pay us yourself.",
        accepted=(),
    )
    assert (await without.ask("practice_info", topic="insurance")).say == (
        "We don't work with any insurance, so you would pay us yourself."
    )


async def test_it_is_booked_and_the_insurance_told_with_it(desk: Desk) -> None:
    made = await book(desk)

    assert isinstance(made, InsuredBooked)
    assert made.say == (
        "Ann Lee is booked for a cleaning on Tuesday, December first at nine thirty in the "
        "morning with Maya Torres. Yes, we accept Delta Dental."
    )
    assert (made.insurance, made.known_here) == ("accepted", False)
    assert await coming(desk) == ["Ann Lee"]


async def test_who_is_known_is_booked_by_the_name_they_are_known_by(desk: Desk) -> None:
    made = await book(desk, patient_name="maria LOPEZ", phone="5550100123")

    assert (made.patient_name, made.known_here) == ("Maria Lopez", True)


async def test_booked_with_and_without_insurance_is_one_booking(desk: Desk) -> None:
    with_it = await book(desk)
    without = await desk.ask("book_appointment", **ANN)

    assert isinstance(without, Booked)
    assert without.appointment_id == with_it.appointment_id
    assert (await book(desk)) == msgspec.structs.replace(with_it, known_here=True)


@pytest.mark.parametrize("insurance", ["Aetna", "Umbrella Mutual"])
async def test_an_insurance_that_is_not_accepted_books_nothing_and_says_so(
    desk: Desk, insurance: str
) -> None:
    refused = await book(desk, insurance=insurance)

    assert isinstance(refused, NotAccepted | NotListed)
    assert refused.say.endswith(
        "Nothing is booked yet, and I can book it all the same if you like."
    )
    assert await coming(desk) == []
    assert isinstance(await desk.ask("book_appointment", **ANN), Booked)


async def test_a_second_insurance_that_is_not_accepted_leaves_what_was_booked(desk: Desk) -> None:
    await book(desk)

    refused = await book(desk, insurance="Aetna")

    assert refused.say.endswith("What was booked before still stands.")
    assert await coming(desk) == ["Ann Lee"]


async def _unavailable(*_: Any) -> Any:
    raise Unavailable("I can't check that just now.")


async def _never_answers(*_: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("checked_by", [_unavailable, _never_answers])
async def test_an_insurance_that_cannot_be_checked_does_not_stop_the_booking(
    desk: Desk, checked_by: Any
) -> None:
    errand = msgspec.structs.replace(ERRAND, attempt_s=2.5)

    made = await book_with_insurance(INSURED, desk.office, errand, check=checked_by)

    assert isinstance(made, InsuredBooked)
    assert made.insurance == "unchecked"
    assert made.say.endswith(
        "I could not check your insurance just now, so please bring its details along."
    )


class _Forgetful:
    async def known_as(self, *_: Any) -> Any:
        raise Unavailable("Away.")


async def test_it_is_booked_though_nobody_can_tell_who_is_known(desk: Desk) -> None:
    office = msgspec.structs.replace(desk.office, patients=_Forgetful())

    made = await book_with_insurance(INSURED, office, ERRAND)

    assert isinstance(made, InsuredBooked)
    assert made.known_here is None


async def test_a_taken_time_and_an_unknown_service_are_answered_as_without_insurance(
    desk: Desk,
) -> None:
    for n in range(2):
        await desk.ask("book_appointment", **(ANN | {"patient_name": f"Early Bird {n}"}))

    assert isinstance(await book(desk), SlotTaken)
    assert isinstance(await book(desk, service="crown"), Unclear)


@pytest.mark.parametrize("changes", [{"phone": "0000"}, {"start": "2026-11-02T09:30"}])
async def test_what_cannot_be_booked_is_given_back_to_the_model(
    desk: Desk, changes: dict[str, str]
) -> None:
    with pytest.raises(BadArguments, match=next(iter(changes))):
        await book(desk, **changes)
