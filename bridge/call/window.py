"""What of a talk a new session of the agent is given, and when the rest is to be summarised.

The window ends with what was said last; a summary, made by a worker, stands for what lies before
it. Details and effects that came true are never left out. Leaves the summary's words to the
worker and the message to the agent to ``bridge.persona``.
"""

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from bridge.call.conversation import Conversation, FunctionCallNote, Summarising, Utterance
from bridge.call.deeds import came_true, said_of
from tools.arguments import Said, Summarise
from tools.catalog import CATALOG
from tools.contract import Done, ToolJob, ToolOutcome

TOOL = "summarise"
"""An outcome of this tool is for ``take``; no agent asked for it."""
BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
"""Rule of thumb for English and the usual tokenisers: four characters a token, and a few for the
frame of each message. In bytes, other scripts come near it too; it is a limit, no bill."""
BUDGET_SHARE = 0.85
"""So full and the next turns might not fit any more (feature D4)."""
KEPT_SHARE = 0.4
"""Part of the turns that stays as it was said; all of it would be summarised again next turn."""
KEPT_TOKENS_SHARE = 0.5
MOST_TOKENS = 6000
"""Beyond that the oldest words fall out of the window, summary or not."""
LONGEST_SUMMARY = 2000
"""Characters taken of a summary; it is asked to be much shorter."""
LONGEST_JOB = 40_000
"""Characters sent to be summarised; of more, the oldest are left out."""
FRAME = 30
"""Characters of JSON around each of them."""
LONGEST_TEXT = 2000
PAUSE_TURNS = 4
"""Turns until a summary that did not come is asked for again; then twice, then four times that."""
MOST_DOUBLINGS = 2
FORGOTTEN_AFTER_S = 60.0
"""A function call without an answer for so long has lost it: it holds nothing up."""

_LOCAL = frozenset(name for name, tool in CATALOG.items() if tool.place == "call")


class SummaryWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The window is too long."""

    until: int
    """Place of the first utterance that stays in it."""
    why: Literal["turns", "tokens", "budget"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a new session of the agent is given beside the details."""

    summary: str
    utterances: Sequence[Utterance]
    function_calls: Sequence[FunctionCallNote]
    """Answered ones of the window, and before it those that came true."""


class _Answer(msgspec.Struct):
    summary: str = ""


_read = msgspec.json.Decoder(_Answer).decode


