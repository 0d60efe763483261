"""How Twilio asks for a document or reports a status: signed, retried, followed (F2, F3).

Leaves what the document says to ``bridge.simulator.document``.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit
from uuid import uuid4

import httpx
import msgspec
from msgspec import Meta

from bridge.simulator.knobs import Mischief
from bridge.wire import signature

__all__ = [
    "Answer",
    "NoAnswer",
    "Overrides",
    "Route",
    "Webhooks",
    "handshake_signature",
    "overrides",
    "voice_parameters",
]

NOT_CONNECTED = 11205
FAILED = 11200

_LONGEST_S = 15.0
"""A hard limit for voice webhooks, whatever a fragment asks for (3.4)."""

_MOST_REDIRECTS = 5
_HTTP_ERROR = 400


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where the public address is really reached: signed as one, connected to as the other."""

    public_url: str
    bridge_url: str

    def connect_to(self, url: str) -> str:
        """The URL to open for one that was written with the public origin."""
        public, bridge, asked = map(urlsplit, (self.public_url, self.bridge_url, url))
        if asked.netloc != public.netloc:
            return url
        scheme = bridge.scheme
        if asked.scheme in ("ws", "wss"):
            scheme = {"http": "ws", "https": "wss"}[bridge.scheme]
        return urlunsplit((scheme, bridge.netloc, asked.path, asked.query, ""))


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """The connection overrides of a URL fragment, in Twilio's own short names (3.4)."""

    ct: Annotated[int, Meta(ge=100, le=10000)] = 5000
    rt: Annotated[int, Meta(ge=100, le=15000)] = 15000
    tt: Annotated[int, Meta(ge=100, le=15000)] = 15000
    rc: Annotated[int, Meta(ge=0, le=5)] = 1
    rp: str = "ct"
    e: str = ""
    sni: str = ""

    def retries_on(self, reason: str) -> bool:
        """Whether a try that failed for this reason (ct, rt, 4xx, 5xx) is made again."""
        return bool({reason, "all"} & set(self.rp.split(",")))


def overrides(url: str) -> tuple[str, Overrides]:
    """A URL without its fragment, and what the fragment asks for; nonsense asks for nothing."""
    bare, _, fragment = url.partition("#")
    given = dict(parse_qsl(fragment))
    try:
        return bare, msgspec.convert(given, Overrides, strict=False)
    except msgspec.ValidationError:
        return bare, Overrides()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    url: str
    status: int
    content_type: str
    body: str
    took_ms: float
    tries: int

    @property
    def good(self) -> bool:
        """Whether Twilio takes it for a document."""
        return self.status < _HTTP_ERROR


class NoAnswer(Exception):
    """Nothing came back, or nothing in time."""

    def __init__(self, url: str, code: int, why: str, *, took_ms: float, tries: int) -> None:
        super().__init__(f"{url}: {why}")
        self.url = url
        self.code = code
        self.why = why
        self.took_ms = took_ms
        self.tries = tries


def handshake_signature(url: str, token: str, kind: str) -> dict[str, str]:
    """The header that signs a WebSocket handshake: the ``wss`` URL as the TwiML has it (F6)."""
    return _signed(url, [], token, kind)


def _signed(url: str, params: Sequence[tuple[str, str]], token: str, kind: str) -> dict[str, str]:
    if kind == "missing":
        return {}
    key = token if kind == "right" else hashlib.sha256(token.encode()).hexdigest()
    return {signature.HEADER: signature.sign(url, params, key)}


