"""Each text is sent once, whoever dies and whatever is lost on the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge.simulator.doors import Answer
from tests.tools.twilio_messages import ACCOUNT, TOKEN, Clock, Twilio, serving
from tools import tables
from tools.database import fetch, open_engine
from tools.errors import Unavailable
from tools.outbox import Text, put
from tools.practices import Practice, Practices
from tools.sending import BEGINS_WITHIN_S, CERTAIN_AFTER, MOST, WORTH_SENDING, Sender
from tools.texts import LOOK_WITHIN_S, SEND_WITHIN_S, Texts

FROM, TO = "+15550100999", "+15550100123"
ABOUT = "a" * 32
PAIR = {"from_number": FROM, "to_number": TO}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def twilio(clock: Clock) -> AsyncIterator[Twilio]:
    async with serving(clock) as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def sender(engine: AsyncEngine, twilio: Twilio, client: httpx.AsyncClient, clock: Clock) -> Sender:
    return another(engine, twilio.texts(client), clock)


def another(engine: AsyncEngine, texts: Texts | None, clock: Clock) -> Sender:
    return Sender(engine, texts, now=clock, clock=clock.seconds)


async def write(
    engine: AsyncEngine, clock: Clock, key: str = f"{ABOUT}:booked:1", body: str = "Booked."
) -> None:
    practice = await Practices(engine).practice("hillside")
    assert isinstance(practice, Practice)
    async with engine.begin() as connection:
        await put(
            connection,
            with_number(practice),
            Text(key=key, to=TO, body=body, call_sid="CA1"),
            now=clock(),
        )


def with_number(practice: Practice) -> Practice:
    values = {name: getattr(practice, name) for name in Practice.__struct_fields__}
    return Practice(**(values | {"texts_from": FROM}))


async def rows(engine: AsyncEngine) -> list[Row[Any]]:
    return list(await fetch(engine, select(tables.outbox).order_by(tables.outbox.c.key)))


async def row(engine: AsyncEngine) -> Row[Any]:
    (only,) = await rows(engine)
    return only


async def follow_ups(engine: AsyncEngine) -> list[Row[Any]]:
    return list(await fetch(engine, select(tables.messages)))


async def until_ended(engine: AsyncEngine, sender: Sender, clock: Clock) -> None:
    """Rounds, each when something is due."""
    for _ in range(200):
        due = [each.next_utc for each in await rows(engine) if each.next_utc]
        if not due:
            return
        if not await sender.round():
            clock.value = min(instant for instant in due if instant > clock())
    raise AssertionError("it goes on for ever")


async def test_a_text_is_sent_once_and_its_name_is_kept(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)

    assert [await sender.round(), await sender.round()] == [1, 0]

    (text,) = twilio.messages.accepted
    sent = await row(engine)
    assert (sent.state, sent.message_sid, sent.next_utc) == ("sent", text.sid, None)
    assert (text.from_number, text.to_number, text.body) == (FROM, TO, "Booked.")


async def test_two_senders_at_once_send_each_text_once(
    engine: AsyncEngine, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    for number in range(MOST):
        await write(engine, clock, key=f"{number:032}:booked:1", body=f"Text {number}.")
    senders = [another(engine, twilio.texts(client), clock) for _ in range(3)]

    await asyncio.gather(*(sender.round() for sender in senders))

    bodies = Counter(text.body for text in twilio.messages.accepted)
    assert bodies == {f"Text {number}.": 1 for number in range(MOST)}
    assert {each.state for each in await rows(engine)} == {"sent"}


async def test_who_was_asked_to_wait_waits(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    busy = {"retry-after": "40"}
    twilio.instead = [Answer(status=429, headers=busy), Answer(status=429, headers=busy)]

    await sender.round()

    waiting = await row(engine)
    assert (waiting.state, waiting.reason) == ("waiting", "twilio 429")
    assert waiting.next_utc == clock() + timedelta(seconds=40)
    clock.turn(seconds=39)
    assert await sender.round() == 0
    await until_ended(engine, sender, clock)
    assert (await row(engine)).state == "sent"
    assert twilio.asked("POST") == 3
    assert twilio.asked("GET") == 0  # what was certainly not taken needs no look


@pytest.mark.parametrize("fault", ["lost", "error_after", "slow"])
async def test_a_lost_answer_sends_no_second_text(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock, fault: Any
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = [fault]

    await sender.round()
    assert (await row(engine)).state == "sending"
    await until_ended(engine, sender, clock)

    (text,) = twilio.messages.accepted
    sent = await row(engine)
    assert (sent.state, sent.message_sid, sent.reason) == ("sent", text.sid, "")


@pytest.mark.parametrize("fault", ["cut", "error"])
async def test_what_was_not_accepted_is_sent_again_when_that_is_certain(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock, fault: Any
) -> None:
    await write(engine, clock)
    asked_at = clock()
    twilio.options.text_faults = [fault]

    await sender.round()
    clock.turn(seconds=6)
    await sender.round()
    assert (await row(engine)).state == "sending"  # not in the list yet says nothing yet
    await until_ended(engine, sender, clock)

    assert clock() - asked_at >= CERTAIN_AFTER
    assert len(twilio.messages.accepted) == 1
    assert (await row(engine)).state == "sent"


async def test_what_is_certain_is_so_after_any_request_has_ended() -> None:
    lasts_s = BEGINS_WITHIN_S + SEND_WITHIN_S

    assert CERTAIN_AFTER.total_seconds() > 2 * lasts_s
    assert CERTAIN_AFTER.total_seconds() > LOOK_WITHIN_S


async def killed(sender: Sender, twilio: Twilio, *, accepts: bool) -> None:
    """A sender whose process dies as Twilio answers, or as it is asked."""
    posted = asyncio.Event()
    twilio.before_answer = posted.set
    twilio.options.text_faults = ["slow" if accepts else "cut"]
    life = asyncio.create_task(sender.round())
    await posted.wait()
    if accepts:
        while not twilio.messages.accepted:
            await asyncio.sleep(0)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
    twilio.options.text_faults = []


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_sender_that_dies_while_sending_sends_no_second_text(
    engine: AsyncEngine,
    sender: Sender,
    twilio: Twilio,
    client: httpx.AsyncClient,
    clock: Clock,
    accepts: bool,
) -> None:
    await write(engine, clock)
    await killed(sender, twilio, accepts=accepts)
    assert (await row(engine)).state == "sending"
    heir = another(engine, twilio.texts(client), clock)

    assert await heir.round() == 0  # the dead one's time is not over
    await until_ended(engine, heir, clock)

    assert [text.body for text in twilio.messages.accepted] == ["Booked."]
    assert (await row(engine)).state == "sent"


async def test_a_sender_that_dies_while_looking_leaves_it_to_the_next(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["lost"]
    await sender.round()
    clock.turn(seconds=6)
    asked = asyncio.Event()
    twilio.before_answer = asked.set
    life = asyncio.create_task(sender.round())
    await asked.wait()
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life

    await until_ended(engine, another(engine, twilio.texts(client), clock), clock)

    assert len(twilio.messages.accepted) == 1
    assert (await row(engine)).state == "sent"


async def test_of_two_who_would_look_one_does(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["lost"]
    await sender.round()
    clock.turn(seconds=6)

    await asyncio.gather(sender.round(), another(engine, twilio.texts(client), clock).round())

    assert twilio.asked("GET") == 1
    assert (await row(engine)).state == "sent"


async def test_a_mistake_of_ours_with_one_text_holds_up_no_other_and_is_told(
    engine: AsyncEngine, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    class Mistaken(Texts):
        async def send(self, *, body: str, **numbers: str) -> Any:
            if body == "Wrong.":
                raise LookupError("our mistake")
            return await super().send(body=body, **numbers)

    await write(engine, clock, key=f"{'b' * 32}:booked:1", body="Wrong.")
    await write(engine, clock, body="Right.")
    texts = Mistaken(client, url=twilio.url, account_sid=ACCOUNT, user=ACCOUNT, password=TOKEN)

    with pytest.raises(LookupError):
        await another(engine, texts, clock).round()

    assert [each.state for each in await rows(engine)] == ["sent", "sending"]


async def test_a_sender_that_was_frozen_after_its_claim_sends_no_more(
    engine: AsyncEngine, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    await write(engine, clock)
    stamps = iter([0.0, BEGINS_WITHIN_S + 0.1])
    frozen = Sender(engine, twilio.texts(client), now=clock, clock=lambda: next(stamps))

    await frozen.round()

    assert twilio.asked("POST") == 0
    assert (await row(engine)).state == "sending"
    await until_ended(engine, another(engine, twilio.texts(client), clock), clock)
    assert len(twilio.messages.accepted) == 1


async def test_who_comes_back_after_another_looked_changes_nothing(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    """The first sender's answer comes when a second one has already found the text."""
    await write(engine, clock)
    twilio.options.text_faults = ["slow"]
    twilio.options.text_delay_s = 0.2
    first = asyncio.create_task(sender.round())
    while not twilio.messages.accepted:
        await asyncio.sleep(0.001)
    clock.turn(seconds=61)

    await another(engine, twilio.texts(client), clock).round()
    found = await row(engine)
    await first

    assert found.state == "sent"
    assert await row(engine) == found


