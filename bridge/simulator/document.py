"""A TwiML document, read as strictly as Twilio reads it: verbs in order, faults by number (F4, F5).

Pure. Leaves carrying the verbs out to ``bridge.simulator.twiml_player``.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError, fromstring

import msgspec

from bridge.simulator.verbs import (
    Connect,
    Dial,
    Fork,
    Gather,
    Hangup,
    Notice,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    StreamNoun,
    Verb,
)

__all__ = ["Document", "Unreadable", "read"]

NOT_PARSEABLE = 12100
SCHEMA_WARNING = 12200
CONTENT_TYPE = 12300
NOT_WSS = 31922
BAD_URL = 31923
NOT_CONNECTED = 31920
BAD_TRACK = 31941
BAD_MESSAGE = 31951

_CONTENT_TYPES = frozenset({"text/xml", "application/xml"})
_MOST_PARAMETER_CHARACTERS = 500
_TRACKS = frozenset({"inbound_track", "outbound_track", "both_tracks"})


class Unreadable(ValueError):
    """A document that ends the call; ``code`` is Twilio's number for why."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the bridge."""

    url: str
    """Relative URLs inside are resolved against it."""
    verbs: tuple[Verb, ...]
    notices: tuple[Notice, ...]


def read(body: str | bytes, *, url: str, content_type: str) -> Document:
    """One answer as verbs.

    Raises:
        Unreadable: the wrong content type, no XML, not a ``<Response>``.
    """
    if content_type.partition(";")[0].strip().lower() not in _CONTENT_TYPES:
        raise Unreadable(CONTENT_TYPE, f"content type {content_type or 'missing'}")
    try:
        root = fromstring(body)
    except ParseError as broken:
        raise Unreadable(NOT_PARSEABLE, f"not well-formed: {broken}") from broken
    if root.tag != "Response":
        raise Unreadable(NOT_PARSEABLE, f"the root is <{root.tag}>, not <Response>")
    reading = _Reading(url)
    verbs = [verb for element in root if (verb := reading.verb(element)) is not None]
    return Document(url=url, verbs=tuple(verbs), notices=tuple(reading.notices))


