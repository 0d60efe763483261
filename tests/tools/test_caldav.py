"""CalDAV against a real server, and against one that nobody would call honest."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.cutting_proxy import BREAK_OFF, LOSE, CuttingProxy, answer
from tests.tools.radicale_server import PASSWORD, Radicale, an_object, config_of
from tools.calendars.caldav import CalDav, CalDavConfig
from tools.calendars.dav import objects_in
from tools.calendars.opening import open_remote, read_config
from tools.calendars.remote import Gone, RemoteBooking, RemoteMade
from tools.calendars.schedules import CONNECTIONS
from tools.errors import Unavailable, Unsure
from tools.openings import Span
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Taken

ZONE = ZoneInfo("America/New_York")
PRACTICE = Practice(
    id="hillside", name="Hillside", zone=ZONE, lead=timedelta(hours=1), horizon_days=90
)
CLEANING = Service(
    id="hillside:cleaning", name="cleaning", also_called=(), lasts=timedelta(minutes=30)
)
TORRES = Provider(id="hillside:torres", name="Maya Torres")
OKAFOR = Provider(id="hillside:okafor", name="Doctor Okafor")
HALF_PAST_NINE = datetime(2026, 12, 1, 14, 30, tzinfo=UTC)
PHONE = "+15550100122"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(limits=CONNECTIONS, timeout=5.0) as client:
        yield client


@pytest.fixture
def calendar(radicale: Radicale) -> str:
    return radicale.new_calendar()


@pytest.fixture
def caldav(radicale: Radicale, client: httpx.AsyncClient, calendar: str) -> CalDav:
    return radicale.caldav(client, PRACTICE, torres=calendar)


@pytest.fixture
async def proxy(radicale: Radicale) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(radicale.port).listening() as proxy:
        yield proxy


@pytest.fixture
def cut(
    radicale: Radicale, client: httpx.AsyncClient, calendar: str, proxy: CuttingProxy
) -> CalDav:
    """The same calendar, behind the proxy."""
    return radicale.caldav(client, PRACTICE, url=proxy.url, torres=calendar)


def a_booking(key: str = "a", *, after_minutes: int = 0, lasts: int = 30) -> RemoteBooking:
    start = HALF_PAST_NINE + timedelta(minutes=after_minutes)
    return RemoteBooking(
        key=key * 32,
        patient_name="Ann Lee",
        phone=PHONE,
        service=CLEANING,
        provider=TORRES,
        start=start,
        end=start + timedelta(minutes=lasts),
        zone=ZONE,
    )


async def made(caldav: CalDav, booking: RemoteBooking) -> RemoteMade:
    became = await caldav.create(booking)
    assert isinstance(became, RemoteMade)
    return became


async def busy(caldav: CalDav, day: datetime, days: int = 1) -> list[Span]:
    midnight = day.astimezone(ZONE).replace(hour=0, minute=0)
    times = await caldav.times(
        CLEANING, [TORRES], start=midnight, end=midnight + timedelta(days=days)
    )
    return sorted(times[TORRES.id].busy)


async def found(caldav: CalDav, phone: str = PHONE, known: tuple[str, ...] = ()) -> list[str]:
    there = await caldav.find(phone, known=known, since=HALF_PAST_NINE - timedelta(days=1))
    return [each.key[:1] for each in there]


# -- booking ---------------------------------------------------------------------------------------


async def test_a_booking_stands_there_and_is_found_by_its_number(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    one = await made(caldav, a_booking())

    assert one == RemoteMade(
        external_ref="torres/holdfast-20261201T143000Z.ics",
        start=HALF_PAST_NINE,
        end=HALF_PAST_NINE + timedelta(minutes=30),
        key="a" * 32,
        provider_id=TORRES.id,
        service_id=CLEANING.id,
        patient_name="Ann Lee",
    )
    assert await caldav.read(one.external_ref) == one
    assert await caldav.find(PHONE, known=(), since=HALF_PAST_NINE) == [one]
    text = radicale.ask("GET", f"{calendar}/holdfast-20261201T143000Z.ics").text
    assert "SUMMARY:cleaning: Ann Lee" in text
    assert caldav.grade is Grade.KEY


async def test_a_number_that_only_begins_like_it_finds_nothing(caldav: CalDav) -> None:
    await made(caldav, a_booking())

    assert await found(caldav, PHONE[:-1]) == []


async def test_a_name_cannot_add_lines_to_the_object(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    name = "Ann; Lee,\r\nTRANSP:TRANSPARENT\r\nÄnne\x00"
    one = await made(caldav, msgspec.structs.replace(a_booking(), patient_name=name))

    assert one.patient_name == "Ann; Lee, TRANSP:TRANSPARENT Änne"
    assert len(await busy(caldav, HALF_PAST_NINE)) == 1


async def test_the_same_booking_twice_stands_there_once(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    first = await made(caldav, a_booking())

    assert await caldav.create(a_booking()) == first
    assert len(radicale.names(calendar)) == 1


async def test_of_twenty_who_want_one_start_one_gets_it(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    became = await asyncio.gather(
        *(caldav.create(a_booking(key)) for key in "0123456789abcdefghij")
    )

    [one] = [each for each in became if isinstance(each, RemoteMade)]
    assert became.count(Taken()) == 19
    assert radicale.names(calendar) == [one.external_ref.partition("/")[2]]


async def test_a_time_that_overlaps_another_is_taken_and_nothing_is_left_of_it(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    await made(caldav, a_booking("m", lasts=60))

    before = await caldav.create(a_booking("a", after_minutes=30))
    after = await caldav.create(a_booking("z", after_minutes=45))

    assert (before, after) == (Taken(), Taken())
    assert len(radicale.names(calendar)) == 1
    assert isinstance(await caldav.create(a_booking("n", after_minutes=60)), RemoteMade)


async def test_of_two_overlapping_ones_at_the_same_instant_one_stays(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    became = await asyncio.gather(
        caldav.create(a_booking("b")), caldav.create(a_booking("a", after_minutes=15))
    )

    assert sum(isinstance(each, RemoteMade) for each in became) == 1
    assert len(radicale.names(calendar)) == 1


async def test_what_the_practice_entered_itself_is_never_displaced(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    radicale.put_event(calendar, "lunch", "DTSTART:20261201T144500Z", "DTEND:20261201T151500Z")

    assert await caldav.create(a_booking()) == Taken()
    assert radicale.names(calendar) == ["lunch.ics"]


async def test_an_appointment_that_was_dragged_elsewhere_frees_its_start(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    dragged = await made(caldav, a_booking())
    name = dragged.external_ref.partition("/")[2]
    text = radicale.ask("GET", f"{calendar}/{name}").text
    text = text.replace("20261201T143000Z", "20261201T190000Z")
    text = text.replace("20261201T150000Z", "20261201T193000Z")
    assert radicale.ask("PUT", f"{calendar}/{name}", text.replace("\r", "")).is_success

    second = await made(caldav, a_booking("b"))

    assert second.start == HALF_PAST_NINE
    assert second.external_ref == "torres/holdfast-20261201T143000Z-2.ics"
    assert await caldav.create(a_booking("c")) == Taken()
    seen = await caldav.read(dragged.external_ref)
    assert seen is not None
    assert seen.start == datetime(2026, 12, 1, 19, 0, tzinfo=UTC)


async def test_nothing_is_booked_with_somebody_who_has_no_calendar_there(caldav: CalDav) -> None:
    booking = msgspec.structs.replace(a_booking(), provider=OKAFOR)

    assert await caldav.create(booking) == Taken()
    times = await caldav.times(
        CLEANING, [OKAFOR], start=HALF_PAST_NINE, end=HALF_PAST_NINE + timedelta(days=1)
    )
    assert times == {}


# -- what others enter -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DTSTART:20261201T150000Z", "DTEND:20261201T160000Z"], ("15:00", "16:00")),
        (["DTSTART:20261201T150000Z", "DURATION:PT45M"], ("15:00", "15:45")),
        (["DTSTART:20261201T100000", "DTEND:20261201T110000"], ("15:00", "16:00")),
        (
            [
                "DTSTART;TZID=America/Los_Angeles:20261201T100000",
                "DTEND;TZID=America/Los_Angeles:20261201T103000",
            ],
            ("18:00", "18:30"),
        ),
        (["DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202"], ("05:00", "05:00")),
        (["DTSTART;VALUE=DATE:20261201"], ("05:00", "05:00")),
        (
            ["DTSTART:20261201T150000Z", "DTEND:20261201T160000Z", "STATUS:TENTATIVE"],
            ("15:00", "16:00"),
        ),
    ],
)
async def test_whoever_entered_it_and_however_its_time_is_busy(
    caldav: CalDav, radicale: Radicale, calendar: str, lines: list[str], expected: tuple[str, str]
) -> None:
    radicale.put_event(calendar, "theirs", *lines)

    [span] = await busy(caldav, HALF_PAST_NINE)

    assert (f"{span.start:%H:%M}", f"{span.end:%H:%M}") == expected
    assert timedelta(0) < span.end - span.start <= timedelta(days=1)


@pytest.mark.parametrize("line", ["TRANSP:TRANSPARENT", "STATUS:CANCELLED"])
async def test_what_takes_no_time_is_not_busy(
    caldav: CalDav, radicale: Radicale, calendar: str, line: str
) -> None:
    at_nine = ("DTSTART:20261201T140000Z", "DTEND:20261201T160000Z", line)
    radicale.put_event(calendar, "theirs", *at_nine)

    assert await busy(caldav, HALF_PAST_NINE) == []
    assert isinstance(await caldav.create(a_booking()), RemoteMade)


async def test_what_repeats_is_busy_on_every_day_of_it(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    radicale.put_event(
        calendar,
        "standup",
        "DTSTART;TZID=America/New_York:20261005T100000",
        "DTEND;TZID=America/New_York:20261005T101500",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        "EXDATE;TZID=America/New_York:20261202T100000",
    )

    days = {
        span.start.day: f"{span.start:%H:%M}"
        for span in await busy(caldav, HALF_PAST_NINE, days=4)
        if span.start.month == 12
    }

    assert days == {1: "15:00", 3: "15:00", 4: "15:00"}


# -- moving and cancelling -------------------------------------------------------------------------


async def test_a_moved_appointment_stands_at_its_new_time_with_the_practices_notes(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    old = await made(caldav, a_booking())
    name = old.external_ref.partition("/")[2]
    text = radicale.ask("GET", f"{calendar}/{name}").text.replace("\r", "")
    radicale.ask("PUT", f"{calendar}/{name}", text.replace("STATUS", "COMMENT:Latex\nSTATUS"))

    moved = await caldav.move(old.external_ref, a_booking("b", after_minutes=90))

    assert isinstance(moved, RemoteMade)
    assert moved.start == HALF_PAST_NINE + timedelta(minutes=90)
    assert radicale.names(calendar) == [moved.external_ref.partition("/")[2]]
    assert "COMMENT:Latex" in radicale.ask("GET", f"{calendar}/{radicale.names(calendar)[0]}").text
    assert await found(caldav) == ["b"]
    assert isinstance(await caldav.create(a_booking("c")), RemoteMade)


async def test_an_appointment_may_move_into_its_own_old_time(caldav: CalDav) -> None:
    old = await made(caldav, a_booking())

    moved = await caldav.move(old.external_ref, a_booking("b", after_minutes=15))

    assert isinstance(moved, RemoteMade)
    assert await found(caldav) == ["b"]


async def test_a_move_to_a_taken_time_leaves_everything_as_it_was(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    old = await made(caldav, a_booking())
    await made(caldav, a_booking("x", after_minutes=60))
    before = radicale.names(calendar)

    same = await caldav.move(old.external_ref, a_booking("b", after_minutes=60))
    overlapping = await caldav.move(old.external_ref, a_booking("c", after_minutes=75))

    assert (same, overlapping) == (Taken(), Taken())
    assert radicale.names(calendar) == before


async def test_what_is_not_there_cannot_be_moved_and_is_cancelled(caldav: CalDav) -> None:
    gone = await made(caldav, a_booking())
    await caldav.cancel(gone.external_ref)

    assert await caldav.move(gone.external_ref, a_booking("b", after_minutes=60)) == Gone()
    assert await caldav.read(gone.external_ref) is None
    await caldav.cancel(gone.external_ref)
    assert isinstance(await caldav.create(a_booking("c")), RemoteMade)


async def test_a_series_that_somebody_made_of_an_appointment_is_left_to_people(
    caldav: CalDav, radicale: Radicale, calendar: str
) -> None:
    one = await made(caldav, a_booking())
    name = one.external_ref.partition("/")[2]
    text = radicale.ask("GET", f"{calendar}/{name}").text.replace("\r", "")
    radicale.ask("PUT", f"{calendar}/{name}", text.replace("STATUS", "RRULE:FREQ=WEEKLY\nSTATUS"))

    with pytest.raises(Unavailable, match="happens once"):
        await caldav.cancel(one.external_ref)
    with pytest.raises(Unavailable, match="happens once"):
        await caldav.move(one.external_ref, a_booking("b", after_minutes=60))
    assert radicale.names(calendar) == [name]


async def test_what_was_changed_meanwhile_is_cancelled_all_the_same(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str
) -> None:
    one = await made(cut, a_booking())
    proxy.faults["DELETE"] = [answer("412 Precondition Failed")]

    await cut.cancel(one.external_ref)

    assert radicale.names(calendar) == []
    assert proxy.asked.count("DELETE") == 2


# -- lost answers ----------------------------------------------------------------------------------


async def test_a_booking_whose_answer_was_lost_is_found_and_not_made_twice(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str
) -> None:
    proxy.faults["PUT"] = [LOSE]

    with pytest.raises(Unsure):
        await cut.create(a_booking())
    looked_up = await cut.look_up(a_booking())

    assert looked_up is not None
    assert await cut.create(a_booking()) == looked_up
    assert len(radicale.names(calendar)) == 1


async def test_a_booking_that_never_arrived_is_not_found(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str
) -> None:
    proxy.faults["PUT"] = [BREAK_OFF]

    with pytest.raises(Unsure):
        await cut.create(a_booking())

    assert await cut.look_up(a_booking()) is None
    assert radicale.names(calendar) == []


async def test_a_booking_that_was_not_checked_gives_way_when_it_is_looked_up(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str
) -> None:
    radicale.put_event(calendar, "lunch", "DTSTART:20261201T144500Z", "DTEND:20261201T151500Z")
    proxy.faults["PUT"] = [LOSE]

    with pytest.raises(Unsure):
        await cut.create(a_booking())

    assert await cut.look_up(a_booking()) is None
    assert radicale.names(calendar) == ["lunch.ics"]


async def test_what_could_not_be_checked_after_it_was_written_is_unsure(
    cut: CalDav, proxy: CuttingProxy
) -> None:
    proxy.faults["REPORT"] = [answer("502 Bad Gateway")]

    with pytest.raises(Unsure, match="not checked"):
        await cut.create(a_booking())

    assert await cut.look_up(a_booking()) is not None


@pytest.mark.parametrize("method", ["PUT", "REPORT", "DELETE"])
async def test_a_move_that_was_cut_off_anywhere_is_finished_once(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str, method: str
) -> None:
    old = await made(cut, a_booking())
    proxy.faults[method] = [LOSE]
    to = a_booking("b", after_minutes=60)

    with pytest.raises(Unsure):
        await cut.move(old.external_ref, to)
    looked_up = await cut.look_up(to, external_ref=old.external_ref)

    assert looked_up is not None
    assert await cut.move(old.external_ref, to) == looked_up
    assert radicale.names(calendar) == [looked_up.external_ref.partition("/")[2]]


async def test_a_cancellation_whose_answer_was_lost_may_be_repeated(
    cut: CalDav, proxy: CuttingProxy, radicale: Radicale, calendar: str
) -> None:
    one = await made(cut, a_booking())
    proxy.faults["DELETE"] = [LOSE]

    with pytest.raises(Unsure):
        await cut.cancel(one.external_ref)
    await cut.cancel(one.external_ref)

    assert radicale.names(calendar) == []


# -- a server that comes and goes, or lies ---------------------------------------------------------


async def test_what_was_booked_is_there_after_a_restart(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    server = Radicale(tmp_path)
    server.start()
    caldav = server.caldav(client, PRACTICE, torres=server.new_calendar())
    one = await made(caldav, a_booking())
    server.stop()

    with pytest.raises(Unavailable, match="ConnectError"):
        await caldav.create(a_booking("b", after_minutes=60))
    with pytest.raises(Unavailable, match="ConnectError"):
        await caldav.times(CLEANING, [TORRES], start=HALF_PAST_NINE, end=HALF_PAST_NINE)
    server.start()

    assert await caldav.create(a_booking()) == one
    assert await found(caldav) == ["a"]
    server.stop()


async def test_health_says_what_is_wrong(
    radicale: Radicale, caldav: CalDav, client: httpx.AsyncClient, calendar: str
) -> None:
    await caldav.health()
    nowhere = radicale.caldav(client, PRACTICE, torres=calendar, okafor="nobodys")
    with pytest.raises(Unavailable, match="no calendar for hillside:okafor"):
        await nowhere.health()
    config = config_of(radicale, torres=calendar)
    practice = msgspec.structs.replace(PRACTICE, calendar=msgspec.json.encode(config).decode())
    locked_out = open_remote(practice, {"HILLSIDE_CALDAV": "wrong"}, client)
    with pytest.raises(Unavailable, match="caldav: status 401"):
        await locked_out.health()
    with pytest.raises(Unavailable, match="caldav: status 401"):
        await locked_out.create(a_booking())
    await open_remote(practice, {"HILLSIDE_CALDAV": PASSWORD}, client).health()


@pytest.mark.parametrize(
    "lie",
    [
        answer("301 Moved", b"", "Location: https://elsewhere.example/"),
        answer("403 Forbidden"),
        answer("429 Too Many Requests"),
        answer("503 Service Unavailable"),
        answer("207 Multi-Status", b"not xml"),
        answer("207 Multi-Status", b"\xff\xfe\x00"),
        answer("207 Multi-Status", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'),
        answer("207 Multi-Status", b"x" * (2 * 1024 * 1024 + 1)),
        b"HTTP/1.1 207 Multi-Status\r\nContent-Length: 1000\r\n\r\n<x>",
        b"SSH-2.0-nothing\r\n",
    ],
    ids=lambda lie: repr(lie[:60]),
)
async def test_an_answer_that_is_none_is_unavailable(
    cut: CalDav, proxy: CuttingProxy, lie: bytes
) -> None:
    proxy.faults["REPORT"] = [lie]

    with pytest.raises(Unavailable):
        await busy(cut, HALF_PAST_NINE)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("301 Moved", Unavailable),
        ("400 Bad Request", Unavailable),
        ("403 Forbidden", Unavailable),
        ("404 Not Found", Unavailable),
        ("409 Conflict", Unavailable),
        ("429 Too Many Requests", Unavailable),
        ("500 Internal Server Error", Unsure),
        ("502 Bad Gateway", Unsure),
        ("504 Gateway Timeout", Unsure),
        ("507 Insufficient Storage", Unsure),
    ],
)
async def test_a_refused_booking_was_not_made_and_a_broken_one_may_have_been(
    cut: CalDav, proxy: CuttingProxy, said: str, error: type[Exception]
) -> None:
    proxy.faults["PUT"] = [answer(said)]

    with pytest.raises(error, match=f"caldav: status {said[:3]}"):
        await cut.create(a_booking())


def a_report(*events: str) -> bytes:
    objects = "".join(
        "<d:response><d:href>/x/theirs.ics</d:href><d:propstat><d:prop><c:calendar-data>"
        f"{event}</c:calendar-data></d:prop></d:propstat></d:response>"
        for event in events
    )
    xml = f'<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">{objects}'
    return answer("207 Multi-Status", f"{xml}</d:multistatus>".encode())


async def test_what_cannot_be_read_is_added_up_by_the_server(
    cut: CalDav, proxy: CuttingProxy
) -> None:
    summed = b"BEGIN:VCALENDAR\r\nBEGIN:VFREEBUSY\r\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:"
    summed += b"20261201T150000Z/PT1H,20261201T180000Z/20261201T190000Z\r\n"
    summed += b"FREEBUSY;FBTYPE=FREE:20261201T200000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n"
    proxy.faults["REPORT"] = [a_report("gibberish"), answer("200 OK", summed)]

    spans = await busy(cut, HALF_PAST_NINE)

    assert [f"{span.start:%H:%M}-{span.end:%H:%M}" for span in spans] == [
        "15:00-16:00",
        "18:00-19:00",
    ]


@pytest.mark.parametrize(
    "second", [answer("403 Forbidden"), answer("404 Not Found"), answer("200 OK", b"gibberish")]
)
async def test_time_that_nobody_can_tell_is_not_offered(
    cut: CalDav, proxy: CuttingProxy, second: bytes
) -> None:
    proxy.faults["REPORT"] = [a_report("BEGIN:VCALENDAR\r\nEND:VEVENT"), second]

    with pytest.raises(Unavailable):
        await busy(cut, HALF_PAST_NINE)


async def test_a_calendar_that_is_full_without_end_is_unavailable(
    cut: CalDav, proxy: CuttingProxy
) -> None:
    daily = "DTSTART:20200101T100000Z\nDURATION:PT1M\nRRULE:FREQ=DAILY"
    proxy.faults["REPORT"] = [a_report(*[an_object(f"UID:{n}", daily) for n in range(120)])]

    with pytest.raises(Unavailable, match="more events"):
        await busy(cut, HALF_PAST_NINE, days=90)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_whatever_is_sent_is_a_report_or_none(body: bytes) -> None:
    for whole in (body, b'<x xmlns:d="DAV:"><d:response>' + body + b"</d:response></x>"):
        try:
            found = objects_in(whole)
        except Unavailable:
            continue
        assert found == []


async def test_a_server_that_cannot_search_by_number_is_asked_for_what_we_know(
    cut: CalDav, proxy: CuttingProxy
) -> None:
    one = await made(cut, a_booking())
    proxy.faults["REPORT"] = [answer("403 Forbidden")] * 2

    assert await found(cut) == []
    assert await found(cut, known=(one.external_ref, "torres/none.ics", "who/x.ics")) == ["a"]


async def test_an_object_that_cannot_be_read_stops_what_is_about_it(
    cut: CalDav, proxy: CuttingProxy
) -> None:
    one = await made(cut, a_booking())

    for body in (b"gibberish", b"x" * (256 * 1024 + 1)):
        proxy.faults["GET"] = [answer("200 OK", body)]
        with pytest.raises(Unavailable):
            await cut.cancel(one.external_ref)


# -- set-up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "http://cal.example/"}, "loopback"),
        ({"url": "ftp://cal.example/"}, "https"),
        ({"url": "https://cal.example/dav"}, "slash"),
        ({"calendars": {"torres": "https://evil.example/x/"}}, "same server"),
        ({"calendars": {"torres": "//evil.example/x/"}}, "same server"),
        ({"calendars": {"torres": "one/", "okafor": "one"}}, "of their own"),
        ({"calendars": {}}, "calendars"),
        ({"username": ""}, "go together"),
        ({"password": "swordfish"}, "password"),
        ({"kind": "smoke signals"}, "kind"),
    ],
)
def test_a_set_up_that_cannot_be_meant_is_refused(
    radicale: Radicale, change: dict[str, object], says: str
) -> None:
    config = config_of(radicale, torres="t") | change

    with pytest.raises(ValueError, match=says):
        read_config(msgspec.json.encode(config).decode())


def test_a_secret_that_is_not_there_is_named_and_not_shown(radicale: Radicale) -> None:
    config = msgspec.json.encode(config_of(radicale, torres="t")).decode()
    practice = msgspec.structs.replace(PRACTICE, calendar=config)

    with pytest.raises(ValueError, match="HILLSIDE_CALDAV is not set"):
        open_remote(practice, {"OTHER": "x"}, httpx.AsyncClient())


def test_a_calendar_may_be_asked_without_a_password_and_by_its_whole_address() -> None:
    config = CalDavConfig(
        url="https://cal.example/", calendars={"torres": "https://cal.example/dav/t"}
    )

    assert (config.username, config.password_env) == ("", "")
