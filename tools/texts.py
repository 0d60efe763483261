"""Twilio's Messages over REST: one attempt to send a text, and a look at what was sent.

Owns what an answer, or none, says about whether a text is on its way. A message has no idempotency
key there, so whoever lost an answer has to look (``sent``) before another attempt: ``sending``
does. Nothing a text says, nor a number, reaches an error or a log.

Source: https://www.twilio.com/docs/messaging/api/message-resource
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import msgspec

from tools.errors import Unavailable

SEND_WITHIN_S: Final = 15.0
"""A request that has no answer by then is abandoned; what became of it has to be looked up."""
LOOK_WITHIN_S: Final = 15.0
LONGEST_ANSWER: Final = 1024 * 1024
"""Bytes; a page of messages has a thousand or so for each."""
PAGE_SIZE: Final = 200
MOST_PAGES: Final = 5
"""A number with more texts than that is one for a person to look at."""
LONGEST_WAIT_S: Final = 900.0
"""A ``Retry-After`` beyond it is taken for this."""

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Twilio has it."""

    message_sid: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Twilio will not send it, now or later."""

    reason: str
    """``twilio 21211``: the code of its error list."""


class NotTaken(msgspec.Struct, frozen=True, kw_only=True):
    """It is certain that Twilio has not taken it; it may be tried again."""

    reason: str
    after_s: float | None = None
    """Seconds it asked us to wait."""


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Twilio may have it."""

    reason: str


class SentBefore(msgspec.Struct, frozen=True, kw_only=True):
    """A text that Twilio has."""

    message_sid: str
    body: str
    """Empty where the account has message bodies redacted."""
    created_utc: datetime


class _Message(msgspec.Struct):
    sid: str
    body: str | None = None
    date_created: str | None = None


class _Page(msgspec.Struct):
    messages: list[_Message]
    next_page_uri: str | None = None


class _Error(msgspec.Struct):
    code: int | None = None


_read_message: Final = msgspec.json.Decoder(_Message).decode
_read_page: Final = msgspec.json.Decoder(_Page).decode
_read_error: Final = msgspec.json.Decoder(_Error).decode


class Texts:
    """The texts of one Twilio account."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        url: str,
        account_sid: str,
        user: str,
        password: str,
        page_size: int = PAGE_SIZE,
    ) -> None:
        """``user`` and ``password``: an API key and its secret, or the account and its token."""
        self._client = client
        self._origin = url.rstrip("/")
        self._path = f"/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._page_size = page_size
        self._credentials = httpx.BasicAuth(user, password)

    async def send(
        self, *, from_number: str, to_number: str, body: str
    ) -> Sent | Refused | NotTaken | Unanswered:
        """One attempt. Never raises for what Twilio or the network does."""
        form = {"To": to_number, "From": from_number, "Body": body}
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                status, headers, answer = await self._ask("POST", self._path, data=form)
        except _NEVER_SENT as error:
            return NotTaken(reason=type(error).__name__)
        except (httpx.HTTPError, TimeoutError, Unavailable) as error:
            return Unanswered(reason=type(error).__name__)
        match status:
            case 201:
                return _sent(answer)
            case 429:
                # "An API request that receives an error 429 response is never processed and is
                # always safe to retry." (error 20429)
                return NotTaken(reason="twilio 429", after_s=_asked_to_wait(headers))
            case 401 | 403 | 404:
                # Our credentials or account: mended, perhaps, while the text is worth sending.
                return NotTaken(reason=_reason(status, answer))
            case _ if 400 <= status < 500 and status != 408:
                return Refused(reason=_reason(status, answer))
            case _:
                # Whoever answers 5xx may have passed the request on before.
                return Unanswered(reason=f"twilio {status}")

    async def sent(self, *, from_number: str, to_number: str) -> list[SentBefore]:
        """Every text from one number to the other.

        Not asked by day: a text that is still queued has no ``date_sent`` and would not be found.

        Raises:
            Unavailable: not all of them could be read.
        """
        query = {"To": to_number, "From": from_number, "PageSize": str(self._page_size)}
        found: list[SentBefore] = []
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                answer = await self._ask("GET", self._path, params=query)
                for _ in range(MOST_PAGES):
                    page = _page(*answer)
                    found += [_sent_before(message) for message in page.messages]
                    if not page.next_page_uri:
                        return found
                    answer = await self._ask("GET", page.next_page_uri)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unread(type(error).__name__) from None
        raise _unread("too many")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> tuple[int, httpx.Headers, bytes]:
        if not path.startswith("/"):
            raise _unread("another host")  # our credentials go to nobody else
        url = f"{self._origin}{path}"
        async with self._client.stream(
            method, url, params=params, data=data, auth=self._credentials
        ) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > LONGEST_ANSWER:
                    raise _unread("answer without end")
            return answer.status_code, answer.headers, body


def check_account(sid: str) -> None:
    """Whether a text can be an account's name; it becomes part of an address.

    Raises:
        ValueError: it cannot; the message repeats nothing of it.
    """
    if sid and not re.fullmatch(r"AC[0-9a-fA-F]{32}", sid):
        raise ValueError("expected AC and 32 figures or letters a to f")


def _sent(answer: bytes) -> Sent | Unanswered:
    try:
        return Sent(message_sid=_read_message(answer).sid[:64])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unanswered(reason="unreadable answer")


def _page(status: int, _headers: httpx.Headers, answer: bytes) -> _Page:
    if status != httpx.codes.OK:
        raise _unread(_reason(status, answer))
    try:
        return _read_page(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _unread("unreadable answer") from None


def _sent_before(message: _Message) -> SentBefore:
    try:
        created = parsedate_to_datetime(message.date_created or "")
    except ValueError:
        raise _unread("unreadable date") from None
    return SentBefore(
        message_sid=message.sid[:64],
        body=message.body or "",
        created_utc=created if created.tzinfo else created.replace(tzinfo=UTC),
    )


def _reason(status: int, answer: bytes) -> str:
    try:
        code = _read_error(answer).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = None
    return f"twilio {code or status}"


def _asked_to_wait(headers: httpx.Headers) -> float | None:
    """Seconds out of ``Retry-After``, which may be a number or a date."""
    said = headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return min(float(said), LONGEST_WAIT_S)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT_S)


def _unread(reason: str) -> Unavailable:
    return Unavailable("It is not known yet whether the text was sent.", reason=f"texts: {reason}")
