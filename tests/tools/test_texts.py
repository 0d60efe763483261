"""Twilio's Messages over REST: what an answer, or none, says about a text."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bridge.simulator.doors import Answer
from tests.tools.twilio_messages import Clock, Twilio, serving
from tools.errors import Unavailable
from tools.texts import NotTaken, Refused, Sent, Unanswered

TEXT = {"from_number": "+15550100999", "to_number": "+15550100123", "body": "Hello – you’re on."}
PAIR = {"from_number": "+15550100999", "to_number": "+15550100123"}


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


async def test_a_text_is_sent_as_it_was_written(twilio: Twilio, client: httpx.AsyncClient) -> None:
    sent = await twilio.texts(client).send(**TEXT)

    (text,) = twilio.messages.accepted
    assert sent == Sent(message_sid=text.sid)
    assert (text.from_number, text.to_number, text.body) == tuple(TEXT.values())


async def test_an_api_key_opens_the_account_too(twilio: Twilio, client: httpx.AsyncClient) -> None:
    twilio.options.twilio_credentials = "SKkey:secret"

    sent = await twilio.texts(client, user="SKkey", password="secret").send(**TEXT)

    assert isinstance(sent, Sent)


@pytest.mark.parametrize(
    ("fault", "answer", "accepted"),
    [
        ("busy", NotTaken(reason="twilio 429", after_s=1.0), 0),
        ("refused", Refused(reason="twilio 21211"), 0),
        ("error", Unanswered(reason="twilio 500"), 0),
        ("error_after", Unanswered(reason="twilio 503"), 1),
        ("cut", Unanswered(reason="RemoteProtocolError"), 0),
        ("lost", Unanswered(reason="RemoteProtocolError"), 1),
        ("slow", Unanswered(reason="ReadTimeout"), 1),
    ],
)
async def test_what_cannot_be_told_apart_by_its_answer_is_not(
    twilio: Twilio, client: httpx.AsyncClient, fault: str, answer: object, accepted: int
) -> None:
    twilio.options.text_faults = [fault]  # type: ignore[list-item]

    assert await twilio.texts(client).send(**TEXT) == answer
    assert len(twilio.messages.accepted) == accepted


async def test_wrong_credentials_may_be_mended(twilio: Twilio, client: httpx.AsyncClient) -> None:
    sent = await twilio.texts(client, password="wrong").send(**TEXT)

    assert sent == NotTaken(reason="twilio 20003")


async def test_nobody_at_home_has_taken_nothing(client: httpx.AsyncClient) -> None:
    async with serving(Clock()) as gone:
        texts = gone.texts(client)

    assert await texts.send(**TEXT) == NotTaken(reason="ConnectError")


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"retry-after": "7"}, NotTaken(reason="twilio 429", after_s=7.0)),
        (429, {"retry-after": "86400"}, NotTaken(reason="twilio 429", after_s=900.0)),
        (
            429,
            {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"},
            NotTaken(reason="twilio 429", after_s=0.0),
        ),
        (429, {"retry-after": "soon"}, NotTaken(reason="twilio 429")),
        (400, {}, Refused(reason="twilio 400")),
        (408, {}, Unanswered(reason="twilio 408")),
        (201, {}, Unanswered(reason="unreadable answer")),
        (302, {"location": "http://elsewhere.example/"}, Unanswered(reason="twilio 302")),
    ],
)
async def test_an_answer_that_is_not_twilios_own(
    twilio: Twilio,
    client: httpx.AsyncClient,
    status: int,
    headers: dict[str, str],
    expected: object,
) -> None:
    twilio.instead = [Answer(status=status, headers=headers, body=b"<html>")]

    assert await twilio.texts(client).send(**TEXT) == expected


async def test_an_answer_without_end_is_left(twilio: Twilio, client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    twilio.instead = [Answer(status=201, headers={"transfer-encoding": "chunked"}, body=endless())]

    assert await twilio.texts(client).send(**TEXT) == Unanswered(reason="Unavailable")


async def test_what_was_sent_is_found_while_it_is_still_queued(
    twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    texts = twilio.texts(client)
    await texts.send(**TEXT)
    await texts.send(**TEXT | {"to_number": "+15550100145"})

    (found,) = await texts.sent(**PAIR)

    assert found.message_sid == twilio.messages.accepted[0].sid
    assert (found.body, found.created_utc) == (TEXT["body"], clock())


async def test_every_page_is_read(twilio: Twilio, client: httpx.AsyncClient) -> None:
    texts = twilio.texts(client, page_size=3)
    for _ in range(7):
        await texts.send(**TEXT)

    assert len({text.message_sid for text in await texts.sent(**PAIR)}) == 7
    assert twilio.asked("GET") == 3


async def test_more_than_can_be_read_is_not_taken_for_all(
    twilio: Twilio, client: httpx.AsyncClient
) -> None:
    texts = twilio.texts(client, page_size=1)
    for _ in range(6):
        await texts.send(**TEXT)

    with pytest.raises(Unavailable, match="too many"):
        await texts.sent(**PAIR)


PAGE = b'{"messages": [{"sid": "SM1", "body": null, "date_created": %s}], "next_page_uri": %s}'
GOOD_DATE = b'"Sun, 22 Nov 2026 15:00:00 +0000"'


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(status=200, body=b"{}"),
        Answer(status=200, body=b"\xff"),
        Answer(status=200, body=PAGE % (b"null", b"null")),
        Answer(status=200, body=PAGE % (GOOD_DATE, b'"https://elsewhere.example/"')),
        Answer(status=200, body=PAGE % (GOOD_DATE, b'"/\\n"')),
    ],
)
async def test_a_list_that_cannot_be_read_is_no_list(
    twilio: Twilio, client: httpx.AsyncClient, answer: Answer
) -> None:
    twilio.instead = [answer]

    with pytest.raises(Unavailable) as raised:
        await twilio.texts(client).sent(**PAIR)
    assert "+1555" not in raised.value.reason


async def test_a_redacted_body_and_a_date_without_zone_are_read(
    twilio: Twilio, client: httpx.AsyncClient, clock: Clock
) -> None:
    page = PAGE % (b'"Sun, 22 Nov 2026 15:00:00 -0000"', b"null")
    twilio.instead = [Answer(status=200, body=page)]

    (found,) = await twilio.texts(client).sent(**PAIR)

    assert (found.body, found.created_utc) == ("", clock())
