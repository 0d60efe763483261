"""What callers were told against what is so; pure.

Counts, each of which has to be nought: *duplicates* (an effect that happened twice), *phantoms*
(told as done, and not so), *lost* (so, and told as failed or never told), *unanswered* function
calls, and effects that stayed *unsettled*: nobody will ever find out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from admin.chaos.people import Story, Told
from tools.catalog import CATALOG, has_happened

HAPPENED: Final = frozenset({"done", "told"})
_BOOKS: Final = frozenset({"book_appointment", "book_with_insurance"})
_EXAMPLES: Final = 5
_OPEN: Final = frozenset({"intent", "claimed"})
_ON_CALENDAR: Final = frozenset(
    {"book_appointment", "reschedule_appointment", "cancel_appointment"}
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger, as one function call leads to it."""

    id: str
    call_sid: str
    tool: str
    state: str
    made_id: str
    told_as: str
    to_look_at: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as it stands."""

    id: str
    phone: str
    status: str
    booked_utc: float


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is so, read when everything has come to rest."""

    entries: Mapping[str, Entry]
    """By job."""
    appointments: Mapping[str, Standing]
    shared_cells: int
    """Quarters of an hour that two appointments of one provider lie over."""
    texts: Counter[str]
    """Of which appointment how many texts were written."""
    texts_twice: int
    """Texts that the phone company was given beyond those that were written."""
    follow_ups: frozenset[str]
    """Calls of which a person is to find out."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How often each promise was broken, and a few examples."""

    intents: int
    bookings: int
    duplicates: int
    phantoms: int
    lost: int
    unanswered: int
    over_budget: int
    unsettled: int
    texts_twice: int
    failed_calls: int
    doubts: int
    """Not broken promises: how often a caller was told "I am confirming that"."""
    refused: int
    """Nor these: told that it was not done, truthfully."""
    examples: tuple[str, ...]

    def complaints(self) -> list[str]:
        """What is not nought and has to be."""
        counts = {
            "duplicates": self.duplicates,
            "phantoms": self.phantoms,
            "lost": self.lost,
            "unanswered": self.unanswered,
            "over budget": self.over_budget,
            "unsettled": self.unsettled,
            "texts sent twice": self.texts_twice,
            "failed calls": self.failed_calls,
        }
        return [f"{name}: {count}, bound 0" for name, count in counts.items() if count]


def judge(stories: Sequence[Story], world: World) -> Verdict:
    """Compare."""
    broken: defaultdict[str, list[str]] = defaultdict(list)
    told = [each for story in stories for each in story.told]
    for job_id in _twice(world):
        broken["duplicates"].append(job_id)
    broken["duplicates"] += ["cells"] * world.shared_cells
    told_more = {story.call_sid for story in stories if story.injected}
    # A request that met an earlier one of the same has no row of its own.
    of_wish = {
        (each.call_sid, each.key): world.entries[each.job_id]
        for each in told
        if each.job_id in world.entries
    }
    for each in told:
        entry = world.entries.get(each.job_id)
        if _says_done(each) and not _is_so(
            each, entry or of_wish.get((each.call_sid, each.key)), world
        ):
            broken["phantoms"].append(each.job_id)
        if (
            _says_refused(each)
            and entry is not None
            and entry.state in HAPPENED
            and not _was_ended(entry, world)
            and not _was_done_later(each, entry, told, world)
        ):
            broken["lost"].append(each.job_id)
        if _says_doubt(each) and entry is None and each.call_sid in told_more:
            continue  # what became of it was said in the call
        if not each.content or _says_doubt(each):
            word = _of_an_open_end(each, entry or of_wish.get((each.call_sid, each.key)), world)
            if word:
                broken[word].append(each.job_id)
    for each in _denied_afterwards(told, world):
        broken["lost"].append(each.job_id)
    booked = [one for one in world.appointments.values() if one.status == "booked"]
    return Verdict(
        intents=len(told),
        bookings=len(booked),
        duplicates=len(broken["duplicates"]),
        phantoms=len(broken["phantoms"]),
        lost=len(broken["lost"]),
        unanswered=sum(story.unanswered for story in stories),
        over_budget=sum(story.over_budget for story in stories),
        unsettled=len(broken["unsettled"]),
        texts_twice=world.texts_twice,
        failed_calls=sum(bool(story.failed) for story in stories),
        doubts=sum(map(_says_doubt, told)),
        refused=sum(map(_says_refused, told)),
        examples=tuple(
            f"{word}: {job_id}"
            for word, job_ids in sorted(broken.items())
            for job_id in job_ids[:_EXAMPLES]
        ),
    )


