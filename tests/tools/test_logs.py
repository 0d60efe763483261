import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from tools import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_what_was_bound_at_the_entry() -> None:
    stream = io.StringIO()
    logs.configure("worker", stream=stream)
    structlog.contextvars.bind_contextvars(call_sid="CA1")

    structlog.get_logger().info("job_done", took_ms=3)

    [line] = lines(stream)
    assert line["event"] == "job_done"
    assert line["call_sid"] == "CA1"
    assert line["process"] == "worker"
    assert line["took_ms"] == 3
    assert str(line["timestamp"]).endswith("Z")


def test_what_a_caller_said_is_masked_unless_asked_for() -> None:
    masked, shown = io.StringIO(), io.StringIO()
    for stream, show in ((masked, False), (shown, True)):
        logs.configure("bridge", stream=stream, show_pii=show)
        structlog.get_logger().info("heard", **{"pii.text": "I am Ann Lee"})

    assert "Ann" not in masked.getvalue()
    assert lines(shown)[0]["pii.text"] == "I am Ann Lee"


def test_the_libraries_are_in_the_same_shape_and_arq_does_not_tell_arguments() -> None:
    stream = io.StringIO()
    logs.configure("worker", level="debug", stream=stream)

    logging.getLogger("arq.worker").info("→ book_appointment(Ann Lee)")
    logging.getLogger("some.library").warning("odd")

    [line] = lines(stream)
    assert line["event"] == "odd"
    assert line["logger"] == "some.library"
    assert line["level"] == "warning"


def test_an_exception_is_in_its_line() -> None:
    stream = io.StringIO()
    logs.configure("worker", stream=stream)
    try:
        raise ValueError("ours")
    except ValueError:
        structlog.get_logger().exception("job_failed")

    assert "ValueError: ours" in str(lines(stream)[0]["exception"])


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ValueError, match="expected DEBUG"):
        logs.configure("worker", level="LOUD")


class _Pipe(io.StringIO):
    """A pipe whose reader can be slow, or dead."""

    def __init__(self, *, dead: bool = False) -> None:
        super().__init__()
        self.dead = dead
        self.reading = threading.Event()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.reading.wait()
        if self.dead:
            raise BrokenPipeError
        return super().write(text)


def test_a_dead_reader_fails_nobody() -> None:
    pipe = _Pipe(dead=True)
    pipe.reading.set()
    outlet = logs.Outlet(pipe)

    outlet.write("a line\n")
    outlet.close()

    assert pipe.asked.is_set()


def test_a_slow_reader_holds_nobody_up_and_costs_the_newest_lines() -> None:
    pipe = _Pipe()
    outlet = logs.Outlet(pipe)
    outlet.write("first\n")
    pipe.asked.wait()

    for number in range(logs.LINES_WAITING + 3):
        outlet.write(f"{number}\n")
    pipe.reading.set()
    outlet.close()

    assert outlet.dropped == 3
    assert pipe.getvalue().startswith("first\n0\n1\n")


def test_an_outlet_writes_what_waits_before_it_closes() -> None:
    stream = io.StringIO()
    outlet = logs.Outlet(stream)

    outlet.write("one\n")
    outlet.write("two\n")
    outlet.close()

    assert stream.getvalue() == "one\ntwo\n"
