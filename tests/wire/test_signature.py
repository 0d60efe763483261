"""Signatures: the published vectors, and agreement with Twilio's own library."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from bridge.wire import signature

TOKEN = "12345"
DOCUMENTED = (
    "https://example.com/myapp.php?foo=1&bar=2",
    [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ],
    "L/OH5YylLD5NRKLltdqwSvS0BnU=",
)
MEDIA = "wss://bridge.example.com/twilio/media"
MEDIA_SIGNED = "hGVJmeOLwZmJhPeWsyRDIvgH8Zc="
MEDIA_SLASH_SIGNED = "K34XpNWz3mSbbFwtWeDWONZkGSc="
MEDIA_HTTPS_SIGNED = "lZEvGu0Z5D37/G+S9TnXfxg6Af0="
HOOK = (
    "https://bridge.example.com/hook"
    "?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
)
HOOK_SIGNED = "86fdVKcdq5XPvIuv3q7XGXcK9L8="
HOOK_BODY = b'{"a":1}'


class FormFields:
    """Form fields as a web framework hands them to the library: ``getlist`` and names."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        return (name for name, _ in self.pairs)

    def __len__(self):
        return len(self.pairs)

    def getlist(self, wanted):
        return [value for name, value in self.pairs if name == wanted]


@pytest.mark.parametrize(
    ("url", "params", "expected"),
    [
        DOCUMENTED,
        (MEDIA, [], MEDIA_SIGNED),
        (MEDIA + "/", [], MEDIA_SLASH_SIGNED),
        (MEDIA.replace("wss", "https"), [], MEDIA_HTTPS_SIGNED),
        (HOOK, [], HOOK_SIGNED),
    ],
)
def test_the_published_vectors_are_signed_and_verified(url, params, expected) -> None:
    assert signature.sign(url, params, TOKEN) == expected
    assert signature.verify(expected, url, params, [TOKEN])


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": "L/OH5YylLD5NRKLltdqwSvS0BnU"},
        {"signature": "l/OH5YylLD5NRKLltdqwSvS0BnU="},
        {"signature": "\xe9\udc80"},
        {"url": "https://example.com/myapp.php?foo=1&bar=3"},
        {"url": "https://example.com/myapp.php"},
        {"url": "http://example.com/myapp.php?foo=1&bar=2"},
        {"url": "https://example.org/myapp.php?foo=1&bar=2"},
        {"params": []},
        {"params": [*DOCUMENTED[1], ("Extra", "1")]},
        {"params": [*DOCUMENTED[1], ("Digits", "5678")]},
        {"params": [(name, value + " ") for name, value in DOCUMENTED[1]]},
        {"tokens": ["54321"]},
        {"tokens": []},
    ],
)
def test_whatever_is_changed_the_request_is_refused(change) -> None:
    url, params, signed = DOCUMENTED
    genuine = {"signature": signed, "url": url, "params": params, "tokens": [TOKEN]}

    assert signature.verify(**genuine)
    assert not signature.verify(**{**genuine, **change})


def test_an_empty_token_signs_nothing_that_is_believed() -> None:
    forged = signature.sign(MEDIA, [], "")

    assert not signature.verify(forged, MEDIA, [], [""])
    assert not signature.verify_handshake(forged, MEDIA, ["", TOKEN])


@pytest.mark.parametrize("current", ["old", "new"])
def test_two_tokens_are_good_while_one_is_rotated(current) -> None:
    url, params, _ = DOCUMENTED

    assert signature.verify(signature.sign(url, params, current), url, params, ["new", "old"])


def test_tokens_may_come_from_a_generator() -> None:
    url, params, signed = DOCUMENTED

    assert signature.verify(signed, url, iter(params), (token for token in ["x", TOKEN]))


def test_the_fragment_is_not_signed() -> None:
    url, params, signed = DOCUMENTED

    assert signature.sign(url + "#rc=4&rp=all", params, TOKEN) == signed
    assert signature.verify(signed, url + "#rc=4&rp=all", params, [TOKEN])


def test_user_information_is_not_signed() -> None:
    signed = signature.sign("https://example.com/voice", [], TOKEN)

    assert signature.verify(signed, "https://user:pa:ss@example.com/voice", [], [TOKEN])
    assert signature.verify(signed, "https://user:pa:ss@example.com:443/voice", [], [TOKEN])


