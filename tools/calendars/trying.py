"""One try of an effect on a calendar elsewhere: claim, take the time, ask, and know how it ended.

Leaves asking to ``asking``, what is written at the end to ``endings``, and what is wanted to
``outside``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tools.calendars.asking import LANDS_WITHIN, Asking, clock, stands
from tools.calendars.endings import Endings
from tools.calendars.mirror import Mirror, Mirrored
from tools.calendars.remote import Gone, Remote, RemoteBooking, RemoteMade
from tools.entries import Claim, Entry
from tools.errors import LeaseLost, ToolError, Unavailable, Unsure, Withdrawn
from tools.holds import CellTaken
from tools.ledger import Ledger
from tools.practices import Practice, Provider, Service
from tools.schedule import Grade, Taken

CLAIM_S: Final = 1.0
"""How long nobody else takes up an effect that may be asked for again with its key; one that may
not is left alone for a whole attempt."""
LEAST_S: Final = 0.5
"""With less left for it than that nothing new is begun."""
POLL_S: Final = 0.2

Begin: TypeAlias = Callable[[AsyncConnection, Provider], Awaitable[Mirrored]]
Answered: TypeAlias = RemoteMade | Taken | Gone


class Effect(msgspec.Struct, kw_only=True):
    """One try of one effect."""

    practice: Practice
    entry: Entry
    """As it was claimed."""
    resumed: bool
    """An earlier try did not come to its end."""
    until: float
    may_write: Callable[[], None]
    standing: Mirrored | None = None
    """What is to be changed; None for a booking."""
    in_doubt: bool = False
    """The other calendar was asked, and what became of it is not written down yet."""


class Trying:
    """Tries for one calendar."""

    def __init__(
        self,
        engine: AsyncEngine,
        remote: Remote,
        asking: Asking,
        endings: Endings,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._remote = remote
        self._ask = asking
        self._endings = endings
        self._now = now
        self._ledger = Ledger(engine, now=now)
        self._mirror = Mirror(engine, now=now)

    async def claim(
        self, practice: Practice, entry_id: str, may_write: Callable[[], None]
    ) -> Effect:
        """A try of the effect, ours to end or ended already.

        Raises:
            Withdrawn: the effect was given up.
            Unsure: another is at it, and at it still.
        """
        limits = self._ask.limits
        until = clock() + limits.attempt_s
        while True:
            before = await self._ledger.entry(entry_id)
            entry = await self._ledger.claim(
                entry_id, lasts_s=CLAIM_S if self._remote.grade == Grade.KEY else limits.attempt_s
            )
            if entry is not None:
                if entry.state == "void":
                    raise Withdrawn("I could not do that just now.", reason="entry is void")
                in_order = before is not None and before.fence + 1 == entry.fence
                return Effect(
                    practice=practice,
                    entry=entry,
                    resumed=not (in_order and before is not None and before.state == "intent"),
                    until=until,
                    may_write=may_write,
                )
            if until - clock() < limits.again_s + LEAST_S:
                raise _unsure("another is at it")
            await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def ending(self, effect: Effect) -> AsyncIterator[None]:
        """Whatever ends a try: nobody is told that nothing was done unless it is so."""
        try:
            yield
        except (Unsure, LeaseLost, Withdrawn):
            raise
        except ToolError as error:
            if effect.in_doubt:
                raise _unsure(error.reason) from error
            with suppress(ToolError):  # what is not let go of is looked after, only later
                await self._ledger.let_go(effect.entry.id, effect.entry.fence)
            raise

    async def carry_out(
        self,
        effect: Effect,
        service: Service,
        candidates: Callable[[], Awaitable[Sequence[Provider]]],
        begin: Begin,
        patient_name: str,
        phone: str,
    ) -> tuple[Mirrored | None, Answered]:
        """Ask for it with one provider after the other until one is free; first of all for what
        an earlier try began. The row that it was made for comes with it."""

        def booking(begun: Mirrored) -> RemoteBooking:
            return RemoteBooking(
                key=begun.id,
                patient_name=patient_name,
                phone=phone,
                service=service,
                provider=Provider(id=begun.provider_id, name=""),
                start=begun.start,
                end=begun.end,
                zone=effect.practice.zone,
            )

        begun = await self._mirror.pending(effect.practice, effect.entry.key)
        if begun is not None:
            became = await self._ask_again(effect, begun, booking(begun))
            if isinstance(became, RemoteMade):
                return begun, became
            await self._refused(effect, begun)
            if isinstance(became, Gone):
                return begun, became
        for provider in await candidates():
            begun = await self._begun(effect, provider, begin)
            if begun is None:
                continue
            became = await self._ask_first(effect, begun, booking(begun))
            if isinstance(became, RemoteMade):
                return begun, became
            await self._refused(effect, begun)
            if isinstance(became, Gone):
                return begun, became
        return None, Taken()

    async def _begun(self, effect: Effect, provider: Provider, begin: Begin) -> Mirrored | None:
        """A pending row, while the claim is ours; None if the time has gone."""
        if effect.until - clock() < self._ask.limits.again_s + LEAST_S:
            raise self._away("no time left")
        effect.may_write()
        try:
            async with self._ledger.claimed(effect.entry.id) as claim:
                _must_be_ours(claim, effect.entry)
                return await begin(claim.connection, provider)
        except CellTaken:
            return None

    async def _ask_first(self, effect: Effect, begun: Mirrored, booking: RemoteBooking) -> Answered:
        effect.may_write()
        effect.in_doubt = True
        try:
            return await self._ask_for(effect, booking)
        except Unavailable:
            await self._refused(effect, begun)
            raise

    async def _ask_again(self, effect: Effect, begun: Mirrored, booking: RemoteBooking) -> Answered:
        """What an earlier try began: looked up or repeated as far as the grade allows."""
        effect.in_doubt = True
        if self._remote.grade == Grade.NEITHER:
            raise _unsure("an earlier try is open")
        if self._remote.grade == Grade.LOOKUP:
            ref = effect.standing.external_ref if effect.standing else ""
            found = await self._ask.was_made(booking, external_ref=ref)
            if found is not None:
                return found if stands(found.status) else Taken()
            if self._now() < begun.asked_utc + LANDS_WITHIN:
                raise _unsure("an earlier try may yet land")
            async with self._ledger.claimed(effect.entry.id) as claim:
                _must_be_ours(claim, effect.entry)
                await self._mirror.asked_again(claim.connection, begun)
        effect.may_write()
        return await self._ask_for(effect, booking)

    async def _ask_for(self, effect: Effect, booking: RemoteBooking) -> Answered:
        became: Answered
        if effect.standing is None:
            became = await self._ask.create(booking, until=effect.until)
        else:
            ref = effect.standing.external_ref
            became = await self._ask.move(ref, booking, until=effect.until)
        if isinstance(became, RemoteMade) and not stands(became.status):
            return Taken()
        return became

    async def _refused(self, effect: Effect, begun: Mirrored) -> None:
        await self._endings.refused(effect.practice, begun, moves=effect.standing is not None)
        effect.in_doubt = False

    async def let_go(self, effect: Effect) -> None:
        """It was answered otherwise ("that time is taken"): nothing was done."""
        await self._ledger.let_go(effect.entry.id, effect.entry.fence)

    def _away(self, why: str) -> Unavailable:
        return Unavailable(
            "The calendar cannot be reached just now.", reason=f"{self._remote.kind}: {why}"
        )


def _must_be_ours(claim: Claim, entry: Entry) -> None:
    claim.must_be_wanted()
    if claim.entry.state != "claimed" or claim.entry.fence != entry.fence:
        raise _unsure("another is at it")


def _unsure(reason: str) -> Unsure:
    return Unsure("I'm still confirming that.", reason=reason)
