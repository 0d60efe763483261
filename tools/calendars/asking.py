"""How a calendar elsewhere is asked for an effect: in its time, and never twice by guess.

What was asked and not answered is asked again with the same key where that is safe (grade ``KEY``),
looked up where it can be (``LOOKUP``), and else left alone. Leaves our own rows to ``outside``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import msgspec

from tools.calendars.remote import Gone, Remote, RemoteBooking, RemoteMade
from tools.errors import Unavailable, Unsure
from tools.schedule import Grade, Taken

LANDS_WITHIN: Final = timedelta(seconds=30)
"""Nothing that was sent takes effect later than that: no proxy or server we know waits longer for
itself. What is not there by then was not done."""

Answer = TypeVar("Answer")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a calendar elsewhere may take."""

    read_s: float = 1.6
    """For a question; an attempt of a read has 1.8 s."""
    attempt_s: float = 4.5
    """From the beginning of an effect to its end, known or unknown; an attempt has 4.8 s."""
    again_s: float = 1.3
    """Kept of it for finding out what became of a request without an answer."""


USUAL: Final = Limits()


def clock() -> float:
    """The instant on the running loop's clock."""
    return asyncio.get_running_loop().time()


class Asking:
    """One calendar, asked with care."""

    def __init__(self, remote: Remote, limits: Limits = USUAL) -> None:
        self._remote = remote
        self.limits = limits

    async def question(self, asked: Awaitable[Answer], *, within_s: float | None = None) -> Answer:
        """Its answer.

        Raises:
            Unavailable: it did not answer in time.
        """
        try:
            async with asyncio.timeout(within_s or self.limits.read_s) as bound:
                return await asked
        except TimeoutError:
            if not bound.expired():
                raise
            raise Unavailable(
                "The calendar cannot be reached just now.", reason=f"{self._remote.kind}: slow"
            ) from None

    async def create(self, booking: RemoteBooking, *, until: float) -> RemoteMade | Taken:
        """A booking.

        Raises:
            Unavailable: nothing was done.
            Unsure: nobody knows.
        """
        answer = await self._effect(
            lambda: self._remote.create(booking), lambda: self.was_made(booking), until
        )
        assert not isinstance(answer, Gone)
        return answer

    async def move(
        self, external_ref: str, to: RemoteBooking, *, until: float
    ) -> RemoteMade | Taken | Gone:
        """A move; raises as ``create``."""
        return await self._effect(
            lambda: self._remote.move(external_ref, to),
            lambda: self.was_made(to, external_ref=external_ref),
            until,
        )

    async def cancel(self, external_ref: str, *, until: float) -> None:
        """A cancellation, which may be repeated whatever the grade; raises as ``create``."""
        try:
            await self._once(self._remote.cancel(external_ref), until - self.limits.again_s)
        except Unsure:
            await self._again(self._remote.cancel(external_ref), until)

    async def was_made(
        self, booking: RemoteBooking, *, external_ref: str = ""
    ) -> RemoteMade | None:
        """What stands there of it.

        Raises:
            Unavailable: it cannot be asked.
        """
        return await self.question(
            self._remote.look_up(booking, external_ref=external_ref), within_s=self.limits.again_s
        )

    async def _effect(
        self,
        ask: Callable[[], Awaitable[RemoteMade | Taken | Gone]],
        look: Callable[[], Awaitable[RemoteMade | None]],
        until: float,
    ) -> RemoteMade | Taken | Gone:
        try:
            return await self._once(ask(), until - self.limits.again_s)
        except Unsure as unsure:
            if self._remote.grade == Grade.KEY:
                return await self._again(ask(), until)
            found = None
            if self._remote.grade == Grade.LOOKUP:
                found = await self._again(look(), until)
            if found is None:
                raise Unsure(unsure.say, reason=unsure.reason) from None
            return found

    async def _once(self, asked: Awaitable[Answer], until: float) -> Answer:
        try:
            async with asyncio.timeout_at(until) as bound:
                return await asked
        except TimeoutError:
            if not bound.expired():
                raise
            raise self._unsure("slow") from None

    async def _again(self, asked: Awaitable[Answer], until: float) -> Answer:
        """After a first time that nobody knows of: no failure means that nothing was done."""
        try:
            return await self._once(asked, until)
        except Unavailable as error:
            raise Unsure("I'm still confirming that.", reason=error.reason) from None

    def _unsure(self, why: str) -> Unsure:
        return Unsure("I'm still confirming that.", reason=f"{self._remote.kind}: {why}")


def stands(status: str) -> bool:
    """Whether somebody is to come."""
    return status in ("booked", "requested")