class Webhooks:
    """Posts for one account."""

    def __init__(
        self, client: httpx.AsyncClient, route: Route, auth_token: str, mischief: Mischief
    ) -> None:
        self._client = client
        self._route = route
        self._auth_token = auth_token
        self._mischief = mischief

    async def ask(self, url: str, parameters: Mapping[str, str], method: str = "POST") -> Answer:
        """One request as Twilio makes it, retries included; any HTTP status is an answer.

        Raises:
            NoAnswer: could not connect, or no answer within the time the URL allows.
        """
        bare, how = overrides(url)
        began = time.monotonic()
        token = str(uuid4())
        tries = 0
        while True:
            tries += 1
            left_s = min(how.tt / 1000, _LONGEST_S) - (time.monotonic() - began)
            reason, outcome = await self._try(bare, parameters, method, how, token, left_s)
            took_ms = (time.monotonic() - began) * 1000
            out_of_time = took_ms >= min(how.tt, _LONGEST_S * 1000)
            if reason and tries <= how.rc and how.retries_on(reason) and not out_of_time:
                continue
            if isinstance(outcome, httpx.Response):
                return Answer(
                    url=bare,
                    status=outcome.status_code,
                    content_type=outcome.headers.get("content-type", ""),
                    body=outcome.text,
                    took_ms=took_ms,
                    tries=tries,
                )
            code = NOT_CONNECTED if reason == "ct" else FAILED
            raise NoAnswer(bare, code, outcome, took_ms=took_ms, tries=tries)

    async def _try(
        self,
        url: str,
        parameters: Mapping[str, str],
        method: str,
        how: Overrides,
        token: str,
        left_s: float,
    ) -> tuple[str, httpx.Response | str]:
        """Why this try should be made again ("" = it should not), and what came of it."""
        if left_s <= 0:
            return "rt", "no time left"
        patience = httpx.Timeout(min(how.rt / 1000, left_s), connect=min(how.ct / 1000, left_s))
        try:
            response = await self._send(url, parameters, method, token, patience)
        except (httpx.ConnectError, httpx.ConnectTimeout) as refused:
            return "ct", f"could not connect: {type(refused).__name__}"
        except httpx.TransportError as lost:
            return "rt", f"no answer: {type(lost).__name__}"
        if response.status_code >= _HTTP_ERROR:
            return f"{response.status_code // 100}xx", response
        return "", response

    async def _send(
        self,
        url: str,
        parameters: Mapping[str, str],
        method: str,
        token: str,
        patience: httpx.Timeout,
    ) -> httpx.Response:
        for _ in range(_MOST_REDIRECTS):
            request = self._request(url, parameters, method, token)
            request.extensions["timeout"] = patience.as_dict()
            response = await self._client.send(request, follow_redirects=False)
            if not response.has_redirect_location:
                return response
            # "Twilio follows with GET and the POST parameters are gone" (3.4).
            url, parameters, method = urljoin(url, response.headers["location"]), {}, "GET"
        return response

    def _request(
        self, url: str, parameters: Mapping[str, str], method: str, token: str
    ) -> httpx.Request:
        fields = list(parameters.items())
        if method == "GET" and fields:
            url += ("&" if urlsplit(url).query else "?") + urlencode(fields)
            fields = []
        headers = {
            "user-agent": "TwilioProxy/1.1",
            "accept": "*/*",
            "i-twilio-idempotency-token": token,
            **_signed(url, fields, self._auth_token, self._mischief.webhook_signature),
        }
        if method == "GET":
            return self._client.build_request("GET", self._route.connect_to(url), headers=headers)
        if self._mischief.tampered_parameter:
            fields = [(name, value + "0" * (name == "From")) for name, value in fields]
        return self._client.build_request(
            "POST",
            self._route.connect_to(url),
            headers=headers | {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
            content=urlencode(fields).encode(),
        )


def voice_parameters(
    *, account_sid: str, call_sid: str, from_number: str, to_number: str, call_status: str
) -> dict[str, str]:
    """Every field of a voice webhook (3.1), blanks and a city that is not ASCII included."""
    return {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid,
        "CallStatus": call_status,
        "CallToken": f'{{"parentCallInfoToken":"simulated.{call_sid}"}}',
        "Called": to_number,
        "CalledCity": "",
        "CalledCountry": "US",
        "CalledState": "",
        "CalledZip": "",
        "Caller": from_number,
        "CallerCity": "CAÑON CITY",
        "CallerCountry": "US",
        "CallerState": "CO",
        "CallerZip": "81212",
        "Direction": "inbound",
        "From": from_number,
        "FromCity": "CAÑON CITY",
        "FromCountry": "US",
        "FromState": "CO",
        "FromZip": "81212",
        "StirVerstat": "TN-Validation-Passed-A",
        "To": to_number,
        "ToCity": "",
        "ToCountry": "US",
        "ToState": "",
        "ToZip": "",
    }