@pytest.mark.parametrize("state", ["waiting", "sending"])
async def test_a_refused_text_fails_by_its_code_alone(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock, state: str
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["cut", "refused"] if state == "sending" else ["refused"]

    await until_ended(engine, sender, clock)

    failed = await row(engine)
    assert (failed.state, failed.reason, failed.message_sid) == ("failed", "twilio 21211", "")
    assert twilio.messages.accepted == []


async def test_a_text_that_comes_too_late_goes_to_a_person(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    clock.turn(seconds=WORTH_SENDING.total_seconds() + 1)

    await until_ended(engine, sender, clock)

    assert twilio.requests == []
    assert ((await row(engine)).state, (await row(engine)).reason) == ("failed", "too late")
    (message,) = await follow_ups(engine)
    assert (message.kind, message.practice_id, message.phone) == ("follow_up", "hillside", TO)
    assert "Booked." in message.text
    assert not message.urgent


async def test_what_cannot_be_found_out_is_not_sent_again(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["lost"]
    await sender.round()
    twilio.options.twilio_credentials = "SKnew:secret"  # nobody may look any more

    await until_ended(engine, sender, clock)

    assert ((await row(engine)).state, (await row(engine)).reason) == ("failed", "unknown")
    assert len(await follow_ups(engine)) == 1
    assert twilio.asked("POST") == 1


async def test_without_an_account_texts_wait_and_are_given_up(
    engine: AsyncEngine, clock: Clock
) -> None:
    await write(engine, clock)

    await until_ended(engine, another(engine, None, clock), clock)

    assert ((await row(engine)).state, (await row(engine)).reason) == ("failed", "too late")
    assert len(await follow_ups(engine)) == 1


async def test_without_an_account_any_more_nothing_can_be_found_out(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["lost"]
    await sender.round()

    await until_ended(engine, another(engine, None, clock), clock)

    assert ((await row(engine)).state, (await row(engine)).reason) == ("failed", "unknown")


async def test_a_later_text_waits_for_the_one_under_way(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["lost"]
    await sender.round()
    clock.turn(seconds=1)
    await write(engine, clock, key=f"{ABOUT}:cancelled:1", body="Cancelled.")

    assert await sender.round() == 0
    await until_ended(engine, sender, clock)

    assert [text.body for text in twilio.messages.accepted] == ["Booked.", "Cancelled."]
    assert [each.state for each in await rows(engine)] == ["sent", "sent"]


async def test_what_never_went_out_and_is_no_longer_so_does_not_go_out(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["cut"]
    await sender.round()
    clock.turn(seconds=1)
    await write(engine, clock, key=f"{ABOUT}:cancelled:1", body="Cancelled.")

    await until_ended(engine, sender, clock)

    assert [text.body for text in twilio.messages.accepted] == ["Cancelled."]
    booked, cancelled = await rows(engine)
    assert (booked.state, booked.reason) == ("failed", "superseded")
    assert cancelled.state == "sent"


async def test_the_same_words_sent_before_are_not_taken_for_these(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock
) -> None:
    """Booked, cancelled, booked again: the first text is not what became of the third."""
    for key in ("booked:1:e1", "cancelled:1:e2"):
        await write(engine, clock, key=f"{ABOUT}:{key}", body=key[:4])
        await sender.round()
        clock.turn(seconds=20)
    await write(engine, clock, key=f"{ABOUT}:booked:1:e3", body="book")
    twilio.options.text_faults = ["cut"]

    await until_ended(engine, sender, clock)

    assert [text.body for text in twilio.messages.accepted] == ["book", "canc", "book"]


async def test_words_from_long_ago_are_not_taken_for_these(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    await twilio.texts(client).send(**PAIR, body="Booked.")  # by a database that is no more
    clock.turn(minutes=6)
    await write(engine, clock)
    twilio.options.text_faults = ["cut"]

    await until_ended(engine, sender, clock)

    assert len(twilio.messages.accepted) == 2


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        ("Sent from your Twilio trial account - Booked.", "sent"),
        ("", "sent"),
        ("Something else.", "sending"),
    ],
)
async def test_a_text_is_known_by_its_words(
    engine: AsyncEngine, sender: Sender, twilio: Twilio, clock: Clock, listed: str, state: str
) -> None:
    await write(engine, clock)
    twilio.options.text_faults = ["cut"]
    await sender.round()
    clock.turn(seconds=6)
    page = (
        b'{"messages": [{"sid": "SM9", "body": "%s",'
        b' "date_created": "Sun, 22 Nov 2026 15:00:00 +0000"}]}' % listed.encode()
    )
    twilio.instead = [Answer(status=200, body=page)]

    await sender.round()

    assert (await row(engine)).state == state


async def test_a_database_that_is_away_is_told(clock: Clock) -> None:
    engine = open_engine("sqlite:////nowhere/at/all.db")

    with pytest.raises(Unavailable):
        await another(engine, None, clock).round()
    await engine.dispose()
