"""Queues that count as served although no worker runs, for tests that play the worker by hand."""

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError, ConnectionError
from redis.retry import Retry

from tools import keys
from tools.catalog import QUEUES


def count_as_served(redis_url: str) -> None:
    """As if for every queue a worker were about to start, for as long as any test takes."""
    errors = (OSError, ConnectionError, BusyLoadingError)
    starting = Retry(ConstantBackoff(0.02), 500, supported_errors=errors)
    with redis.Redis.from_url(redis_url, retry=starting) as client:
        seconds, _ = client.time()
        client.zadd(keys.ALIVE_KEY, {keys.alive_name(QUEUES, ""): (seconds + 3600) * 1000})
