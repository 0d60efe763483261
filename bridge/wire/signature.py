"""Whether a request or a handshake really comes from Twilio (twilio-voice.md section 4).

Leaves the answer to a forged one (403, no token in any log) to ``bridge.routes``. URLs are given
as configured in ``PUBLIC_URL``, never as rebuilt from ``Host`` or ``X-Forwarded-*``.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1, sha256
from urllib.parse import parse_qs, parse_qsl

HEADER = "x-twilio-signature"

Parameters = Iterable[tuple[str, str]]
"""Form fields in any order, blanks included, a repeated name once for each of its values."""

_DEFAULT_PORTS = {"https": "443", "wss": "443", "http": "80", "ws": "80"}


def form_parameters(body: bytes) -> list[tuple[str, str]]:
    """A form body as the pairs that were signed: decoded once, as UTF-8, blanks kept (4.2)."""
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def sign(url: str, params: Parameters, token: str) -> str:
    """What Twilio puts into ``X-Twilio-Signature`` for this request (4.1).

    ``url`` is taken as written but for its fragment, which is not signed; ``params`` are those of
    a form post, empty for a GET, a JSON body or a handshake. ``token`` is the account's primary
    Auth Token.
    """
    text = _without_fragment(url) + "".join(name + value for name, value in sorted(set(params)))
    mac = hmac.new(_octets(token), _octets(text), sha1)
    return b64encode(mac.digest()).decode("ascii")


def verify(signature: str, url: str, params: Parameters, tokens: Iterable[str]) -> bool:
    """Whether any of ``tokens`` signed this request; two of them are valid while one is rotated.

    Tried without a port and with one, as the official library does: Twilio drops the port of an
    https URL and keeps that of an http one.
    """
    return _matches(signature, _port_forms(url), list(params), tokens)


def verify_body(signature: str, url: str, body: bytes, tokens: Iterable[str]) -> bool:
    """Whether a JSON post is genuine: the URL is signed and names the body's hash (4.1)."""
    query = _without_fragment(url).partition("?")[2]
    promised = parse_qs(query).get("bodySHA256", [""])[0]
    same_body = hmac.compare_digest(_octets(promised), _octets(sha256(body).hexdigest()))
    return verify(signature, url, (), tokens) and same_body


def verify_handshake(signature: str, wss_url: str, tokens: Iterable[str]) -> bool:
    """Whether a WebSocket handshake is genuine (4.3).

    ``wss_url`` is the one written into the TwiML. If it fails, "try it with a trailing slash" is
    Twilio's own advice, so both forms are accepted.
    """
    return _matches(signature, _handshake_forms(wss_url), [], tokens)


def matches_https_form(signature: str, wss_url: str, tokens: Iterable[str]) -> bool:
    """Whether the signature of a refused handshake fits its ``https`` form.

    Not a reason to accept it, but one to log: some proxy or some change at Twilio would be behind
    it (4.3).
    """
    scheme = {"wss": "https", "ws": "http"}
    kind, separator, rest = wss_url.partition("://")
    https_url = scheme.get(kind, kind) + separator + rest
    return _matches(signature, _handshake_forms(https_url), [], tokens)


def _matches(
    signature: str, urls: list[str], params: list[tuple[str, str]], tokens: Iterable[str]
) -> bool:
    given = _octets(signature)
    # An empty token is a key anybody knows.
    expected = [sign(url, params, token) for token in tokens if token for url in urls]
    return any([hmac.compare_digest(given, _octets(candidate)) for candidate in expected])


def _handshake_forms(url: str) -> list[str]:
    bare = _without_fragment(url).removesuffix("/")
    return [*_port_forms(bare), *_port_forms(bare + "/")]


def _port_forms(url: str) -> list[str]:
    scheme, separator, rest = _without_fragment(url).partition("://")
    end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    address = authority.rpartition("@")[2]  # "user-info in the URL is not signed" (4.1)
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():  # no port, or the last group of an IPv6 address
        host, port = address, _DEFAULT_PORTS.get(scheme.lower(), "")
    return [f"{scheme}{separator}{host}{tail}", f"{scheme}{separator}{host}:{port}{tail}"]


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # junk in a header must not raise
