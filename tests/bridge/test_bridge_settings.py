import pytest

from bridge import settings as environment
from bridge.errors import BadConfiguration

NEEDED = {
    "PUBLIC_URL": "https://bridge.example.com",
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "secret-token",
    "DEEPGRAM_API_KEY": "secret-key",
}


def load(**changes: str) -> environment.Settings:
    return environment.load(NEEDED | changes)


@pytest.mark.parametrize("name", NEEDED)
def test_what_has_no_default_must_be_given(name: str) -> None:
    given = {other: value for other, value in NEEDED.items() if other != name}

    with pytest.raises(BadConfiguration, match=name):
        environment.load(given)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_empty_was_not_given(name: str) -> None:
    with pytest.raises(BadConfiguration, match=name):
        load(**{name: ""})


def test_an_empty_setting_has_its_default() -> None:
    assert load(PORT="", REDIS_URL="").port == 8080


def test_a_call_may_outlast_the_agents_session() -> None:
    assert load().longest_call_s == 10_800
    assert load(LONGEST_CALL_S="21600").longest_call_s == 21_600


def test_numbers_and_switches_are_read_from_text() -> None:
    settings = load(PORT="9000", DRAIN_S="2.5", ADMIN_IN_WEB="1")

    assert (settings.port, settings.drain_s, settings.admin_in_web) == (9000, 2.5, True)


def test_what_is_not_ours_is_passed_over() -> None:
    assert load(HOME="/root", PATH="/bin").public_url == NEEDED["PUBLIC_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "secret-port"),
        ("PORT", "70000"),
        ("DRAIN_S", "-1"),
        ("LONGEST_CALL_S", "21601"),
        ("START_PATIENCE_S", "0"),
        ("RESUME_LIMIT", "secret-limit"),
        ("ADMIN_IN_WEB", "secret-maybe"),
        ("PUBLIC_URL", "secret-host"),
        ("PUBLIC_URL", "ftp://secret.example.com"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://bridge.example.com/?secret=1"),
        ("PUBLIC_URL", "https://[secret"),
        ("PUBLIC_URL", "https://bridge.example.com:secret"),
        ("DEEPGRAM_AGENT_URL", "https://secret.example.com"),
        ("DEEPGRAM_API_URL", "wss://secret.example.com"),
        ("TWILIO_AUTH_TOKEN", " , "),
    ],
)
def test_what_is_wrong_is_named_and_its_value_never_repeated(name: str, value: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        load(**{name: value})

    assert name in str(refused.value).upper()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://bridge.example.com"),
        ("PUBLIC_URL", "ws://10.0.0.1"),
        ("PUBLIC_URL", "http://localhost.example.com"),
        ("DEEPGRAM_AGENT_URL", "ws://agent.example.com/v1"),
        ("DEEPGRAM_API_URL", "http://192.168.1.5"),
    ],
)
def test_what_is_not_encrypted_is_for_this_machine_only(name: str, value: str) -> None:
    with pytest.raises(BadConfiguration, match=f"{name}: .* loopback"):
        load(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://localhost:8080"),
        ("PUBLIC_URL", "ws://127.0.0.1:8080"),
        ("DEEPGRAM_AGENT_URL", "ws://[::1]:8082/v1/agent/converse"),
        ("DEEPGRAM_API_URL", "http://127.0.0.1:8082"),
    ],
)
def test_on_this_machine_nothing_needs_to_be_encrypted(name: str, value: str) -> None:
    assert getattr(load(**{name: value}), name.lower()) == value


@pytest.mark.parametrize(
    ("public_url", "stream_url", "webhook"),
    [
        ("https://a.example.com", "wss://a.example.com/twilio/media", "https://a.example.com/x"),
        ("https://a.example.com/", "wss://a.example.com/twilio/media", "https://a.example.com/x"),
        ("wss://a.example.com", "wss://a.example.com/twilio/media", "https://a.example.com/x"),
        ("http://localhost:1", "ws://localhost:1/twilio/media", "http://localhost:1/x"),
    ],
)
def test_addresses_follow_from_the_public_one(
    public_url: str, stream_url: str, webhook: str
) -> None:
    settings = load(PUBLIC_URL=public_url)

    assert (settings.stream_url, settings.url("/x")) == (stream_url, webhook)


def test_two_tokens_may_sign_while_one_is_rotated() -> None:
    assert load(TWILIO_AUTH_TOKEN="new , old").signing_tokens == ["new", "old"]
