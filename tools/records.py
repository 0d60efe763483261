"""Jobs, results and outcomes as the bytes that lie in Redis: msgpack in arq's shapes, never pickle.

Reads what a process one version older or newer wrote: fields it does not know are passed over.
"""

from typing import Any, Final

import msgspec

from tools.contract import Done, Failed, ToolJob, ToolOutcome


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """arq's job record (0.28, ``jobs.serialize_job``) with the job as its only argument."""

    tool: str = msgspec.field(name="f")
    arguments: tuple[ToolJob] = msgspec.field(name="a")
    keywords: dict[str, Any] = msgspec.field(name="k", default_factory=dict)
    first_try: int | None = msgspec.field(name="t", default=None)
    queued_ms: int = msgspec.field(name="et", default=0)

    @property
    def job(self) -> ToolJob:
        """The job itself."""
        return self.arguments[0]


class ResultRecord(msgspec.Struct, frozen=True, kw_only=True):
    """arq's result record (0.28, ``jobs.serialize_result``).

    It keeps the outcome but not the arguments: what a caller said need not lie there twice.
    """

    tool: str = msgspec.field(name="f")
    outcome: Done | Failed = msgspec.field(name="r")
    job_id: str = msgspec.field(name="id")
    queue_key: str = msgspec.field(name="q")
    tries: int = msgspec.field(name="t")
    queued_ms: int = msgspec.field(name="et")
    started_ms: int = msgspec.field(name="st")
    finished_ms: int = msgspec.field(name="ft")
    arguments: tuple[()] = msgspec.field(name="a", default=())
    keywords: dict[str, Any] = msgspec.field(name="k", default_factory=dict)
    success: bool = msgspec.field(name="s", default=True)
    """Always true: a failure is an outcome like any other, and arq would raise it."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_job: Final = msgspec.msgpack.Decoder(JobRecord).decode
_decode_result: Final = msgspec.msgpack.Decoder(ResultRecord).decode
_outcomes: Final[msgspec.msgpack.Decoder[ToolOutcome]] = msgspec.msgpack.Decoder(Done | Failed)


def encode_job(job: ToolJob) -> bytes:
    """The record of a stamped job."""
    queued_ms = int(job.asked_utc * 1000)
    return _encode(JobRecord(tool=job.tool, arguments=(job,), queued_ms=queued_ms))


def decode_job(record: bytes) -> JobRecord:
    """Raises ``msgspec.DecodeError`` for bytes that are no job of ours."""
    return _decode_job(record)


def encode_result(result: ResultRecord) -> bytes:
    """The record of a finished job."""
    return _encode(result)


def decode_result(record: bytes) -> ResultRecord:
    """Raises ``msgspec.DecodeError`` for bytes that are no result of ours."""
    return _decode_result(record)


def encode_outcome(outcome: ToolOutcome) -> bytes:
    """The message published to the call."""
    return _encode(outcome)


def decode_outcome(message: bytes) -> ToolOutcome:
    """Raises ``msgspec.DecodeError`` for bytes that are no outcome of ours."""
    return _outcomes.decode(message)
