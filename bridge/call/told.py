"""What the caller was told of each effect: noted when the agent's words were heard, not before.

Whoever was told nothing, or that nobody knows yet, is owed the truth by other means once the call
is over; that is the worker's business, which only this can tell it.
"""

from typing import Final, Literal

import msgspec

from bridge.call.commands import RunTool
from bridge.call.conversation import Conversation, Utterance
from bridge.call.deeds import say_in
from bridge.call.thread import AS_GOOD_AS_SAID
from bridge.call.unanswered import SPECULATED_S
from tools.arguments import NoteTold, ToldOf
from tools.catalog import CATALOG
from tools.contract import ToolJob, ToolOutcome, is_final

TellingOf = Literal["done", "refused", "doubt"]

SHORTEST: Final = 0.4
"""Of what is to be said, so much has to be heard: "one moment" tells nothing."""


class _Telling(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that the agent has, and the caller does not have yet."""

    job: ToolJob
    asked_as: str
    as_: TellingOf
    say: str
    place: int
    until_s: float
    """Words of the caller until then belong to the request."""


def telling_of(outcome: ToolOutcome, *, happened: bool) -> TellingOf:
    """In one word, what the caller is told."""
    if not is_final(outcome):
        return "doubt"
    return "done" if happened else "refused"


def reached(
    conversation: Conversation, *, place: int, say: str, until_s: float = 0.0
) -> bool | None:
    """Whether the caller heard what is to be said; None while that is still to be seen.

    The agent's words count from this place in the talk to the caller's next. They are its own, and
    as good as all of them have to be heard, or as much as ``say`` is long.
    """
    words: list[Utterance] = []
    answered = False
    for utterance in conversation.utterances[place:]:
        if utterance.speaker == "agent":
            if utterance.source == "speech":
                words.append(utterance)
        elif utterance.at_s > until_s:
            answered = True
            break
    said = sum(len(one.text) for one in words)
    heard = sum(one.heard_characters for one in words)
    enough = max(SHORTEST * len(say), AS_GOOD_AS_SAID * min(said, len(say) or said))
    if words and heard >= enough:
        return True
    over = answered and all(one.cut or one.heard_out for one in words)
    return False if over else None


class Told:
    """What the caller of one call was told, and is still to be told."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._waiting: list[_Telling] = []
        self._jobs = 0

    def answered(
        self,
        outcome: ToolOutcome,
        *,
        job: ToolJob,
        asked_as: str,
        happened: bool,
        content: str,
        asked_s: float,
    ) -> None:
        """The agent has this answer of an effect, and is about to tell it.

        ``job`` is what the agent asked for; the outcome's may be an earlier one of the same.
        """
        self._waiting.append(
            _Telling(
                job=msgspec.structs.replace(job, function_call_id=outcome.function_call_id),
                asked_as=asked_as,
                as_=telling_of(outcome, happened=happened),
                say=say_in(content),
                place=len(self._conversation.utterances),
                until_s=asked_s + SPECULATED_S,
            )
        )

    def heard(self) -> list[ToldOf]:
        """What the caller has heard since this was asked last; ask where no reply is under way."""
        told, waiting = [], []
        for one in self._waiting:
            came = reached(self._conversation, place=one.place, say=one.say, until_s=one.until_s)
            if came:
                told.append(self._mark(one))
            elif came is None:
                waiting.append(one)
        self._waiting = waiting
        return told

    def _mark(self, one: _Telling) -> ToldOf:
        mark = self.mark(one.job.function_call_id, one.asked_as, one.as_)
        if one.as_ != "doubt":
            return mark
        return msgspec.structs.replace(mark, tool=one.job.tool, arguments=one.job.arguments)

    def mark(self, job_id: str, asked_as: str, as_: TellingOf) -> ToldOf:
        """The caller heard it."""
        self._conversation.told(asked_as, as_)
        return ToldOf(function_call_id=job_id, as_=as_)

    def note(self, told: list[ToldOf]) -> list[RunTool]:
        """Have it noted, all in one job."""
        if not told:
            return []
        self._jobs += 1
        arguments = msgspec.json.encode(NoteTold(told=tuple(told))).decode()
        return [self._job("note_told", f"told-{self._stream}-{self._jobs}", arguments)]

    def free_holds(self) -> RunTool:
        """The call is over: nobody wants the times any more that were held for it."""
        return self._job("free_holds", f"free-holds-{self._stream}", "{}")

    @property
    def _stream(self) -> int:
        """Part of a job's id: another stream of the same call counts from one again."""
        return self._conversation.generation

    def _job(self, name: str, function_call_id: str, arguments: str) -> RunTool:
        tool, one = CATALOG[name], self._conversation
        return RunTool(
            job=ToolJob(
                function_call_id=function_call_id,
                call_sid=one.call_sid,
                practice=one.practice,
                tool=tool.name,
                arguments=arguments,
                budget_s=tool.budget_s,
            )
        )
