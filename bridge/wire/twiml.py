"""The XML that tells Twilio what a call does next (twilio-voice.md sections 1.1, 1.2, 1.7, 5).

Leaves which document a call gets to ``bridge.routes``. What Twilio would refuse, sometimes in
silence, raises ``ValueError`` here, so that it is found at start and not in a call.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

CONTENT_TYPE = "text/xml; charset=utf-8"

NEXT_STEP_OVERRIDES = "rc=4&rp=all&ct=1500&rt=4000"
"""How Twilio asks for a call's next document: four retries whatever went wrong (by default a 502
in the middle of a deploy is not retried and ends the call), each given up early enough that more
than one fits into the hard 15 s (3.4)."""

STATUS_OVERRIDES = "rc=2&rp=all"
"""How Twilio delivers a stream's status: worth two retries, never the call."""

PARAMETER_CHARACTERS = 500
"""A parameter's name and value together stay under this (1.1)."""

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def connect_stream(
    *,
    stream_url: str,
    action_url: str,
    parameters: Mapping[str, str],
    name: str | None = None,
    status_callback_url: str | None = None,
) -> str:
    """Connects the caller to a media WebSocket, and says what follows when it is lost (1.7).

    ``action`` and the trailing ``<Redirect>`` are the same URL: whichever of the two Twilio takes
    for a given kind of loss, the same idempotent endpoint answers.

    Args:
        stream_url: ``wss://…`` without a query string; ``ws://`` on a loopback address only.
        action_url: Absolute, without fragment: the retry overrides are added here.
        parameters: What arrives as ``start.customParameters``: the token, the generation.
        name: Label that returns as ``StreamName`` in the status callback.
        status_callback_url: Absolute, without fragment. Told when the stream starts, stops, fails.

    Raises:
        ValueError: Twilio would refuse this document.
    """
    _check_stream_url(stream_url)
    next_step = _with_overrides(action_url, NEXT_STEP_OVERRIDES)
    response = Element("Response")
    connect = SubElement(response, "Connect", action=next_step, method="POST")
    stream = SubElement(connect, "Stream", url=stream_url)
    if name is not None:
        stream.set("name", _xml_text(name))
    if status_callback_url is not None:
        stream.set("statusCallback", _with_overrides(status_callback_url, STATUS_OVERRIDES))
    for parameter, value in parameters.items():
        if not parameter or len(parameter) + len(value) >= PARAMETER_CHARACTERS:
            raise ValueError(
                f"parameter {parameter!r}: name and value must be under "
                f"{PARAMETER_CHARACTERS} characters together"
            )
        SubElement(stream, "Parameter", name=_xml_text(parameter), value=_xml_text(value))
    SubElement(response, "Redirect", method="POST").text = next_step
    return _document(response)


def say_and_hang_up(text: str, *, voice: str | None = None, language: str | None = None) -> str:
    """Speaks one text in Twilio's own voice and ends the call."""
    response = Element("Response")
    _say(response, text, voice, language)
    SubElement(response, "Hangup")
    return _document(response)


def say_and_redirect(
    text: str,
    *,
    pause_s: int,
    url: str,
    voice: str | None = None,
    language: str | None = None,
) -> str:
    """Speaks one text, is silent for so many seconds, and asks for the next document.

    Raises:
        ValueError: ``url`` is not an absolute http URL without fragment.
    """
    response = Element("Response")
    _say(response, text, voice, language)
    SubElement(response, "Pause", length=str(pause_s))
    SubElement(response, "Redirect", method="POST").text = _with_overrides(url, NEXT_STEP_OVERRIDES)
    return _document(response)


