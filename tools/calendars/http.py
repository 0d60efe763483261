"""How a vendor's API is asked over HTTP: bounded, in its time, and sure of what it does not know.

Leaves to the adapters what is asked and what a refusal means. Neither an address nor an answer is
ever logged or put into a ``reason``: both hold patients, and httpx' own errors quote the address.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx
import msgspec

from tools.errors import ToolError, Unavailable, Unsure

AT_ONCE: Final = 8
"""Requests to one calendar at a time: one that hangs takes these places and no other's."""
CONNECT_S: Final = 1.0
ANSWER_S: Final = 2.5
"""From asking for a place to the last byte; a read's whole budget is 3 s."""
LONGEST_ANSWER: Final = 1 << 20
"""Bytes; a page of a hundred bookings is a fifth of it."""
LONGEST_WAIT_S: Final = 60.0
"""Both vendors count requests by the minute, so no honest limit lasts longer."""
USUAL_WAIT_S: Final = 1.0
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200

_SAY: Final = "The calendar cannot be reached just now."
_SAY_UNSURE: Final = "I could not see whether that went through."
_HEADERS_LEAVE: Final = "send_request_headers.started"
_MILLISECONDS_FROM: Final = 1e11
_EPOCH_FROM: Final = 1e9

Kind = TypeVar("Kind")
Query = Sequence[tuple[str, str | int]]


class Refused(Unavailable):
    """It will not do this however often it is asked: the key, the set-up, or what it cannot do."""

    retryable = False

    def __init__(self, say: str = _SAY, *, reason: str = "", status: int = 0) -> None:
        super().__init__(say, reason=reason)
        self.status = status


