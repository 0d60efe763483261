"""What one call asks of the bridge over HTTP: documents, and callbacks nobody waits for.

Leaves signing and retrying to ``bridge.simulator.webhook``.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from bridge.simulator import events
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.verbs import StreamNoun
from bridge.simulator.webhook import Answer, NoAnswer, Webhooks

__all__ = ["Requests"]

_LAST_CALLBACKS_S = 5.0
"""How long callbacks in flight are waited for when the call is over."""


class Requests:
    """The requests of one call; ``parameters`` are those that every one of them carries."""

    def __init__(
        self, webhooks: Webhooks, parameters: Mapping[str, str], diary: Diary, clock: Clock
    ) -> None:
        self._webhooks = webhooks
        self._parameters = parameters
        self._diary = diary
        self._clock = clock
        self._errands: set[asyncio.Task[None]] = set()

    async def ask(
        self, purpose: str, url: str, extra: Mapping[str, str], method: str = "POST"
    ) -> Answer:
        """One request whose answer matters.

        Raises:
            NoAnswer: none came.
        """
        noted: dict[str, Any] = {"purpose": purpose, "url": url.partition("#")[0]}
        try:
            answer = await self._webhooks.ask(url, {**self._parameters, **extra}, method)
        except NoAnswer as silence:
            noted |= {"status": None, "took_ms": silence.took_ms, "tries": silence.tries}
            self._diary.note(events.Requested, self._clock.now(), **noted)
            raise
        noted |= {"status": answer.status, "took_ms": answer.took_ms, "tries": answer.tries}
        self._diary.note(events.Requested, self._clock.now(), **noted)
        return answer

    def tell_stream(self, stream: StreamNoun, stream_sid: str, event: str, error: str) -> None:
        """The stream's status callback, where the TwiML asked for one (3.3)."""
        if stream.status_callback_url is None:
            return
        told = {
            "StreamSid": stream_sid,
            "StreamName": stream.name,
            "StreamEvent": event,
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if event == "stream-error":
            told["StreamError"] = error
        url, method = stream.status_callback_url, stream.status_callback_method
        self.errand(self._tell("stream-status", url, told, method))

    def tell_call_completed(self, url: str) -> None:
        """The number's call status callback (3.2)."""
        told = {
            "CallStatus": "completed",
            "CallDuration": f"{self._clock.now() - self._diary.began_at:.0f}",
            "Timestamp": format_datetime(datetime.now(UTC)),
            "SequenceNumber": "0",
            "CallbackSource": "call-progress-events",
        }
        self.errand(self._tell("call-status", url, told, "POST"))

    def errand(self, work: Coroutine[Any, Any, None]) -> None:
        """Something the call does not wait for before its end."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def finish(self) -> None:
        """Waits for what is still under way, within reason."""
        if not self._errands:
            return
        done, late = await asyncio.wait(self._errands, timeout=_LAST_CALLBACKS_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            task.result()

    async def _tell(self, purpose: str, url: str, told: Mapping[str, str], method: str) -> None:
        with contextlib.suppress(NoAnswer):  # best effort, as Twilio's; the diary has it
            await self.ask(purpose, url, told, method)
