"""A practice with its ledger and texts, whoever settles and sends there, and a clock to turn."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from redis.exceptions import ConnectionError
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.tools.bookings import TUESDAY, at, the, wanting
from tests.tools.twilio_messages import Clock, Twilio, serving
from tools import tables
from tools.arguments import ToldOf
from tools.calendar import Calendar
from tools.calendars.became import Became
from tools.contract import Done, ToolOutcome
from tools.database import fetch, open_engine
from tools.ledger import Entry, Ledger
from tools.practices import Practice, Practices
from tools.schedule import Appointment, Grade, Made, Schedule
from tools.sending import Sender
from tools.settle import Settler
from tools.telling import Telling

PHONE = "+15550100122"
BOOKED = "Hillside Dental: Ann, your appointment is booked for Tuesday, December 1 at 9:00 AM."
NOT_DONE = "Hillside Dental: we could not do what you asked for on the phone"
ARGUMENTS = {
    "service": "cleaning",
    "start": "2026-12-01T09:00",
    "patient_name": "Ann Lee",
    "phone": "555 010 0122",
}


class Bridges:
    """Whoever listens to calls, and what they hear."""

    def __init__(self, ledger: Ledger) -> None:
        self.calls: set[str] = set()
        """Those that are up."""
        self.say_it = False
        self.redis_is_away = False
        self.heard: list[tuple[str, ToolOutcome]] = []
        self._ledger = ledger

    async def announce(self, call_sid: str, outcome: ToolOutcome) -> int:
        if self.redis_is_away:
            raise ConnectionError("gone")
        self.heard.append((call_sid, outcome))
        if call_sid not in self.calls:
            return 0
        if self.say_it:
            as_: Any = "done" if isinstance(outcome, Done) else "refused"
            told = ToldOf(function_call_id=outcome.function_call_id, as_=as_)
            await self._ledger.told(call_sid, [told])
        return 1


class Elsewhere:
    """A calendar elsewhere that is asked what became of effects, and says what it is told to."""

    grade = Grade.LOOKUP

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.became: Callable[[Practice, Entry], Any] = lambda *_: Became(state="open")
        self.asked = 0

    async def what_became_of(self, practice: Practice, entry: Entry) -> Became:
        self.asked += 1
        became: Became = await self.became(practice, entry)
        return became

    async def appointment(self, practice: Practice, appointment_id: str) -> Appointment | None:
        return await self.calendar.appointment(practice, appointment_id)


class House:
    """A practice, its ledger, and everybody who settles and sends."""

    def __init__(self, engine: AsyncEngine, twilio: Twilio, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.clock = twilio.clock
        self.twilio = twilio
        self.ledger = Ledger(engine, now=self.clock)
        self.calendar = Calendar(engine, now=self.clock)
        self.elsewhere = Elsewhere(self.calendar)
        self.bridges = Bridges(self.ledger)
        self.schedule: Any = self.calendar
        self.sender = Sender(engine, twilio.texts(client), now=self.clock, clock=self.clock.seconds)

    def of(self, practice: Practice) -> Schedule:
        schedule: Schedule = self.schedule
        return schedule

    @property
    def settler(self) -> Settler:
        telling = Telling(self.engine, self.bridges)
        return Settler(self.ledger, Practices(self.engine), self, telling, now=self.clock)

    async def intend(self, call: str = "CA1:f1", key: str = "book:a", **more: Any) -> Entry:
        values: dict[str, Any] = {
            "practice": "hillside",
            "call_sid": call.partition(":")[0],
            "tool": "book_appointment",
            "arguments": json.dumps(ARGUMENTS),
            "phone": PHONE,
            "give_up_s": 10.0,
        }
        return await self.ledger.intend(job_id=call, key=key, **(values | more))

    async def book(self, entry: Entry) -> Appointment:
        practice, _ = await the(self.calendar, "cleaning")
        wanted = await wanting(
            self.calendar, "Ann Lee", at(TUESDAY, "09:00"), entry_id=entry.id, key=entry.key
        )
        made = await self.calendar.book(practice, wanted)
        assert isinstance(made, Made)
        return made.appointment

    async def tell(self, as_: str, call: str = "CA1:f1") -> None:
        if as_:
            call_sid, _, function_call_id = call.partition(":")
            told = ToldOf(function_call_id=function_call_id, as_=as_)  # type: ignore[arg-type]
            await self.ledger.told(call_sid, [told])

    async def again(self, entry: Entry) -> Entry:
        now_it_is = await self.ledger.entry(entry.id)
        assert now_it_is is not None
        return now_it_is

    async def rows(self, table: Any) -> list[Row[Any]]:
        return list(await fetch(self.engine, select(table)))

    async def step(self) -> bool:
        """One round of each, when the next of them is due; False when nothing will be."""
        due = [row.look_utc for row in await self.rows(tables.ledger)]
        due += [row.next_utc for row in await self.rows(tables.outbox)]
        instants = [instant for instant in due if instant]
        if not instants:
            return False
        self.clock.value = max(self.clock.value, min(instants))
        await self.settler.round()
        await self.sender.round()
        return True

    async def until_nothing_is_left(self) -> None:
        for _ in range(60):
            if not await self.step():
                return
        raise AssertionError("it goes on for ever")

    async def texts(self) -> list[str]:
        return [text.body for text in self.twilio.messages.accepted]

    async def people_asked(self) -> list[str]:
        found = await self.rows(tables.messages)
        return sorted(row.key.rpartition(":")[2] for row in found if row.kind == "follow_up")


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[House]:
    """The house on this database; it sends texts."""
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(update(tables.practices).values(texts_from="+15550100999"))
    async with serving(Clock()) as twilio, httpx.AsyncClient(timeout=5.0) as client:
        yield House(engine, twilio, client)
    await engine.dispose()


async def send_no_texts(house: House) -> None:
    async with house.engine.begin() as connection:
        await connection.execute(update(tables.practices).values(texts_from=""))
