"""Whether a call came to what its scenario expects: pure, one sentence for each thing that fails.

Leaves gathering to ``evidence``. Every sentence says what was expected and what was there instead.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from admin.evidence import Evidence
from admin.recognition import HeardLine
from bridge.simulator.board import Note
from bridge.simulator.expect import Booked, Count, Expect
from tools.schedule import Appointment


def failures(expect: Expect, evidence: Evidence) -> list[str]:
    """Everything in which the call was not as expected; empty: it passed."""
    return [
        *_line(expect, evidence),
        *_ear(expect, evidence),
        *_talk(expect, evidence),
        *_bookings(expect.booked, evidence.booked),
        *_agent(expect, evidence.notes),
        *_function_calls(expect, evidence.notes),
        *_told(expect, evidence.notes),
    ]


# -- the telephone line ------------------------------------------------------------------------


def _line(expect: Expect, evidence: Evidence) -> Iterator[str]:
    if evidence.outcome != expect.outcome:
        yield f"outcome {expect.outcome} expected: it was {evidence.outcome} ({evidence.why})"
    yield from _counted("media streams", expect.streams, evidence.streams)
    if sorted(set(evidence.warnings)) != sorted(set(expect.warnings)):
        yield (
            f"warnings of Twilio {_list(expect.warnings)} expected: {_list(evidence.warnings)} came"
        )
    if not _in_order(expect.verbs, evidence.verbs):
        yield f"verbs {_list(expect.verbs)} expected in this order: {_list(evidence.verbs)}"


# -- what she heard ----------------------------------------------------------------------------


def _ear(expect: Expect, evidence: Evidence) -> Iterator[str]:
    heard = _Words(line.words for line in evidence.heard)
    yield from _wanted(expect.heard, heard, "heard")
    for text in expect.heard_once:
        if (times := heard.count(text)) != 1:
            yield f"heard once expected: “{text}” was heard {times} times"
    for text in expect.heard_at_most_once:
        if (times := heard.count(text)) > 1:
            yield f"heard at most once expected: “{text}” was heard {times} times"
    for text in expect.never_heard:
        if heard.count(text):
            yield f"never heard expected: “{text}” was heard"
    for text in expect.in_full:
        yield from _in_full(text, evidence.heard)
    for text in expect.cut:
        lines = [line for line in evidence.heard if _contains(line.words, text)]
        if not any(line.from_start and not line.to_end for line in lines):
            yield f"cut expected: “{text}” {'was heard to its end' if lines else 'was not heard'}"
    greetings = [line for line in evidence.heard if line.line == evidence.greeting]
    yield from _counted("greetings", expect.greetings, sum(line.from_start for line in greetings))
    yield from _never_expected(expect, evidence)


def _in_full(text: str, heard: Sequence[HeardLine]) -> Iterator[str]:
    lines = [line for line in heard if _contains(line.line, text)]
    if not any(line.whole for line in lines):
        instead = "; ".join(f"“{line.words}”" for line in lines) or "nothing of it"
        yield f"in full expected: of the line with “{text}” she heard {instead}"


def _never_expected(expect: Expect, evidence: Evidence) -> Iterator[str]:
    """What no call may do, whatever its scenario says."""
    if not expect.altered:
        yield from _foreign_sound(evidence)
    fillers = [line for line in evidence.heard if line.line in evidence.fillers]
    if expect.fillers is not None:
        yield from _counted("fillers", expect.fillers, len(fillers))
    for before, after in pairwise(fillers):
        if before.line == after.line and _waited(before, after, evidence):
            yield f"the same filler twice running at {after.at_s:.1f} s: “{after.line}”"


def _foreign_sound(evidence: Evidence) -> Iterator[str]:
    for line in evidence.heard:
        if not line.from_start:
            yield f"stray sound at {line.at_s:.1f} s: a line taken up in its middle, “{line.words}”"
    for at_s in evidence.unknown_at_s:
        yield f"unknown sound at {at_s:.1f} s: nobody is known to have said that"


def _waited(before: HeardLine, after: HeardLine, evidence: Evidence) -> bool:
    """Whether the two fillers bridged one wait: nothing else was heard between them."""
    between = [line for line in evidence.heard if before.at_s < line.at_s < after.at_s]
    return not between


# -- how it went -------------------------------------------------------------------------------


def _talk(expect: Expect, evidence: Evidence) -> Iterator[str]:
    yield from _counted("interruptions", expect.interruptions, evidence.interruptions)
    yield from _counted("clears", expect.clears, evidence.clears)
    if evidence.longest_silence_ms > expect.longest_silence_ms:
        yield (
            f"silence of {expect.longest_silence_ms:,} ms at most expected: "
            f"{evidence.longest_silence_ms:,.0f} ms were the longest"
        )
    longest_gap_ms = max(evidence.turn_gaps_ms, default=0.0)
    if expect.turn_gap_ms is not None and longest_gap_ms > expect.turn_gap_ms:
        yield (
            f"an answer within {expect.turn_gap_ms:,} ms expected: "
            f"{longest_gap_ms:,.0f} ms were the longest wait"
        )


# -- the database ------------------------------------------------------------------------------


def _bookings(expected: Sequence[Booked], booked: Sequence[Appointment]) -> Iterator[str]:
    left = list(booked)
    for wanted in expected:
        found = next((made for made in left if _is(made, wanted)), None)
        if found is None:
            yield f"booking expected: {_booked_words(wanted)}; booked: {_all_booked(booked)}"
        else:
            left.remove(found)
    if len(booked) > len(expected):
        yield f"bookings {len(expected)} expected: {len(booked)}, {_all_booked(booked)}"


def _is(made: Appointment, wanted: Booked) -> bool:
    truth = Booked(
        patient_name=made.patient_name,
        phone=made.phone,
        service=made.service,
        provider=made.provider,
        weekday=f"{made.start:%A}".lower(),  # type: ignore[arg-type]
        time=f"{made.start:%H:%M}",
    )
    return all(
        getattr(wanted, field) in ("", getattr(truth, field)) for field in Booked.__struct_fields__
    )


def _booked_words(wanted: Booked) -> str:
    return ", ".join(str(value) for value in msgspec.to_builtins(wanted).values() if value)


def _all_booked(booked: Sequence[Appointment]) -> str:
    return (
        "; ".join(
            f"{made.patient_name}, {made.phone}, {made.service}, {made.provider}, "
            f"{made.start:%A %H:%M}"
            for made in booked
        )
        or "nothing"
    )


# -- the agent ---------------------------------------------------------------------------------


def _agent(expect: Expect, notes: Sequence[Note]) -> Iterator[str]:
    sessions = sum(note.kind == "session" for note in notes)
    yield from _counted("sessions of the agent", expect.sessions, sessions)
    refused = sum(note.kind == "refused" and note.name == "handshake" for note in notes)
    yield from _counted("refused handshakes", expect.refused_sessions, refused)
    errors = tuple(note.code for note in notes if note.kind == "error")
    if errors != expect.agent_errors:
        told = [f"{note.code} ({note.content})" for note in notes if note.kind == "error"]
        yield f"errors of the agent {_list(expect.agent_errors)} expected: {_list(told)}"
    heard = _Words(note.text for note in notes if note.kind == "heard")
    yield from _wanted(expect.agent_heard, heard, "heard by the agent")
    for text in expect.agent_never_heard:
        if heard.count(text):
            yield f"never heard by the agent expected: “{text}” was"


def _function_calls(expect: Expect, notes: Sequence[Note]) -> Iterator[str]:
    asked = Counter(note.name for note in notes if note.kind == "asked")
    if expect.asked is not None:
        for tool in sorted({*expect.asked, *asked}):
            yield from _counted(f"function calls of {tool}", expect.asked.get(tool, 0), asked[tool])
    answered = [note for note in notes if note.kind == "answered"]
    yield from _counted("answered function calls", expect.answered, len(answered))
    cancelled = sum(note.kind == "cancelled" for note in notes)
    yield from _counted("cancelled function calls", expect.cancelled, cancelled)
    answers = _Words(note.content for note in notes if note.kind in ("answered", "late"))
    yield from _wanted(expect.answers, answers, "answered")


_TELLING = ("updated", "injected", "injected_words")


def _told(expect: Expect, notes: Sequence[Note]) -> Iterator[str]:
    updates = tuple(note.name for note in notes if note.kind == "updated")
    if expect.updates is not None and updates != expect.updates:
        yield f"updates {_list(expect.updates)} expected: {_list(updates)}"
    told = _Words(note.text or note.content for note in notes if note.kind in _TELLING)
    yield from _wanted(expect.told, told, "told to the agent")
    for text in expect.never_told:
        if told.count(text):
            yield f"never told to the agent expected: “{text}” was"
    begun = [note.content for note in notes if note.kind == "settings"]
    handed_over = _Words(_strings(msgspec.json.decode(begun[-1])) if begun else [])
    for text in expect.handed_over:
        if not handed_over.count(text):
            yield f"handed over expected: “{text}” is not in what the last session began with"
    for text in expect.not_handed_over:
        if handed_over.count(text):
            yield f"not handed over expected: “{text}” is in what the last session began with"


# -- words and numbers -------------------------------------------------------------------------


def _strings(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)


class _Words:
    """Texts one after the other, as words without capitals and punctuation."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = [text for text in texts if text]
        self._words = [word for text in self.texts for word in _plain(text)]

    def find(self, text: str, start: int = 0) -> int | None:
        """Behind its first occurrence, or None."""
        wanted = _plain(text)
        for at in range(start, len(self._words) - len(wanted) + 1):
            if self._words[at : at + len(wanted)] == wanted:
                return at + len(wanted)
        return None

    def count(self, text: str) -> int:
        """How often it occurs."""
        times, at = 0, self.find(text)
        while at is not None:
            times, at = times + 1, self.find(text, at)
        return times


def _wanted(texts: Sequence[str], among: _Words, how: str) -> Iterator[str]:
    """Each text behind the one before it."""
    at, after = 0, ""
    for text in texts:
        found = among.find(text, at)
        if found is None:
            there = " | ".join(among.texts) or "nothing"
            yield f"{how} expected: “{text}”{after}; {how}: {there}"
        else:
            at, after = found, f" after “{text}”"


def _contains(text: str, part: str) -> bool:
    return _Words([text]).count(part) > 0


def _plain(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower().replace("’", "").replace("'", ""))


def _in_order(wanted: Sequence[str], there: Sequence[str]) -> bool:
    left = iter(there)
    return all(each in left for each in wanted)


def _counted(what: str, wanted: Count | None, count: int) -> Iterator[str]:
    if wanted is None:
        return
    least, most = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    if not least <= count <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        yield f"{what}: {expected} expected, {count} counted"


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
