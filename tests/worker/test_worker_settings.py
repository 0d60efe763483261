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


def test_a_variable_set_to_nothing_is_not_set_and_strangers_are_passed_over() -> None:
    assert load({"WORKER_SLOTS": "", "PATH": "/bin", "PORT": "80"}).worker_slots == 10


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"WORKER_QUEUES": "tea"}, "WORKER_QUEUES: expected names out of"),
        ({"WORKER_QUEUES": ","}, "WORKER_QUEUES"),
        ({"WORKER_SLOTS": "many"}, "WORKER_SLOTS"),
        ({"WORKER_SLOTS": "0"}, "WORKER_SLOTS: expected int >= 1"),
        ({"WORKER_SLOTS": "100000000"}, "WORKER_SLOTS: expected int <= 1000"),
        ({"WORKER_DRAIN_S": "-3"}, "WORKER_DRAIN_S: expected float >= 0"),
        ({"WORKER_DRAIN_S": "nan"}, "WORKER_DRAIN_S"),
        ({"WORKER_DRAIN_S": "inf"}, "WORKER_DRAIN_S"),
    ],
)
def test_a_wrong_value_is_named(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        load(environ)