def estimate(text: str) -> int:
    """Tokens of one message, about."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE


def due(
    conversation: Conversation, *, turns: int, tokens: int, budget: int, beside: int = 0
) -> SummaryWanted | None:
    """What to summarise now, if anything; ask after each turn.

    Args:
        conversation: The talk.
        turns: Most turns of both sides in the window.
        tokens: Most tokens of summary and window.
        budget: Tokens of everything the model is given; the window ends at 85 % of it.
        beside: Tokens of that which are neither summary nor window (prompt, tools, details).
    """
    why = _why(conversation, turns=turns, tokens=tokens, budget=budget, beside=beside)
    if why is None or _too_soon(conversation):
        return None
    until = _cut(
        conversation,
        turns=max(1, int(turns * KEPT_SHARE)),
        tokens=int(min(tokens, budget * BUDGET_SHARE - beside) * KEPT_TOKENS_SHARE),
    )
    return SummaryWanted(until=until, why=why) if until > conversation.summarised else None


def job(conversation: Conversation, wanted: SummaryWanted) -> ToolJob:
    """The job for it; the conversation notes that it was asked.

    Each try has an id of its own: a failed outcome is kept under the id it failed under.
    """
    tries = conversation.summarising.tries + 1
    asked = Summarising(
        function_call_id=f"summary-{wanted.until}-{tries}",
        until=wanted.until,
        since_s=conversation.utterances[wanted.until].at_s,
        asked_at=len(conversation.utterances),
        tries=tries,
    )
    conversation.summarising = asked
    arguments = Summarise(
        earlier=conversation.summary, said=tuple(_said(conversation, wanted.until, asked.since_s))
    )
    tool = CATALOG[TOOL]
    return ToolJob(
        function_call_id=asked.function_call_id,
        call_sid=conversation.call_sid,
        practice=conversation.practice,
        tool=tool.name,
        arguments=msgspec.json.encode(arguments).decode(),
        budget_s=tool.budget_s,
    )


def take(conversation: Conversation, outcome: ToolOutcome) -> bool:
    """Put a summary in the place of what it stands for; True if the conversation changed.

    A failure changes nothing, and neither does a summary that came too late: after the caller
    started over, or after another was asked for.
    """
    asked = conversation.summarising
    if outcome.function_call_id != asked.function_call_id or not isinstance(outcome, Done):
        return False
    summary = _summary_in(outcome)
    if not summary:
        return False
    conversation.summary = summary
    conversation.summarised = asked.until
    conversation.since_s = asked.since_s
    conversation.summarising = Summarising()
    return True


def kept(conversation: Conversation, *, most_tokens: int = MOST_TOKENS) -> Kept:
    """What a new session of the agent is to know of the talk.

    A function call and its answer are one note, and come or stay away together. If the window is
    longer than ``most_tokens`` the oldest of it is left out.
    """
    utterances, notes = _window(conversation)
    left = most_tokens - estimate(conversation.summary)
    steps = [
        *((utterance.at_s, _weight(utterance)) for utterance in utterances),
        *((note.at_s, _weight_of_call(note)) for note in notes),
    ]
    from_s = conversation.since_s
    for at_s, weight in sorted(steps, reverse=True):
        left -= weight
        if left < 0:
            from_s = at_s
            utterances = [each for each in utterances if each.at_s > from_s]
            notes = [each for each in notes if each.at_s > from_s]
            break
    lasting = [
        note for note in conversation.function_calls if came_true(note) and note not in notes
    ]
    return Kept(
        summary=conversation.summary, utterances=utterances, function_calls=[*lasting, *notes]
    )


def _why(
    conversation: Conversation, *, turns: int, tokens: int, budget: int, beside: int
) -> Literal["turns", "tokens", "budget"] | None:
    utterances, notes = _window(conversation)
    if _turns(utterances) > turns:
        return "turns"
    weight = estimate(conversation.summary)
    weight += sum(_weight(utterance) for utterance in utterances)
    weight += sum(_weight_of_call(note) for note in notes)
    if weight > tokens:
        return "tokens"
    return "budget" if weight + beside > budget * BUDGET_SHARE else None


def _too_soon(conversation: Conversation) -> bool:
    """Whoever does not answer is asked ever more rarely, counted in turns: no clock, no storm."""
    asked = conversation.summarising
    if not asked.tries:
        return False
    pause = PAUSE_TURNS << min(asked.tries - 1, MOST_DOUBLINGS)
    return _turns(conversation.utterances[asked.asked_at :]) < pause


def _cut(conversation: Conversation, *, turns: int, tokens: int) -> int:
    """Place of the first utterance that stays: a few turns back, the last in any case."""
    utterances, (_, notes) = conversation.utterances, _window(conversation)
    first, weight = len(utterances), 0
    for place in range(len(utterances) - 1, conversation.summarised - 1, -1):
        weight += _weight(utterances[place])
        since_s = utterances[place].at_s
        calls = sum(_weight_of_call(note) for note in notes if note.at_s >= since_s)
        stays = _turns(utterances[place:]) <= turns and weight + calls <= tokens
        if not stays and first < len(utterances):
            break
        first = place
    return _before_open_calls(conversation, first)


def _before_open_calls(conversation: Conversation, first: int) -> int:
    """The same place, or an earlier one if a function call lay open there.

    Its answer is part of the window, and so must its question be.
    """
    waits_since_s = conversation.elapsed_s - FORGOTTEN_AFTER_S
    spans = [
        (note.at_s, math.inf if note.answered_s is None else note.answered_s)
        for note in conversation.function_calls
        if note.at_s >= conversation.since_s
        and (note.answered_s is not None or note.at_s > waits_since_s)
    ]
    while first > conversation.summarised:
        at_s = conversation.utterances[first].at_s
        if not any(asked_s < at_s < end_s for asked_s, end_s in spans):
            break
        first -= 1
    return first


def _window(conversation: Conversation) -> tuple[list[Utterance], list[FunctionCallNote]]:
    utterances = conversation.utterances[conversation.summarised :]
    answered = [note for note in conversation.function_calls if note.response is not None]
    return utterances, [note for note in answered if note.at_s >= conversation.since_s]


def _said(conversation: Conversation, until: int, before_s: float) -> list[Said]:
    """What is to be summarised, in order of time, not more than a job may hold."""
    utterances, notes = _window(conversation)
    count = until - conversation.summarised
    steps = [
        (utterance.at_s, Said(by=utterance.speaker, text=utterance.heard_text[:LONGEST_TEXT]))
        for utterance in utterances[:count]
    ]
    steps += [
        (note.at_s, Said(by="tool", text=said_of(note)[:LONGEST_TEXT]))
        for note in notes
        if note.at_s < before_s and note.tool not in _LOCAL
    ]
    said: list[Said] = []
    left = LONGEST_JOB
    for _, step in sorted(steps, key=lambda one: one[0], reverse=True):
        left -= len(step.text) + FRAME
        if left < 0:
            break
        if step.text:
            said.append(step)
    return said[::-1]


def _summary_in(outcome: Done) -> str:
    try:
        return _read(outcome.content).summary.strip()[:LONGEST_SUMMARY]
    except msgspec.DecodeError:
        return ""


def _turns(utterances: Sequence[Utterance]) -> int:
    speakers = [utterance.speaker for utterance in utterances]
    return sum(
        place == 0 or speakers[place - 1] != speaker for place, speaker in enumerate(speakers)
    )


def _weight(utterance: Utterance) -> int:
    return estimate(utterance.heard_text)


def _weight_of_call(note: FunctionCallNote) -> int:
    return estimate(note.tool + note.arguments + (note.response or ""))
