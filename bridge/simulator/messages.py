"""``/2010-04-01/Accounts/{sid}/Messages.json``: texts, as Twilio's REST side takes and lists them.

As picky as the real one, and as vague: a text that is still queued has no ``date_sent``, so a list
by date does not show it. What goes wrong is ``Options.text_faults``'s to say. Source:
https://www.twilio.com/docs/messaging/api/message-resource
"""

import asyncio
import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from bridge.simulator.doors import Answer, Request
from bridge.simulator.options import Options
from bridge.simulator.sids import new_sid

PATH: Final = re.compile(r"/2010-04-01/Accounts/([A-Za-z0-9]{1,64})/Messages\.json")
LONGEST_BODY: Final = 1600
PAGE_SIZE: Final = 50
LARGEST_PAGE: Final = 1000
LEAVES_AFTER_S: Final = 1.0
"""A text is queued for so long; then it has a ``date_sent``."""
RETRY_AFTER_S: Final = 1
NEVER_VALID: Final = "+15005550001"
"""As Twilio's test credentials have it."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_FIELDS: Final = frozenset({"To", "From", "Body", "StatusCallback", "ValidityPeriod"})
_DATES: Final = ("DateSent", "DateSent>", "DateSent<")
_QUERY: Final = frozenset({"To", "From", "PageSize", "Page", "PageToken", *_DATES})

_MESSAGES: Final = {
    20001: "Unknown parameters",
    20003: "Authenticate",
    20404: "The requested resource {} was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    21211: "Invalid 'To' Phone Number: {}",
    21212: "Invalid From Number (caller ID): {}",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21617: "The concatenated message body exceeds the 1600 character limit",
}


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was accepted."""

    sid: str
    account_sid: str
    from_number: str
    to_number: str
    body: str
    created: float
    """Epoch seconds."""

    def has_left(self, now: float) -> bool:
        """False while it is queued."""
        return now >= self.created + LEAVES_AFTER_S


class _NotDone(Exception):
    def __init__(self, status: int, code: int, detail: str = "") -> None:
        super().__init__(code)
        self.answer = _refusal(status, code, detail)