class Answer(msgspec.Struct, frozen=True):
    """What came back, when it was neither a fault nor a limit: 2xx, 400, 404, 409, 422."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return httpx.codes.is_success(self.status)

    def says(self, *words: str) -> bool:
        """Whether one of these stands in it, in whatever case."""
        text = self.body.decode("utf-8", "replace").casefold()
        return any(word in text for word in words)


class _Lost(Exception):
    def __init__(self, why: str, *, left_us: bool) -> None:
        super().__init__(why)
        self.why = why
        self.left_us = left_us


class Api:
    """One vendor's API as one practice uses it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        kind: str,
        url: str,
        answer_s: float = ANSWER_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._kind = kind
        self._base = url.rstrip("/")
        self._answer_s = answer_s
        self._now = now
        self._places = asyncio.Semaphore(AT_ONCE)
        self._limited_until = 0.0

    async def ask(
        self, path: str, *, query: Query = (), headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to a question.

        Raises:
            Refused: 401, 403, or it sends us elsewhere.
            Unavailable: it is away, busy, slow, broken, or says too much.
        """
        try:
            answer = await self._exchange("GET", path, query, None, headers or {})
        except _Lost as lost:
            raise self.unavailable(lost.why) from None
        if httpx.codes.is_server_error(answer.status):
            raise self.unavailable(f"status {answer.status}")
        return answer

    async def order(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request that changes something.

        Raises:
            Refused: 401, 403, or it sends us elsewhere; nothing was done.
            Unavailable: it never left us, or there were too many (429); nothing was done.
            Unsure: it left us, and what came back does not say what became of it.
        """
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._exchange(method, path, query, content, headers or {})
        except _Lost as lost:
            if lost.left_us:
                raise self.unsure(lost.why) from None
            raise self.unavailable(lost.why) from None
        if httpx.codes.is_server_error(answer.status):
            raise self.unsure(f"status {answer.status}")
        return answer

    def decode(
        self,
        answer: Answer,
        decode: Callable[[bytes], Kind],
        *,
        otherwise: type[Unavailable] | type[Unsure] = Unavailable,
    ) -> Kind:
        """What the answer holds.

        Raises:
            Unavailable: (or ``otherwise``) it has another shape than it should.
        """
        try:
            return decode(answer.body)
        except (msgspec.DecodeError, RecursionError) as error:
            place = str(error).partition(" - at ")[2]
            raise self._error(otherwise, f"unreadable answer {place}".strip()) from None

    def unavailable(self, why: str) -> Unavailable:
        """For what did not happen."""
        return Unavailable(_SAY, reason=f"{self._kind}: {why}")

    def unsure(self, why: str) -> Unsure:
        """For what may have happened."""
        return Unsure(_SAY_UNSURE, reason=f"{self._kind}: {why}")

    def refused(self, why: str, *, status: int = 0) -> Refused:
        """For what will not happen by asking again."""
        return Refused(reason=f"{self._kind}: {why}", status=status)

    def _error(self, kind: type[Unavailable] | type[Unsure], why: str) -> ToolError:
        return self.unsure(why) if kind is Unsure else self.unavailable(why)

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Query,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        if (wait_s := self._limited_until - self._now()) > 0:
            raise self.unavailable(f"limited for another {wait_s:.0f} s")
        left_us = False

        async def watch(event: str, _what: Mapping[str, Any]) -> None:
            nonlocal left_us
            left_us = left_us or event.endswith(_HEADERS_LEAVE)

        request = self._client.build_request(
            method,
            f"{self._base}{path}",
            params=list(query),
            content=content,
            # An answer that is packed could be any size before anybody has counted it.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers}
            | ({} if content is None else {"Content-Type": "application/json"}),
            timeout=httpx.Timeout(self._answer_s, connect=CONNECT_S),
            extensions={"trace": watch},
        )
        request.headers.pop("Cookie", None)  # the client is shared; no practice is another's guest
        try:
            async with asyncio.timeout(self._answer_s) as bound, self._places:
                answer, limits = await self._send(request)
        except httpx.HTTPError as error:
            raise _Lost(type(error).__name__, left_us=left_us) from None
        except TimeoutError:
            if not bound.expired():
                raise
            raise _Lost("no answer in time", left_us=left_us) from None
        self._check(answer.status, limits)
        return answer

    async def _send(self, request: httpx.Request) -> tuple[Answer, httpx.Headers]:
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LONGEST_ANSWER:
                    raise _Lost("answer without end", left_us=True)
            return Answer(response.status_code, bytes(body)), response.headers
        finally:
            await response.aclose()

    def _check(self, status: int, headers: httpx.Headers) -> None:
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait_s = min(max(_wait_s(headers, self._now()), 0.0), LONGEST_WAIT_S)
            self._limited_until = self._now() + wait_s
            raise self.unavailable(f"status {status}, wait {wait_s:.0f} s")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self.refused(f"status {status}: our key may not do this", status=status)
        if httpx.codes.is_redirect(status):
            raise self.refused(f"status {status}: it is to be asked elsewhere", status=status)


def _wait_s(headers: httpx.Headers, now: float) -> float:
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return float(after)
    try:
        return parsedate_to_datetime(after).timestamp() - now
    except ValueError:
        resets = [value for name, value in headers.items() if name.startswith("x-ratelimit-reset")]
    return max((_until(value, now) for value in resets), default=USUAL_WAIT_S)


def _until(reset: str, now: float) -> float:
    """Seconds, an instant in seconds, or one in milliseconds: all three are in use."""
    if not reset.isdecimal():
        return USUAL_WAIT_S
    at = float(reset)
    if at > _MILLISECONDS_FROM:
        return at / 1000 - now
    return at - now if at > _EPOCH_FROM else at


def plausible(start: datetime, end: datetime) -> None:
    """Whether an appointment may lie so.

    Raises:
        ValueError: not in these centuries, or not in that order. (Nearer to the ends of Python's
            calendar an instant cannot be told in every zone.)
    """
    if not FIRST_YEAR < start.year <= end.year < LAST_YEAR or start > end:
        raise ValueError("an implausible time")


async def all_of(*asked: Any) -> list[Any]:
    """Every answer, in order; if one fails the others are waited for and the first error raised."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return list(answers)