class _Reading:
    """One pass over a document, collecting what Twilio would warn of."""

    def __init__(self, url: str) -> None:
        self.notices: list[Notice] = []
        self._url = url
        self._readers: dict[str, Callable[[Element], Verb | None]] = {
            "Say": self._say,
            "Play": self._play,
            "Pause": self._pause,
            "Connect": self._connect,
            "Start": self._start,
            "Dial": self._dial,
            "Record": self._record,
            "Gather": self._gather,
            "Redirect": self._redirect,
            "Hangup": self._hangup,
            "Reject": self._reject,
        }

    def verb(self, element: Element) -> Verb | None:
        """One child of ``<Response>``; None for what Twilio passes over."""
        reader = self._readers.get(element.tag)
        if reader is None:
            self._warn(f"<{element.tag}> is no verb")
            return None
        return reader(element)

    def _say(self, element: Element) -> Say:
        self._known(element)
        return Say(text=_words(element))

    def _play(self, element: Element) -> Play:
        self._known(element)
        return Play(url=self._absolute(_words(element)), digits=element.get("digits", ""))

    def _pause(self, element: Element) -> Pause:
        self._known(element)
        return Pause(length_s=self._number(element, "length", 1))

    def _connect(self, element: Element) -> Connect | None:
        self._known(element)
        streams = [child for child in element if child.tag == "Stream"]
        for child in element:
            if child.tag != "Stream":
                self._warn(f"<{child.tag}> in <Connect> is not played")
        if not streams:
            self._warn("<Connect> without a <Stream>")
            return None
        fault = None
        if len(streams) > 1:
            fault = Notice(BAD_TRACK, "a call has one two-way stream")
        return Connect(
            stream=self._stream(streams[0], fault),
            action_url=self._optional(element, "action"),
            method=element.get("method", "POST").upper(),
        )

    def _stream(self, element: Element, fault: Notice | None) -> StreamNoun:
        self._known(element)
        parameters: dict[str, str] = {}
        for child in element:
            if child.tag != "Parameter":
                self._warn(f"<{child.tag}> in <Stream>")
                continue
            self._known(child)
            name, value = child.get("name", ""), child.get("value", "")
            if len(name) + len(value) >= _MOST_PARAMETER_CHARACTERS:
                fault = Notice(BAD_MESSAGE, f"parameter {name} has 500 characters or more")
            parameters[name] = value
        url = element.get("url", "")
        if "://" not in url:
            url = urljoin(_as_socket(self._url), url)
        track = element.get("track", "inbound_track")
        return StreamNoun(
            url=url,
            name=element.get("name", ""),
            track=track,
            parameters=parameters,
            status_callback_url=self._optional(element, "statusCallback"),
            status_callback_method=element.get("statusCallbackMethod", "POST").upper(),
            fault=fault or _stream_fault(url, track),
        )

    def _start(self, element: Element) -> Fork:
        self._known(element)
        return Fork(what=", ".join(child.tag for child in element))

    def _dial(self, element: Element) -> Dial:
        self._known(element)
        targets = [f"{child.tag} {_words(child)}" for child in element]
        return Dial(
            to=", ".join(targets) or _words(element),
            action_url=self._optional(element, "action"),
            method=element.get("method", "POST").upper(),
        )

    def _record(self, element: Element) -> Record:
        self._known(element)
        return Record(
            action_url=self._optional(element, "action"),
            method=element.get("method", "POST").upper(),
            longest_s=self._number(element, "maxLength", 3600),
        )

    def _gather(self, element: Element) -> Gather:
        self._known(element)
        prompts = [self.verb(child) for child in element if child.tag in ("Say", "Play", "Pause")]
        most = element.get("numDigits")
        return Gather(
            prompts=tuple(verb for verb in prompts if isinstance(verb, Say | Play | Pause)),
            action_url=self._optional(element, "action"),
            method=element.get("method", "POST").upper(),
            timeout_s=self._number(element, "timeout", 5),
            most_digits=int(most) if most and most.isdigit() else None,
            finish_on_key=element.get("finishOnKey", "#"),
            even_if_empty=element.get("actionOnEmptyResult", "false").lower() == "true",
        )

    def _redirect(self, element: Element) -> Redirect:
        self._known(element)
        return Redirect(
            url=self._absolute(_words(element)), method=element.get("method", "POST").upper()
        )

    def _hangup(self, element: Element) -> Hangup:
        self._known(element)
        return Hangup()

    def _reject(self, element: Element) -> Reject:
        self._known(element)
        return Reject(reason=element.get("reason", "rejected"))

    def _known(self, element: Element) -> None:
        for name in sorted(element.attrib.keys() - _ATTRIBUTES.get(element.tag, frozenset())):
            self._warn(f"<{element.tag}> has no attribute {name}")

    def _optional(self, element: Element, attribute: str) -> str | None:
        value = element.get(attribute)
        return self._absolute(value) if value else None

    def _absolute(self, url: str) -> str:
        return urljoin(self._url, url) if url else ""

    def _number(self, element: Element, attribute: str, default: float) -> float:
        text = element.get(attribute)
        if text is None:
            return default
        try:
            return float(text)
        except ValueError:
            self._warn(f"{attribute} of <{element.tag}> is not a number")
            return default

    def _warn(self, why: str) -> None:
        self.notices.append(Notice(SCHEMA_WARNING, why))


def _stream_fault(url: str, track: str) -> Notice | None:
    parts = urlsplit(url)
    if not parts.hostname:
        return Notice(BAD_URL, f"{url} is no URL")
    if parts.scheme != "wss" and not (parts.scheme == "ws" and _on_loopback(parts.hostname)):
        return Notice(NOT_WSS, f"{parts.scheme}:// in place of wss://")
    if parts.query:
        return Notice(NOT_CONNECTED, "a query string in the stream's URL")
    if track != "inbound_track":
        known = "not for a two-way stream" if track in _TRACKS else "unknown"
        return Notice(BAD_TRACK, f"track {track} is {known}")
    return None


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_socket(url: str) -> str:
    # urljoin resolves a relative reference within one scheme only.
    scheme, separator, rest = url.partition("://")
    return {"https": "wss", "http": "ws"}.get(scheme, scheme) + separator + rest


def _words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    tag: frozenset(names.split())
    for tag, names in {
        "Say": "voice language loop",
        "Play": "loop digits",
        "Pause": "length",
        "Connect": "action method",
        "Stream": "url name track statusCallback statusCallbackMethod connectorName audioFormat "
        "sampleRate",
        "Parameter": "name value",
        "Start": "action method",
        "Dial": "action method timeout hangupOnStar timeLimit callerId record trim answerOnBridge "
        "ringTone recordingTrack recordingStatusCallback recordingStatusCallbackMethod "
        "recordingStatusCallbackEvent sequential referUrl referMethod events",
        "Record": "action method timeout finishOnKey maxLength playBeep trim transcribe "
        "transcribeCallback recordingStatusCallback recordingStatusCallbackMethod "
        "recordingStatusCallbackEvent",
        "Gather": "action method input timeout speechTimeout maxSpeechTime profanityFilter "
        "finishOnKey numDigits partialResultCallback partialResultCallbackMethod language hints "
        "bargeIn debug actionOnEmptyResult speechModel enhanced",
        "Redirect": "method",
        "Hangup": "",
        "Reject": "reason",
    }.items()
}
