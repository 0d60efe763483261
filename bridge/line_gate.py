"""The gate before the agent's line, one for all calls of a process: no storm on a busy Deepgram.

``Gate`` decides, with the time as an argument; ``LineGate`` waits and tells the log. What a call
does without its agent is left to the call, what a new caller hears meanwhile to ``routes``.

A handshake refused with 429 or 5xx closes the gate for a moment. While it is closed an attempt
fails at once; when the moment is over one attempt goes ahead, and the others wait for its verdict.
Nor do many begin at once while it is open: two hundred calls that lose their lines together would
have knocked two hundred times before the first answer was there.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import structlog

from bridge.call.troubles import crowded
from bridge.errors import AgentUnavailable

FIRST_S: Final = 1.0
LONGEST_S: Final = 16.0
"""Closed for 1, 2, 4, 8, 16 seconds; a success begins anew."""
EARLIER: Final = 0.25
"""By up to such a share a moment is cut short, so that instances do not knock together."""
LONGEST_ASKED_S: Final = 30.0
"""``Retry-After`` is taken for FIRST_S at least and for this at most."""
MOST_AT_ONCE: Final = 16
"""Handshakes under way: so many are refused at most before the first refusal is known. One takes
a few tenths of a second, so sixty calls, a plan's limit (deepgram-voice-agent.md 1.6), have their
lines again within about a second."""
PATIENCE_S: Final = 3.0
"""So long an attempt waits for others at most."""
TRIAL_S: Final = 2.0
"""From a webhook's answer to its call's knock lies 0.6 s (twilio-voice.md 1.4)."""
FORGOTTEN_S: Final = 16.0
"""After so long without a verdict an old refusal says nothing about the next caller."""

T = TypeVar("T")
log = structlog.get_logger()


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The right to one handshake; its end must be told."""

    closings: int
    """How often the gate had closed when it began: what it learns of an earlier time is old."""


