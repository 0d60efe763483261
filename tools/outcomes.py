"""One subscription a process, on which the outcomes of all its calls arrive.

Owns the line: it is held open, tested, and laid again when it breaks. Leaves what was missed
meanwhile to its owner, who is told each time a call's channel is (again) being listened to.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog
from arq import ArqRedis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from tools.connections import in_time, pauses
from tools.contract import ToolOutcome
from tools.keys import outcomes_channel
from tools.records import decode_outcome

TEST_LINE_EVERY_S: Final = 2.0
"""A line that stays silent for this long, and then does not answer a ping in as long, is dead."""

log = structlog.get_logger()


class OutcomeLine:
    """Listens to the outcomes of every call that joined.

    ``hear(call_sid, outcome)`` is called for each; ``listening(call_sids)`` whenever Redis has
    confirmed their channels, from which moment on nothing is missed. Both must return at once.
    """

    def __init__(
        self,
        redis: ArqRedis,
        *,
        hear: Callable[[str, ToolOutcome], None],
        listening: Callable[[list[str]], None],
    ) -> None:
        self._redis = redis
        self._hear = hear
        self._listening = listening
        self._calls: dict[str, str] = {}
        self._changes: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()
        self._keep_open = outcomes_channel(f"@{uuid4().hex}")
        """A channel nobody writes to: a line without any channel cannot be tested."""
        self._was_up = False
        self._lost_at = float("-inf")

    def lost_lately(self, seconds: float) -> bool:
        """True when the line broke within so many seconds, or is broken."""
        return time.monotonic() - self._lost_at < seconds

    def join(self, call_sid: str) -> None:
        """Listen to this call from now on; ``listening`` tells when that is so."""
        channel = outcomes_channel(call_sid)
        self._calls[channel] = call_sid
        self._changes.put_nowait((True, channel))

    def leave(self, call_sid: str) -> None:
        """Listen to it no more."""
        channel = outcomes_channel(call_sid)
        if self._calls.pop(channel, None) is not None:
            self._changes.put_nowait((False, channel))

    async def run(self) -> None:
        """Hold the line until cancelled, whatever happens to Redis."""
        waits = pauses()
        while True:
            try:
                await self._hold()
            except (RedisError, OSError) as error:
                log.warning("outcome_line_lost", reason=repr(error))
            if self._was_up:
                waits = pauses()
                self._was_up = False
            self._lost_at = time.monotonic()
            await asyncio.sleep(next(waits))

    async def _hold(self) -> None:
        """One connection, from subscribing to its end.

        No TaskGroup: on Python 3.11 one that breaks leaves its owner half cancelled, or forgets
        that it was.
        """
        async with self._redis.pubsub() as line:
            self._changes = asyncio.Queue()
            await in_time(line.subscribe(self._keep_open, *self._calls))
            both = (
                asyncio.create_task(self._listen(line), name="outcome line, listening"),
                asyncio.create_task(self._follow_changes(line), name="outcome line, changing"),
            )
            try:
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
            for task in done:
                task.result()

    async def _follow_changes(self, line: PubSub) -> None:
        while True:
            join, channel = await self._changes.get()
            if join and channel in self._calls:
                await in_time(line.subscribe(channel))
            elif channel not in self._calls:
                await in_time(line.unsubscribe(channel))

    async def _listen(self, line: PubSub) -> None:
        tested = False
        while True:
            message = await line.get_message(timeout=TEST_LINE_EVERY_S)
            if message is not None:
                tested = False
                self._receive(message)
            elif tested:
                raise ConnectionError("the line is dead")
            else:
                await in_time(line.ping())
                tested = True

    def _receive(self, message: dict[str, Any]) -> None:
        channel = (message["channel"] or b"").decode()
        match message["type"]:
            case "subscribe":
                self._was_up = True
                if channel in self._calls:
                    self._listening([self._calls[channel]])
            case "message" if channel in self._calls:
                try:
                    outcome = decode_outcome(message["data"])
                except msgspec.DecodeError:
                    log.warning("outcome_unreadable", call_sid=self._calls[channel])
                    return
                self._hear(self._calls[channel], outcome)
