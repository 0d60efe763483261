"""What changes seldom, remembered in this process for a while.

Owns age, single flight, and the counting of hits. Leaves what is remembered to whoever loads it,
and that is never anything about a caller: one entry is served to every call.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec

MOST_AGE_S: Final = 60.0
"""A changed closing day is known to every process a minute later, and one call in hundreds pays
for it."""

Value = TypeVar("Value")


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How often what was asked for was there already."""

    hits: int
    misses: int


class Static(Generic[Value]):
    """Loads a value by its name once, for all who ask at the same time and for a while after.

    ``None`` is given on and not remembered: what is entered in a minute is there in a minute. So is
    a failure. ``clock`` is monotonic seconds.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[Value | None]],
        *,
        most_age_s: float = MOST_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._most_age_s = most_age_s
        self._clock = clock
        self._loaded: dict[str, tuple[float, Value]] = {}
        self._loading: dict[str, asyncio.Task[Value | None]] = {}
        self._hits = 0
        self._misses = 0

    @property
    def counted(self) -> Counted:
        """Since the process began; waiting for another's loading is a miss too."""
        return Counted(hits=self._hits, misses=self._misses)

    async def of(self, name: str) -> Value | None:
        """The value, as it was at most ``most_age_s`` ago.

        Raises what loading raises, in everyone who waits for it.
        """
        known = self._loaded.get(name)
        if known is not None and self._clock() - known[0] < self._most_age_s:
            self._hits += 1
            return known[1]
        self._misses += 1
        loading = self._loading.get(name)
        if loading is None or loading.done():
            loading = asyncio.create_task(self._remember(name))
            loading.add_done_callback(lambda ended: self._ended(name, ended))
            self._loading[name] = loading
        return await asyncio.shield(loading)  # one who gives up stops nobody else's waiting

    async def _remember(self, name: str) -> Value | None:
        asked_at = self._clock()
        value = await self._load(name)
        if value is None:
            self._loaded.pop(name, None)
        else:
            self._loaded[name] = (asked_at, value)
        return value

    def _ended(self, name: str, loading: "asyncio.Task[Value | None]") -> None:
        if self._loading.get(name) is loading:
            del self._loading[name]
        if not loading.cancelled():
            loading.exception()  # told to whoever waited; nobody may be left