class Shut(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody goes ahead now."""

    status: int
    """Of the refusal that closed the gate."""
    for_s: float


class Gate:
    """Who may knock, and when. Seconds on one monotonic clock; nothing here waits."""

    def __init__(self, *, chance: Callable[[], float] = random.random) -> None:
        """``chance`` gives numbers from 0 to 1."""
        self._chance = chance
        self._closings = 0
        self._under_way = 0
        self._most = MOST_AT_ONCE
        self._moment_s = FIRST_S
        self._until: float | None = None
        """Set from a refusal until the verdict on the one attempt after it."""
        self._status = 0
        self._trial_until = 0.0

    @property
    def open(self) -> bool:
        """False from a refusal until an attempt after it has not been refused."""
        return self._until is None

    def closed_for_s(self, now: float) -> float:
        """How long every attempt is turned away; 0 if one may go ahead or wait."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def admits(self, now: float) -> bool:
        """Whether a new call is worth connecting; it is asked once for each.

        When the moment is over one caller at a time is let in, on trial, until there is a verdict.
        """
        if self._until is None:
            return True
        if now < self._until or (now < self._trial_until and now < self._until + FORGOTTEN_S):
            return False
        self._trial_until = now + TRIAL_S
        return True

    def knock(self, now: float) -> Attempt | Shut | None:
        """An attempt, if it may go ahead now; None: it may wait for the others."""
        if self._until is not None and now < self._until:
            return Shut(status=self._status, for_s=self._until - now)
        if self._under_way >= (self._most if self._until is None else 1):
            return None
        self._under_way += 1
        return Attempt(closings=self._closings)

    def opened(self, attempt: Attempt) -> None:
        """The line is up. After a refusal the number of attempts at once grows slowly again."""
        if self._ended(attempt):
            self._most = min(MOST_AT_ONCE, self._most + 1)
            self._let_in()
            self._moment_s = FIRST_S

    def refused(
        self, attempt: Attempt, now: float, *, status: int, asked_s: float | None = None
    ) -> None:
        """The handshake was answered with this status; ``asked_s`` is its ``Retry-After``."""
        if not self._ended(attempt):
            return  # it knocked before the gate closed: its refusal is the one we know of
        if crowded(status):
            self._close(now, status, asked_s)
        else:
            self._let_in()

    def unanswered(self, attempt: Attempt, now: float) -> None:
        """No answer, or none that could be understood: after a refusal that is another."""
        if self._ended(attempt) and self._until is not None:
            self._close(now, self._status, None)

    def given_up(self, attempt: Attempt) -> None:
        """Whoever made the attempt wants no line any more; nothing was learnt."""
        self._ended(attempt)

    def _ended(self, attempt: Attempt) -> bool:
        if attempt.closings != self._closings:
            return False
        self._under_way -= 1
        return True

    def _let_in(self) -> None:
        self._until = None
        self._trial_until = 0.0

    def _close(self, now: float, status: int, asked_s: float | None) -> None:
        if asked_s is None:
            closed_s = self._moment_s * (1 - EARLIER * self._chance())
        else:  # never earlier than asked
            asked_s = min(max(asked_s, FIRST_S), LONGEST_ASKED_S)
            closed_s = asked_s * (1 + EARLIER * self._chance())
        self._until = now + closed_s
        self._status = status
        self._moment_s = min(2 * self._moment_s, LONGEST_S)
        self._most = 1
        self._closings += 1
        self._under_way = 0
        self._trial_until = 0.0


class LineGate:
    """The process's gate; all calls open their lines through it.

    ::

        line = await gate.open(lambda: AgentLink.open(url, ...))
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self.counts: Counter[str] = Counter()
        """How attempts ended: ``opened``, ``refused_{status}``, ``unanswered``, ``given_up``, and
        ``turned_away`` for those that never left this process; and how often it ``closed``."""
        self._gate = gate or Gate()
        self._waiting: deque[asyncio.Future[Attempt | Shut]] = deque()

    @property
    def open_again_in_s(self) -> float:
        """How long every attempt is turned away; 0 if one may go ahead or wait."""
        return self._gate.closed_for_s(_now())

    def admits(self) -> bool:
        """Whether a new call is worth connecting; it is asked once for each."""
        return self._gate.admits(_now())

    async def open(self, connect: Callable[[], Awaitable[T]]) -> T:
        """Connect, as soon as it may be tried.

        Raises:
            AgentUnavailable: as ``connect`` raised it, or without a try, with the status of the
                refusal that closed the gate. ``retry_after_s`` says how long nobody need ask.
        """
        attempt = await self._turn()
        try:
            line = await connect()
        except AgentUnavailable as error:
            self._note(attempt, error)
            self._next()
            raise AgentUnavailable(
                str(error), status=error.status, retry_after_s=self.open_again_in_s or None
            ) from error
        except BaseException:
            self.counts["given_up"] += 1
            self._gate.given_up(attempt)
            self._next()
            raise
        self.counts["opened"] += 1
        was_open = self._gate.open
        self._gate.opened(attempt)
        if self._gate.open and not was_open:
            log.info("line_gate_opened")
        self._next()
        return line

    async def _turn(self) -> Attempt:
        """An attempt, at once or after others."""
        answer = self._gate.knock(_now())
        if answer is None:
            turn: asyncio.Future[Attempt | Shut] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await asyncio.wait([turn], timeout=PATIENCE_S)
            except asyncio.CancelledError:
                if turn.done() and isinstance(given := turn.result(), Attempt):
                    self._gate.given_up(given)
                    self._next()
                raise
            finally:
                if not turn.done():
                    self._waiting.remove(turn)
            answer = turn.result() if turn.done() else None
        if isinstance(answer, Attempt):
            return answer
        self.counts["turned_away"] += 1
        if answer is None:
            raise AgentUnavailable("others are still connecting", retry_after_s=FIRST_S)
        raise AgentUnavailable(
            f"turned away after a {answer.status}", status=answer.status, retry_after_s=answer.for_s
        )

    def _next(self) -> None:
        """Something changed: whoever waits goes ahead, waits on, or is turned away."""
        while self._waiting and (answer := self._gate.knock(_now())) is not None:
            self._waiting.popleft().set_result(answer)

    def _note(self, attempt: Attempt, error: AgentUnavailable) -> None:
        now, status = _now(), error.status
        closed_before_s = self._gate.closed_for_s(now)
        if status is None:
            self.counts["unanswered"] += 1
            self._gate.unanswered(attempt, now)
        else:
            self.counts[f"refused_{status}"] += 1
            self._gate.refused(attempt, now, status=status, asked_s=error.retry_after_s)
            if not crowded(status):  # a key, a bill, a request of ours: ours to mend
                log.error("agent_refuses_us", code=error.code, status=status)
        closed_s = self._gate.closed_for_s(now)
        if closed_s > closed_before_s:
            self.counts["closed"] += 1
            seconds = round(closed_s, 2)
            log.warning("line_gate_closed", code=error.code, status=status, seconds=seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