def _twice(world: World) -> Iterable[str]:
    """A caller here never wants two appointments: every second one is a duplicate."""
    held = Counter(one.phone for one in world.appointments.values() if one.status == "booked")
    return (phone for phone, count in held.items() for _ in range(count - 1))


def _is_so(told: Told, entry: Entry | None, world: World) -> bool:
    if entry is None or entry.state not in HAPPENED:
        return False
    made = _fields(told.content).get("appointment_id")
    return made is None or made in world.appointments


def _was_ended(entry: Entry, world: World) -> bool:
    """It was booked and is cancelled: whoever is told that nothing is booked is told the truth."""
    made = world.appointments.get(entry.made_id)
    return entry.tool in _BOOKS and made is not None and made.status == "cancelled"


def _was_done_later(told: Told, entry: Entry, others: Iterable[Told], world: World) -> bool:
    """It was true when it was said; another request of the same did it afterwards, and said so."""
    made = world.appointments.get(entry.made_id)
    if made is None or made.booked_utc < told.answered_utc:
        return False
    same = (told.call_sid, told.key)
    return any((one.call_sid, one.key) == same and _says_done(one) for one in others)


def _of_an_open_end(told: Told, entry: Entry | None, world: World) -> str:
    """What is wrong with a function call that the caller had no final answer to; empty: nothing."""
    followed = told.call_sid in world.follow_ups
    if entry is None:
        # It never reached a worker. Whoever was told nothing loses nothing by it.
        return "unsettled" if _says_doubt(told) and not followed else ""
    if entry.state in _OPEN:
        return "unsettled"
    known = entry.told_as in ("done", "refused") or followed
    if entry.state in HAPPENED:
        known = known or bool(world.texts[entry.made_id]) or told.tool not in _ON_CALENDAR
        return "" if known else "unsettled" if entry.to_look_at else "lost"
    return "unsettled" if _says_doubt(told) and not known else ""


def _denied_afterwards(told: Iterable[Told], world: World) -> Iterable[Told]:
    """Those who were told "not done" of what another request of theirs had done before."""
    of_wish: defaultdict[tuple[str, str], list[Told]] = defaultdict(list)
    gave_up: set[str] = set()
    for each in told:
        if each.tool == "book_appointment":
            of_wish[each.call_sid, each.key].append(each)
        elif each.tool == "cancel_appointment":
            gave_up.add(each.call_sid)
    for (call_sid, _), requests in of_wish.items():
        if call_sid in gave_up:
            continue
        made = [
            world.appointments[entry.made_id].booked_utc
            for each in requests
            if (entry := world.entries.get(each.job_id)) is not None
            and entry.state in HAPPENED
            and entry.made_id in world.appointments
        ]
        for each in requests:
            entry = world.entries.get(each.job_id)
            own = entry is not None and entry.state in HAPPENED
            if made and not own and _says_refused(each) and each.answered_utc > min(made):
                yield each


def _says_done(told: Told) -> bool:
    return bool(told.content) and has_happened(CATALOG[told.tool], told.content)


def _says_doubt(told: Told) -> bool:
    return _fields(told.content).get("error") == "doubt"


def _says_refused(told: Told) -> bool:
    return bool(told.content) and not _says_done(told) and not _says_doubt(told)


def _fields(content: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any]) if content else {}
    except msgspec.DecodeError:
        return {}