def dial(
    number: str,
    *,
    action_url: str | None = None,
    caller_id: str | None = None,
    timeout_s: int = 30,
    say: str | None = None,
    voice: str | None = None,
    language: str | None = None,
) -> str:
    """Puts the caller through to a person (5.4).

    Without ``action_url`` the call ends with the conversation, or when nobody answers. The caller
    hears ringing, not an answered silence (``answerOnBridge``).

    Args:
        number: The telephone number that is called.
        action_url: Absolute, without fragment. Asked what follows, with ``DialCallStatus``.
        caller_id: The number shown: the caller's own, or one that is ours.
        timeout_s: Whole seconds it may ring.
        say: Words before it rings.
        voice: Twilio's voice for ``say``.
        language: Language of ``say``.

    Raises:
        ValueError: ``action_url`` is not an absolute http URL without fragment.
    """
    response = Element("Response")
    if say is not None:
        _say(response, say, voice, language)
    call = SubElement(response, "Dial", answerOnBridge="true", timeout=str(timeout_s))
    if caller_id is not None:
        call.set("callerId", _xml_text(caller_id))
    if action_url is not None:
        call.set("action", _with_overrides(action_url, NEXT_STEP_OVERRIDES))
        call.set("method", "POST")
    SubElement(call, "Number").text = _xml_text(number)
    return _document(response)


def voicemail(
    *,
    say: str,
    action_url: str,
    recording_status_callback_url: str | None = None,
    max_length_s: int = 180,
    silence_s: int = 5,
    finish_on_key: str = "#",
    voice: str | None = None,
    language: str | None = None,
) -> str:
    """Asks for a message and records it (5.6).

    ``action_url`` is not optional: without it Twilio asks for the current document again, in a
    loop. A caller who stays silent reaches the hang-up behind the recording.

    Args:
        say: Words before the beep.
        action_url: Absolute, without fragment. Asked what follows a recorded message.
        recording_status_callback_url: Absolute, without fragment. Told when the file is ready.
        max_length_s: Whole seconds a message may last.
        silence_s: Whole seconds of silence that end it.
        finish_on_key: Keys that end it.
        voice: Twilio's voice for ``say``.
        language: Language of ``say``.

    Raises:
        ValueError: a URL is not an absolute http one without fragment.
    """
    response = Element("Response")
    _say(response, say, voice, language)
    record = SubElement(
        response,
        "Record",
        action=_with_overrides(action_url, NEXT_STEP_OVERRIDES),
        method="POST",
        maxLength=str(max_length_s),
        timeout=str(silence_s),
        finishOnKey=_xml_text(finish_on_key),
        playBeep="true",
    )
    if recording_status_callback_url is not None:
        told = _with_overrides(recording_status_callback_url, STATUS_OVERRIDES)
        record.set("recordingStatusCallback", told)
        record.set("recordingStatusCallbackEvent", "completed absent")
    SubElement(response, "Hangup")
    return _document(response)


def redirect(url: str) -> str:
    """Asks for the next document at another address (absolute, without fragment).

    Raises:
        ValueError: ``url`` is not an absolute http URL without fragment.
    """
    response = Element("Response")
    SubElement(response, "Redirect", method="POST").text = _with_overrides(url, NEXT_STEP_OVERRIDES)
    return _document(response)


def hangup() -> str:
    """Ends the call."""
    response = Element("Response")
    SubElement(response, "Hangup")
    return _document(response)


def empty() -> str:
    """Nothing more to do: right for a call that is already over."""
    return _document(Element("Response"))


def _say(response: Element, text: str, voice: str | None, language: str | None) -> None:
    said = SubElement(response, "Say")
    if voice is not None:
        said.set("voice", _xml_text(voice))
    if language is not None:
        said.set("language", _xml_text(language))
    said.text = _xml_text(text)


def _check_stream_url(url: str) -> None:
    parts = urlsplit(url)
    if "?" in url or "#" in url:
        # "Not ignored, it can break the handshake": error 31920. Fragments: unconfirmed (1.7).
        raise ValueError("a stream URL takes no query string and no fragment")
    if parts.scheme == "ws" and _is_loopback(parts.hostname):
        return
    if parts.scheme != "wss" or not parts.hostname:
        raise ValueError("a stream URL is wss://…; ws:// on a loopback address only")


def _is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_overrides(url: str, overrides: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or "#" in url:
        raise ValueError("a callback URL is absolute, http or https, and has no fragment")
    return _xml_text(f"{url}#{overrides}")


def _xml_text(text: str) -> str:
    return "".join(character for character in text if _is_xml_character(ord(character)))


def _is_xml_character(code: int) -> bool:
    # XML 1.0 section 2.2: anything else makes the whole document unreadable (error 12100).
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def _document(response: Element) -> str:
    return _DECLARATION + tostring(response, encoding="unicode")
