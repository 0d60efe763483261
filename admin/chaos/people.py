"""Callers who book, ask twice, interrupt, change their minds and hang up, each by a seed.

Every call is driven by the bridge's own ``CallDriver`` and ``CallSession`` over the real tool
queue. What each caller was told is kept; whether it was true is for ``truth`` to say.
"""

import asyncio
import time
from contextlib import suppress
from random import Random
from typing import Any, Final

import msgspec

from admin.chaos.lines import (
    OnePhrase,
    PlainPersona,
    Said,
    ScriptedAgent,
    SilentCaller,
    SilentKeeper,
)
from bridge.call.conversation import Conversation
from bridge.call.manners import Manners
from bridge.call.session import CallSession
from bridge.driver import CallDriver
from bridge.wire import twilio
from tools.catalog import CATALOG, decode_arguments
from tools.meaning import effect_key
from tools.queue import ToolQueue

PRACTICE: Final = "chaos"
SERVICE: Final = "visit"
GREETING: Final = "Hello."
OVERTIME_S: Final = 4.0
"""Beyond its budget a function call that has no answer by then counts as unanswered."""
LATE_S: Final = 1.0
"""Beyond its budget, an answer that is later counts: less may be this machine's doing."""
STAYS_S: Final = 20.0
"""How long a caller who was told "I am confirming that" stays on the line at most."""
_MANNERS: Final = Manners(greeting=GREETING, apology="Sorry.", idle_after_s=120.0)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One function call with an effect, and what the agent was told of it."""

    call_sid: str
    function_call_id: str
    tool: str
    key: str
    """The effect by its meaning."""
    asked_utc: float
    withdrawn: bool = False
    """The agent took it back: nobody waits for an answer."""
    hung_up: bool = False
    """The caller was gone before the answer."""
    content: str = ""
    """Empty: it was never answered."""
    answered_utc: float = 0.0
    took_s: float = 0.0

    @property
    def job_id(self) -> str:
        """The queue's name for it."""
        return f"{self.call_sid}:{self.function_call_id}"


class Story(msgspec.Struct, kw_only=True):
    """One call."""

    call_sid: str
    phone: str
    told: list[Told] = []
    reads_s: list[float] = []
    unanswered: int = 0
    over_budget: int = 0
    injected: list[str] = []
    failed: str = ""
    """Why the call itself came to nothing: a fault of the driver's or of ours."""


