import pytest

from tools.catalog import QUEUES
from worker.settings import load


def test_a_worker_serves_every_queue_unless_told_otherwise() -> None:
    settings = load({})

    assert settings.queues == QUEUES
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.worker_slots == 10


def test_queues_keep_their_order_and_lose_their_doubles() -> None:
    assert load({"WORKER_QUEUES": "lookup, booking,lookup"}).queues == ("lookup", "booking")


def test_queues_come_in_groups_each_with_processes_of_its_own() -> None:
    settings = load({"WORKER_QUEUES": "booking ;lookup, booking", "WORKER_PROCESSES": "2"})

    assert settings.groups == (("booking",), ("lookup", "booking"))
    assert settings.queues == ("booking", "lookup")
    assert settings.worker_processes == 2


def test_by_default_every_queue_is_in_one_group() -> None:
    names = [name for group in load({}).groups for name in group]

    assert sorted(names) == sorted(QUEUES)
    assert len(load({}).groups) > 1


def test_a_variable_set_to_nothing_is_not_set_and_strangers_are_passed_over() -> None:
    assert load({"WORKER_SLOTS": "", "PATH": "/bin", "PORT": "80"}).worker_slots == 10


@pytest.mark.parametrize(
    "url", ["https://llm.example.com/v1", "http://localhost:11434/v1", "http://[::1]:8000"]
)
def test_an_endpoint_for_summaries_has_an_address_and_a_model(url: str) -> None:
    settings = load({"SUMMARY_URL": url, "SUMMARY_MODEL": "small", "SUMMARY_API_KEY": "sk-1_a"})

    assert (settings.summary_url, settings.summary_model) == (url, "small")


def test_without_an_endpoint_nobody_is_asked_for_summaries() -> None:
    assert load({}).summary_url == ""


ACCOUNT = f"AC{'0' * 32}"
TWILIO = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "new, old"}
KEY = {"TWILIO_API_KEY_SID": "SK1", "TWILIO_API_KEY_SECRET": "secret"}


@pytest.mark.parametrize(
    ("environ", "credentials"),
    [
        ({}, None),
        ({"TWILIO_ACCOUNT_SID": ACCOUNT}, None),
        ({"TWILIO_AUTH_TOKEN": "token"}, None),
        (TWILIO, (ACCOUNT, "new")),
        (TWILIO | KEY, ("SK1", "secret")),
        (TWILIO | {"TWILIO_API_URL": "off"}, None),
        (TWILIO | {"TWILIO_API_URL": "http://127.0.0.1:8082"}, (ACCOUNT, "new")),
    ],
)
def test_texts_are_sent_by_key_or_token_where_there_is_an_account(
    environ: dict[str, str], credentials: tuple[str, str] | None
) -> None:
    assert load(environ).twilio_credentials == credentials


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"TWILIO_ACCOUNT_SID": "AC/../x"}, "TWILIO_ACCOUNT_SID: expected AC and 32"),
        ({"TWILIO_API_KEY_SID": "SK1"}, "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: one without"),
        ({"TWILIO_API_URL": "http://api.twilio.com"}, "TWILIO_API_URL: http:// is for loopback"),
        ({"WORKER_QUEUES": "tea"}, "WORKER_QUEUES: expected names out of"),
        ({"WORKER_QUEUES": ","}, "WORKER_QUEUES"),
        ({"WORKER_QUEUES": "booking;"}, "WORKER_QUEUES"),
        ({"WORKER_PROCESSES": "0"}, "WORKER_PROCESSES: expected int >= 1"),
        ({"WORKER_HANGS_AFTER_S": "0.5"}, "WORKER_HANGS_AFTER_S: expected float >= 1"),
        ({"WORKER_RETIRES_AFTER": "-1"}, "WORKER_RETIRES_AFTER: expected int >= 0"),
        ({"WORKER_SLOTS": "many"}, "WORKER_SLOTS"),
        ({"WORKER_SLOTS": "0"}, "WORKER_SLOTS: expected int >= 1"),
        ({"WORKER_SLOTS": "100000000"}, "WORKER_SLOTS: expected int <= 1000"),
        ({"WORKER_DRAIN_S": "-3"}, "WORKER_DRAIN_S: expected float >= 0"),
        ({"WORKER_DRAIN_S": "nan"}, "WORKER_DRAIN_S"),
        ({"WORKER_DRAIN_S": "inf"}, "WORKER_DRAIN_S"),
        ({"SUMMARY_URL": "https://llm.example.com/v1"}, "SUMMARY_MODEL: required where"),
        ({"SUMMARY_URL": "llm.example.com"}, "SUMMARY_URL: expected https"),
        ({"SUMMARY_URL": "https://"}, "SUMMARY_URL: expected https"),
        ({"SUMMARY_URL": "https://[::1"}, "SUMMARY_URL: expected https"),
        ({"SUMMARY_URL": "ftp://llm.example.com"}, "SUMMARY_URL: expected https"),
        ({"SUMMARY_URL": "http://llm.example.com/v1"}, "SUMMARY_URL: http:// is for loopback"),
        ({"SUMMARY_API_KEY": "two words"}, "SUMMARY_API_KEY: expected"),
        ({"SUMMARY_API_KEY": "line\n"}, "SUMMARY_API_KEY: expected"),
        ({"SUMMARY_API_KEY": "schlüssel"}, "SUMMARY_API_KEY: expected"),
    ],
)
def test_a_wrong_value_is_named(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load(environ)