class Messages:
    """Every text of every account, in the order in which they were accepted."""

    def __init__(self, options: Options, *, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self.accepted: list[Text] = []

    async def respond(self, request: Request, account_sid: str) -> Answer:
        """One request to an account's list of messages.

        Raises:
            ConnectionAbortedError: the connection is to end without an answer.
        """
        try:
            _authorise(request.headers, account_sid, self._options.twilio_credentials)
            match request.method:
                case "POST":
                    return await self._create(request, account_sid)
                case "GET":
                    return self._list(request, account_sid)
                case _:
                    raise _NotDone(405, 20404, request.path)
        except _NotDone as refused:
            return refused.answer

    def listed(self) -> Answer:
        """What was accepted, for whoever runs the simulator; Twilio has nothing like it."""
        return _json(200, {"texts": [msgspec.to_builtins(text) for text in self.accepted]})

    async def _create(self, request: Request, account_sid: str) -> Answer:
        form = _form(request)
        fault = self._options.text_faults.pop(0) if self._options.text_faults else ""
        match fault:
            case "cut":
                raise ConnectionAbortedError
            case "busy":
                return _refusal(429, 20429, headers={"retry-after": str(RETRY_AFTER_S)})
            case "error":
                raise _NotDone(500, 20500)
            case "refused":
                raise _NotDone(400, 21211, form.get("To", ""))
        text = self._accept(form, account_sid)
        match fault:
            case "lost":
                raise ConnectionAbortedError
            case "slow":
                await asyncio.sleep(self._options.text_delay_s)
            case "error_after":
                raise _NotDone(503, 20500)
        return _json(201, _resource(text, text.created))

    def _accept(self, form: Mapping[str, str], account_sid: str) -> Text:
        to_number, from_number, body = (form.get(name, "") for name in ("To", "From", "Body"))
        if not to_number:
            raise _NotDone(400, 21604)
        if not from_number:
            raise _NotDone(400, 21603)
        if not body:
            raise _NotDone(400, 21602)
        if len(body) > LONGEST_BODY:
            raise _NotDone(400, 21617)
        if not _E164.fullmatch(to_number) or to_number == NEVER_VALID:
            raise _NotDone(400, 21211, to_number)
        if not _E164.fullmatch(from_number):
            raise _NotDone(400, 21212, from_number)
        text = Text(
            sid=new_sid("SM"),
            account_sid=account_sid,
            from_number=from_number,
            to_number=to_number,
            body=body,
            created=self._clock(),
        )
        self.accepted.append(text)
        return text

    def _list(self, request: Request, account_sid: str) -> Answer:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        if not query.keys() <= _QUERY:
            raise _NotDone(400, 20001)
        size = _page_size(query)
        start = int(page) * size if (page := query.get("Page", "0")).isdecimal() else 0
        found = [
            text
            for text in reversed(self.accepted)
            if text.account_sid == account_sid and _is_wanted(text, query, self._clock())
        ]
        more = start + size < len(found)
        return _json(
            200,
            {
                "messages": [
                    _resource(text, self._clock()) for text in found[start : start + size]
                ],
                "page": start // size,
                "page_size": size,
                "start": start,
                "end": start + len(found[start : start + size]) - 1,
                "uri": f"{request.path}?{request.query}",
                "first_page_uri": _page_uri(request.path, query, 0),
                "next_page_uri": _page_uri(request.path, query, start // size + 1, when=more),
                "previous_page_uri": _page_uri(
                    request.path, query, start // size - 1, when=start > 0
                ),
            },
        )


def _authorise(headers: Mapping[str, str], account_sid: str, credentials: str) -> None:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    user, _, password = given.partition(":")
    right = scheme.lower() == "basic" and user and password
    if credentials and given not in credentials.split(","):
        right = False
    # An account's own sid opens that account only; an API key is known by its prefix.
    if not right or (not user.startswith("SK") and user != account_sid):
        raise _NotDone(401, 20003)


def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}  # Twilio then misses "To": 21604
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if not form.keys() <= _FIELDS:
        raise _NotDone(400, 20001)
    return form


def _page_size(query: Mapping[str, str]) -> int:
    size = query.get("PageSize", str(PAGE_SIZE))
    if not size.isdecimal() or not 1 <= int(size) <= LARGEST_PAGE:
        raise _NotDone(400, 20001)
    return int(size)


def _is_wanted(text: Text, query: Mapping[str, str], now: float) -> bool:
    if query.get("To", text.to_number) != text.to_number:
        return False
    if query.get("From", text.from_number) != text.from_number:
        return False
    asked = {name: query[name] for name in _DATES if name in query}
    if not asked:
        return True
    if not text.has_left(now):
        return False
    day = time.strftime("%Y-%m-%d", time.gmtime(text.created + LEAVES_AFTER_S))
    return (
        asked.get("DateSent", day)[:10] == day
        and asked.get("DateSent>", day)[:10] <= day
        and asked.get("DateSent<", day)[:10] >= day
    )


def _page_uri(path: str, query: Mapping[str, str], page: int, *, when: bool = True) -> str | None:
    if not when:
        return None
    return f"{path}?{urlencode({**query, 'Page': str(page)}, quote_via=quote)}"


def _resource(text: Text, now: float) -> dict[str, Any]:
    left = text.has_left(now)
    uri = f"/2010-04-01/Accounts/{text.account_sid}/Messages/{text.sid}"
    return {
        "sid": text.sid,
        "account_sid": text.account_sid,
        "messaging_service_sid": None,
        "from": text.from_number,
        "to": text.to_number,
        "body": text.body,
        "status": "delivered" if left else "queued",
        "direction": "outbound-api",
        "num_segments": str(-(-len(text.body) // 153)),
        "num_media": "0",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "api_version": "2010-04-01",
        "date_created": _rfc2822(text.created),
        "date_updated": _rfc2822(text.created),
        "date_sent": _rfc2822(text.created + LEAVES_AFTER_S) if left else None,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def _rfc2822(at: float) -> str:
    return formatdate(at, usegmt=True).replace("GMT", "+0000")


def _refusal(
    status: int, code: int, detail: str = "", *, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error as Twilio writes it."""
    body = {
        "code": code,
        "message": _MESSAGES[code].format(detail),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return _json(status, body, headers=headers)


def _json(status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=msgspec.json.encode(body),
    )