class Person:
    """One caller with an agent of their own."""

    def __init__(self, number: int, queue: ToolQueue, seed: int) -> None:
        self._random = Random(f"{seed} {number}")
        self._number = number
        self.story = Story(call_sid=f"CA{number:032x}", phone=f"+1555{number % 10_000_000:07d}")
        self._name = f"Pat Number{number}"
        self._count = 0
        conversation = Conversation(
            call_sid=self.story.call_sid, practice=PRACTICE, started_utc=time.time()
        )
        self._agent = ScriptedAgent(self._random, time.time)
        self._driver = CallDriver(
            CallSession(conversation, manners=_MANNERS, catalog=CATALOG),
            open_agent=self._agent.open,
            persona=PlainPersona(),
            tools=queue,
            keeper=SilentKeeper(),
            phrases=OnePhrase(GREETING),
        )
        self._caller = SilentCaller(self._driver.caller_message)
        self._driver.caller = self._caller

    async def call(self) -> Story:
        """From the first ring to the last word."""
        running = asyncio.create_task(self._driver.run(self._start(), closed=self._caller.closed))
        try:
            async with asyncio.timeout(OVERTIME_S * 5):
                await self._agent.ready.wait()
            await self._talk()
        except TimeoutError:
            self.story.failed = "the agent was never ready"
        except _HungUp:
            pass
        finally:
            self._caller.hang_up()
            reason = await running
            await self._driver.finish()
        if reason == "bridge_error":
            self.story.failed = reason
        self.story.injected = self._agent.injected
        return self.story

    # --- what is wanted ----------------------------------------------------------------------

    async def _talk(self) -> None:
        start = await self._choose()
        if start is None:
            await self._leave_word()
            return
        made = await self._book(start)
        if made is None:
            return
        match self._random.random():
            case chance if chance < 0.15:
                await self._move(made)
            case chance if chance < 0.25:
                await self._change("cancel_appointment", appointment_id=made, phone=self._phone)
            case chance if chance < 0.30:
                await self._change("cancel_appointment", appointment_id=made, phone=self._phone)
                await self._want("book_appointment", self._booking(start))
            case _:
                pass

    async def _choose(self) -> str | None:
        """A start that was offered, or, now and then, the one that everybody wants."""
        if self._random.random() < 0.2:
            return self._everybodys_start()
        for _ in range(3):
            day = self._day(self._random.randrange(2, 80))
            wanted = {"service": SERVICE, "from_day": day, "to_day": day}
            content = await self._read("find_slots", wanted)
            offers = _fields(content).get("offers") or []
            if offers:
                return str(self._random.choice(offers)["start"])
            await asyncio.sleep(self._random.uniform(0.05, 0.4))
        return None

    def _everybodys_start(self) -> str:
        day = self._day(10 + self._number % 60)
        return f"{day}T{9 + self._number // 7 % 8:02d}:00"

    @staticmethod
    def _day(from_today: int) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400 * from_today))

    def _booking(self, start: str) -> dict[str, Any]:
        return {
            "service": SERVICE,
            "start": start,
            "patient_name": self._name,
            "phone": self._phone,
        }

    async def _book(self, start: str) -> str | None:
        """The appointment's id, if the caller was told that there is one."""
        answer = await self._want("book_appointment", self._booking(start))
        offers = answer.get("offers") or []
        if answer.get("result") == "slot_taken" and offers:
            start = str(self._random.choice(offers)["start"])
            answer = await self._want("book_appointment", self._booking(start))
        elif answer.get("error") and self._random.random() < 0.5:
            await asyncio.sleep(self._random.uniform(0.1, 0.8))
            answer = await self._want("book_appointment", self._booking(start))
        made = answer.get("appointment_id")
        return str(made) if answer.get("result") == "booked" else None

    async def _move(self, appointment_id: str) -> None:
        start = await self._choose()
        if start is not None:
            await self._change(
                "reschedule_appointment",
                appointment_id=appointment_id,
                phone=self._phone,
                new_start=start,
            )

    async def _leave_word(self) -> None:
        await self._want(
            "take_message", {"message": "Please call me back.", "caller_name": self._name}
        )

    async def _change(self, tool: str, **arguments: str) -> dict[str, Any]:
        return await self._want(tool, arguments)

    @property
    def _phone(self) -> str:
        return self.story.phone

    # --- how it is asked for -----------------------------------------------------------------

    async def _read(self, tool: str, arguments: dict[str, Any]) -> str:
        said = await self._answer(self._agent.ask(tool, _text(arguments), id=self._next_id()), tool)
        if said is None:
            return ""
        self.story.reads_s.append(said.answered_at - said.asked_at)
        return said.content

    async def _want(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask for an effect, the way agents do: plainly, twice, withdrawn, or in vain."""
        first, text = self._next_id(), _text(arguments)
        chance = self._random.random()
        if chance < 0.55:  # plainly
            return await self._ask(tool, text, first)
        if chance < 0.65:  # the same request twice, under one id
            self._agent.ask(tool, text, id=first)
            return await self._ask(tool, text, first)
        if chance < 0.75:  # again under another id, at once
            second = self._next_id()
            answers = await asyncio.gather(
                self._ask(tool, text, first), self._ask(tool, text, second)
            )
            return answers[1]
        if chance < 0.82:  # again under another id, after the answer
            await self._ask(tool, text, first)
            return await self._ask(tool, text, self._next_id())
        if chance < 0.94:  # interrupted: withdrawn, and mostly asked for again
            self._withdrawn(tool, text, first)
            await asyncio.sleep(self._random.expovariate(20))
            self._agent.cancel(tool, id=first)
            await asyncio.sleep(self._random.expovariate(10))
            if self._random.random() < 0.3:
                return {}
            return await self._ask(tool, text, self._next_id())
        self._agent.ask(tool, text, id=first)  # the caller hangs up in the middle
        await asyncio.sleep(self._random.expovariate(20))
        self._note(tool, text, first, None, hung_up=True)
        raise _HungUp

    def _withdrawn(self, tool: str, text: str, id: str) -> None:
        self._agent.ask(tool, text, id=id)
        self._note(tool, text, id, None, withdrawn=True)

    async def _ask(self, tool: str, text: str, id: str) -> dict[str, Any]:
        said = await self._answer(self._agent.ask(tool, text, id=id), tool)
        self._note(tool, text, id, said)
        if said is None:
            return {}
        answer = _fields(said.content)
        if answer.get("error") == "doubt":
            await self._wait_for_word()
        return answer

    async def _wait_for_word(self) -> None:
        """A caller in doubt stays for a while, until there is word or patience ends."""
        stays_s = self._random.choice((0.0, 1.0, STAYS_S))
        self._agent.heard_more.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(stays_s):
                await self._agent.heard_more.wait()

    async def _answer(self, answer: "asyncio.Future[Said]", tool: str) -> Said | None:
        budget_s = CATALOG[tool].budget_s
        try:
            async with asyncio.timeout(budget_s + OVERTIME_S):
                said = await asyncio.shield(answer)
        except TimeoutError:
            self.story.unanswered += 1
            return None
        if said.answered_at - said.asked_at > budget_s + LATE_S:
            self.story.over_budget += 1
        return said

    def _note(
        self,
        tool: str,
        text: str,
        id: str,
        said: Said | None,
        *,
        withdrawn: bool = False,
        hung_up: bool = False,
    ) -> None:
        entry = CATALOG[tool]
        key = effect_key(
            entry, PRACTICE, decode_arguments(entry, text), call_sid=self.story.call_sid
        )
        told = Told(
            call_sid=self.story.call_sid,
            function_call_id=id,
            tool=tool,
            key=key,
            asked_utc=time.time(),
            withdrawn=withdrawn,
            hung_up=hung_up,
        )
        if said is not None:
            told = msgspec.structs.replace(
                told,
                content=said.content,
                answered_utc=said.answered_utc,
                took_s=said.answered_at - said.asked_at,
            )
        self.story.told.append(told)

    def _next_id(self) -> str:
        self._count += 1
        return f"fc{self._count}"

    def _start(self) -> twilio.Start:
        stream_sid = f"MZ{self._number:032x}"
        return twilio.Start(
            sequence_number=1,
            stream_sid=stream_sid,
            start=twilio.StartBody(
                account_sid="AC" + "0" * 32,
                stream_sid=stream_sid,
                call_sid=self.story.call_sid,
                tracks=["inbound"],
                media_format=twilio.MediaFormat(
                    encoding="audio/x-mulaw", sample_rate=8000, channels=1
                ),
                custom_parameters={},
            ),
        )


class _HungUp(Exception):
    """The caller is gone."""


def _text(arguments: dict[str, Any]) -> str:
    return msgspec.json.encode(arguments).decode()


def _fields(content: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