@pytest.mark.parametrize(
    ("signed", "configured"),
    [
        ("https://example.com/v", "https://example.com:443/v"),
        ("https://example.com:443/v", "https://example.com/v"),
        ("https://example.com/v", "https://example.com:8443/v"),
        ("http://example.com:80/v?a=1", "http://example.com/v?a=1"),
        ("http://127.0.0.1:8080/v", "http://127.0.0.1:8080/v"),
        ("https://[::1]:443/v", "https://[::1]/v"),
        ("https://[::1]/v", "https://[::1]:8443/v"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:443?a=/1", "https://example.com?a=/1"),
    ],
)
def test_the_port_may_be_signed_or_not(signed, configured) -> None:
    assert signature.verify(signature.sign(signed, [], TOKEN), configured, [], [TOKEN])


@pytest.mark.parametrize("url", [MEDIA, MEDIA + "/"])
@pytest.mark.parametrize("signed", [MEDIA_SIGNED, MEDIA_SLASH_SIGNED])
def test_a_handshake_is_genuine_with_and_without_a_trailing_slash(signed, url) -> None:
    assert signature.verify_handshake(signed, url, [TOKEN])
    assert not signature.matches_https_form(signed, url, [TOKEN])


def test_a_handshake_signed_over_https_is_refused_and_told_apart() -> None:
    assert not signature.verify_handshake(MEDIA_HTTPS_SIGNED, MEDIA, [TOKEN])
    assert signature.matches_https_form(MEDIA_HTTPS_SIGNED, MEDIA, [TOKEN])
    assert not signature.matches_https_form(MEDIA_HTTPS_SIGNED, MEDIA, ["54321"])


def test_a_handshake_on_loopback_is_told_apart_too() -> None:
    signed = signature.sign("http://127.0.0.1:8080/twilio/media", [], TOKEN)
    url = "ws://127.0.0.1:8080/twilio/media"

    assert not signature.verify_handshake(signed, url, [TOKEN])
    assert signature.matches_https_form(signed, url, [TOKEN])


def test_a_json_body_is_genuine_if_url_and_hash_agree() -> None:
    assert signature.verify_body(HOOK_SIGNED, HOOK, HOOK_BODY, [TOKEN])
    assert not signature.verify_body(HOOK_SIGNED, HOOK, b'{"a":2}', [TOKEN])
    assert not signature.verify_body(HOOK_SIGNED, HOOK.replace("015", "016"), HOOK_BODY, [TOKEN])
    assert not signature.verify_body(HOOK_SIGNED, HOOK, HOOK_BODY, ["54321"])


def test_a_json_body_without_its_hash_in_the_url_is_refused() -> None:
    url = "https://bridge.example.com/hook"

    assert not signature.verify_body(signature.sign(url, [], TOKEN), url, b"", [TOKEN])


def test_a_form_keeps_its_blanks_repetitions_and_spaces() -> None:
    body = b"From=%2B15550100&CallerName=&Event=a&Event=b&Say=+h%C3%A9+"

    assert signature.form_parameters(body) == [
        ("From", "+15550100"),
        ("CallerName", ""),
        ("Event", "a"),
        ("Event", "b"),
        ("Say", " hé "),
    ]


@given(body=st.binary(max_size=200))
def test_any_body_can_be_read_as_a_form_and_checked(body) -> None:
    params = signature.form_parameters(body)

    assert signature.verify(signature.sign(MEDIA, params, TOKEN), MEDIA, params, [TOKEN])


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.sampled_from(["From", "To", "from", "CallSid", "Digits", "Ünïcode", ""]) | TEXT
PAIRS = st.lists(st.tuples(NAMES, st.just("") | TEXT), max_size=8)
HOSTS = st.sampled_from(["example.com", "bridge.example.com", "127.0.0.1", "localhost"])
PORTS = st.sampled_from(["", ":80", ":443", ":8080"])
PATHS = st.text("abc/-_.~%20", max_size=10).map(lambda path: "/" + path.lstrip("/"))
QUERIES = st.sampled_from(["", "?a=1", "?a=1&b=", "?q=a%20b&src=watchdog"])
SCHEMES = st.sampled_from(["https", "http"])
URLS = st.builds(
    lambda scheme, *rest: scheme + "://" + "".join(rest), SCHEMES, HOSTS, PORTS, PATHS, QUERIES
)


@settings(max_examples=200, deadline=None)
@given(url=URLS, pairs=PAIRS, token=st.text(min_size=1, max_size=40).filter(str.isascii))
def test_we_sign_as_the_official_library_does(url, pairs, token) -> None:
    theirs = RequestValidator(token).compute_signature(url, FormFields(pairs))

    assert signature.sign(url, pairs, token) == theirs


@settings(max_examples=200, deadline=None)
@given(signed=URLS, asked=URLS, pairs=PAIRS, others=PAIRS, same_url=st.booleans())
def test_we_believe_what_the_official_library_believes(
    signed, asked, pairs, others, same_url
) -> None:
    asked = signed if same_url else asked
    given_signature = signature.sign(signed, pairs, TOKEN)
    theirs = RequestValidator(TOKEN)

    for params in (pairs, others):
        believed = theirs.validate(asked, FormFields(params), given_signature)
        assert signature.verify(given_signature, asked, params, [TOKEN]) is believed


@given(url=URLS.map(lambda url: url.replace("http", "ws", 1)))
def test_the_official_library_believes_the_same_handshakes(url) -> None:
    signed = signature.sign(url, [], TOKEN)

    assert signature.verify_handshake(signed, url, [TOKEN])
    assert signature.verify(signed, url, [], [TOKEN])


@settings(deadline=None)
@given(body=st.text(st.characters(exclude_categories=["Cs"]), max_size=30), other=st.booleans())
def test_the_official_library_believes_the_same_json_bodies(body, other) -> None:
    theirs = RequestValidator(TOKEN)
    url = f"https://bridge.example.com/hook?bodySHA256={theirs.compute_hash(body)}"
    signed = signature.sign(url, [], TOKEN)
    received = body + "!" if other else body

    believed = theirs.validate(url, received, signed)

    assert signature.verify_body(signed, url, received.encode(), [TOKEN]) is believed
