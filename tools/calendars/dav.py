"""CalDAV's requests and answers over HTTP (RFC 4791, RFC 4918): bounded, suspicious, no redirects.

Leaves what is asked to ``caldav`` and events to ``ics``.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import httpx
import msgspec

from tools.errors import Unavailable, Unsure
from tools.openings import Span

LONGEST_ANSWER: Final = 2 * 1024 * 1024
"""Bytes; some thousand events. A day of a busy practice has fifty."""
LONGEST_OBJECT: Final = 256 * 1024
"""Bytes of one event; ours have five hundred, one with a hundred guests some thirty thousand."""
LONGEST_DRAIN: Final = 16 * 1024
XML: Final = {"Content-Type": "application/xml; charset=utf-8"}

_ANSWERS: Final = frozenset({404, 409, 410, 412})
"""Refusals that say something about the appointment and nothing about the set-up."""
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
_NAMES: Final = 'xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"'
_D: Final = "{DAV:}"
_C: Final = "{urn:ietf:params:xml:ns:caldav}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: a success, or one of ``404 409 410 412``."""

    status: int
    etag: str = ""
    body: bytes = b""

    @property
    def is_done(self) -> bool:
        """Whether it was done as asked."""
        return self.status < httpx.codes.MULTIPLE_CHOICES


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a report."""

    name: str
    """The last part of its address."""
    etag: str
    text: bytes


class Dav:
    """One account on one server."""

    def __init__(self, client: httpx.AsyncClient, *, username: str, password: str) -> None:
        self._client = client
        self._auth = httpx.BasicAuth(username, password) if username else None

    async def ask(
        self,
        method: str,
        url: str,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        longest: int = LONGEST_ANSWER,
        cannot: int | None = None,
    ) -> Answer:
        """A question; ``cannot`` is one more status that is an answer to it.

        Raises:
            Unavailable: any failure.
        """
        try:
            async with self._sent(method, url, body.encode(), headers, cannot) as answer:
                if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                    raise away(f"status {answer.status_code}")
                read = bytearray()
                async for piece in answer.aiter_raw():
                    read += piece
                    if len(read) > longest:
                        raise away("answer without end")
                return _answer(answer, bytes(read))
        except httpx.HTTPError as error:
            raise away(type(error).__name__) from None

    async def change(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A change.

        Raises:
            Unavailable: it was refused, or never sent.
            Unsure: it may have been made.
        """
        try:
            async with self._sent(method, url, body, headers) as answer:
                if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                    raise unsure(f"status {answer.status_code}")
                with suppress(httpx.HTTPError):  # its status has said everything
                    await _drain(answer)
                return _answer(answer, b"")
        except _NEVER_SENT as error:
            raise away(type(error).__name__) from None
        except httpx.HTTPError as error:
            raise unsure(type(error).__name__) from None

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None,
        cannot: int | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its body still to be read; everything but 2xx, 5xx and ``_ANSWERS`` is
        refused here."""
        async with self._client.stream(
            method,
            url,
            content=body,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            auth=self._auth,
            follow_redirects=False,
        ) as answer:
            status = answer.status_code
            if 300 <= status < 500 and status not in {*_ANSWERS, cannot}:
                raise away(f"status {status}")
            yield answer


async def _drain(answer: httpx.Response) -> None:
    """Read the rest, so that the connection can be used again; unless there is much of it."""
    seen = 0
    async for piece in answer.aiter_raw():
        seen += len(piece)
        if seen > LONGEST_DRAIN:
            return


def _answer(answer: httpx.Response, body: bytes) -> Answer:
    return Answer(status=answer.status_code, etag=answer.headers.get("ETag", ""), body=body)


def objects_in(body: bytes) -> list[Found]:
    """The objects of a report that came with their text.

    Raises:
        Unavailable: it is no report.
    """
    found = []
    for response in _parsed(body).iter(f"{_D}response"):
        href = response.findtext(f"{_D}href") or ""
        text = next((data.text for data in response.iter(f"{_C}calendar-data") if data.text), None)
        etag = next((tag.text for tag in response.iter(f"{_D}getetag") if tag.text), "")
        name = unquote(urlsplit(href.strip()).path).rpartition("/")[2]
        if text and name:
            found.append(Found(name=name, etag=etag or "", text=text.encode()))
    return found


def is_calendar(body: bytes) -> bool:
    """Whether what was asked for its ``resourcetype`` is a calendar."""
    return any(True for _ in _parsed(body).iter(f"{_C}calendar"))


def _parsed(body: bytes) -> ElementTree.Element:
    """XML without a document type: an honest answer declares no entities."""
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            raise away("document type")
        return ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        raise away("no report") from None


RESOURCE_TYPE: Final = f"<d:propfind {_NAMES}><d:prop><d:resourcetype/></d:prop></d:propfind>"


def query(span: Span, *, phone: str = "") -> str:
    """Which events share time with the span, and (by section 9.7.2) have that number.

    Whole objects are asked for: without their rules of a time zone nobody knows when they are.
    """
    number = (
        '<c:prop-filter name="X-HOLDFAST-PHONE"><c:text-match collation="i;octet">'
        f"{escape(phone)}</c:text-match></c:prop-filter>"
    )
    return (
        f"<c:calendar-query {_NAMES}><d:prop><d:getetag/><c:calendar-data/></d:prop>"
        '<c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT">'
        f"{_range(span)}{number if phone else ''}"
        "</c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"
    )


def free_busy(span: Span) -> str:
    """When the calendar's owner is busy, worked out by the server (section 7.10)."""
    return f"<c:free-busy-query {_NAMES}>{_range(span)}</c:free-busy-query>"


def stamp(instant: datetime) -> str:
    """An instant as iCalendar writes it."""
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _range(span: Span) -> str:
    return f'<c:time-range start="{stamp(span.start)}" end="{stamp(span.end)}"/>'


def away(reason: str) -> Unavailable:
    """What is raised where certainly nothing was done."""
    return Unavailable("The calendar cannot be reached just now.", reason=f"caldav: {reason}")


def unsure(reason: str) -> Unsure:
    """What is raised where a change may have been made."""
    return Unsure("I'm still confirming that.", reason=f"caldav: {reason}")
