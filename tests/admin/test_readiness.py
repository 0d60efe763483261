"""A process that lives but cannot be asked anything is told by its name."""

import pytest

from admin import readiness
from admin.errors import NotReady


async def test_what_does_not_become_ready_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "READY_WITHIN_S", 0.0)

    with pytest.raises(NotReady, match="web was not ready"):
        await readiness.answered("web", "http://127.0.0.1:9/readyz")
    with pytest.raises(NotReady, match="simulator was not ready"):
        await readiness.accepts("simulator", 9)
    with pytest.raises(NotReady, match="worker was not ready"):
        await readiness.served("worker", "redis://127.0.0.1:9")


async def test_a_worker_is_ready_when_every_queue_is_served(
    monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(readiness, "READY_WITHIN_S", 0.0)

    with pytest.raises(NotReady, match="worker"):
        await readiness.served("worker", redis_url)
