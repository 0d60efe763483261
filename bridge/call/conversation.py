"""What must survive a bridge: the words of both sides, what of them was heard, function calls.

Leaves where it is kept to ``bridge.store``. Stored, so readable one version older and newer:
new fields have defaults, none changes its meaning.
"""

from typing import Literal

import msgspec

from bridge.wire import mulaw

VERSION = 1


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One thing one side said, as text, and how much of it was heard."""

    speaker: Literal["caller", "agent"]
    text: str
    at_s: float
    """Seconds into the call when the text was known."""
    source: Literal["speech", "phrase"] = "speech"
    """``phrase``: audio of ours that the agent did not say."""
    sent_ms: float = 0.0
    """Milliseconds of its audio sent to the caller (agent's side only)."""
    heard_ms: float = 0.0
    """Milliseconds of it the caller is known, or estimated, to have heard."""
    complete: bool = False
    """All audio of it has been sent: ``sent_ms`` is its whole length."""
    cut: bool = False
    """The caller took the floor before its end."""

    @property
    def heard_out(self) -> bool:
        """True if it is known to have been heard to its end."""
        return self.complete and self.heard_ms >= self.sent_ms

    @property
    def whole_ms(self) -> float:
        """How long all of it is: known once all was sent, until then by its words."""
        if self.complete:
            return self.sent_ms
        return max(self.sent_ms, len(self.text) * MS_PER_CHARACTER)

    @property
    def heard_characters(self) -> float:
        """How much of its text is known to have been heard by now, by share of audio."""
        whole_ms = self.whole_ms
        return len(self.text) * min(1.0, self.heard_ms / whole_ms) if whole_ms > 0 else 0.0

    @property
    def heard_in_the_end_ms(self) -> float:
        """What the caller has heard of it, or will: what was sent, unless it was cut before."""
        return self.heard_ms if self.cut else self.sent_ms

    @property
    def heard_text(self) -> str:
        """The words the caller heard: an estimate by share of audio, cut at a word.

        What was sent is known, what was played is known from marks, where a word lies in the
        audio is not; so a cut utterance keeps the words up to the heard share of its length.
        """
        if self.speaker == "caller" or not self.cut:
            return self.text
        if self.sent_ms <= 0:
            return ""
        share = min(1.0, self.heard_ms / self.whole_ms)
        if share >= 1.0:
            return self.text
        last_gap = self.text.rfind(" ", 0, int(len(self.text) * share) + 1)
        return self.text[: max(last_gap, 0)].rstrip()


MS_PER_CHARACTER = 65.0
"""Length of speech whose audio is not all there yet: English at an ordinary pace."""


class FunctionCallNote(msgspec.Struct, frozen=True, kw_only=True):
    """A function call of this call: what was asked, and the answer once there is one."""

    function_call_id: str
    tool: str
    arguments: str
    at_s: float
    effect: bool = False
    response: str | None = None
    """The JSON text the agent was given; None while unanswered."""
    answered_s: float | None = None
    outcome: str = ""
    """``done``, a failure's code, ``cancelled``, ``agent_lost``, or ``joined`` (the same was asked
    again, and answered there); empty while unanswered."""
    told_as: str = ""
    """Of an effect, what the caller heard of it: ``done``, ``refused``, ``doubt``; empty: nothing.
    """


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One detail as it was said."""

    value: str
    """Empty: it was forgotten."""
    at_s: float


class SavePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was known at a moment to which the caller may want to go back."""

    at_s: float
    why: str
    known: dict[str, Remembered]


class Summarising(msgspec.Struct, frozen=True, kw_only=True):
    """A summary that was asked for and has not come."""

    function_call_id: str = ""
    """Empty: none is on its way."""
    until: int = 0
    """It will stand for the utterances before this place."""
    since_s: float = 0.0
    """And for the function calls asked before this instant."""
    asked_at: int = 0
    """How many utterances there were when it was asked for."""
    tries: int = 0
    """How often it was asked for since the last one that came."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """All utterances of one side until the floor changed."""

    speaker: Literal["caller", "agent"]
    utterances: tuple[Utterance, ...]


class Conversation(msgspec.Struct, kw_only=True):
    """One call's talk. Mutable, and owned by exactly one session at a time."""

    call_sid: str
    practice: str
    started_utc: float
    """Epoch seconds, set once by whoever answered the call first."""
    version: int = VERSION
    generation: int = 1
    """Which stream of the call wrote this last."""
    elapsed_s: float = 0.0
    """Seconds into the call at the last change; a later stream goes on counting from here."""
    utterances: list[Utterance] = []
    function_calls: list[FunctionCallNote] = []
    details: dict[str, list[Remembered]] = {}
    """Name → what was said of it, the latest last. Names are the practice's own."""
    save_points: list[SavePoint] = []
    summary: str = ""
    """Stands for what was said before the window."""
    summarised: int = 0
    """Place of the first utterance of the window: a new session of the agent is given no earlier
    one. The summary stands for them, or the caller started over."""
    since_s: float = 0.0
    """Function calls asked before that are outside the window."""
    summarising: Summarising = Summarising()
    interruptions: int = 0
    ended: str = ""
    """Why it ended; empty while it lives."""

    @property
    def begun(self) -> bool:
        """True once anybody said anything: then nobody greets again."""
        return bool(self.utterances)

    @property
    def known(self) -> dict[str, str]:
        """The details as they stand, without those that were forgotten."""
        return {name: said[-1].value for name, said in self.details.items() if said[-1].value}

    def turns(self) -> list[Turn]:
        """The utterances grouped by who had the floor."""
        turns: list[Turn] = []
        for utterance in self.utterances:
            if turns and turns[-1].speaker == utterance.speaker:
                turns[-1] = Turn(
                    speaker=utterance.speaker,
                    utterances=(*turns[-1].utterances, utterance),
                )
            else:
                turns.append(Turn(speaker=utterance.speaker, utterances=(utterance,)))
        return turns

    def say(self, utterance: Utterance) -> int:
        """Add an utterance; returns its place."""
        self.utterances.append(utterance)
        return len(self.utterances) - 1

    def note_playback(
        self, place: int, *, sent_bytes: int, heard_bytes: int, complete: bool, cut: bool
    ) -> None:
        """Write down how much of an utterance was sent and heard."""
        self.utterances[place] = msgspec.structs.replace(
            self.utterances[place],
            sent_ms=mulaw.duration_ms(sent_bytes),
            heard_ms=mulaw.duration_ms(heard_bytes),
            complete=complete,
            cut=cut,
        )

    def stream_lost(self) -> None:
        """An earlier stream of the call is gone: what was not heard of it by then never will be."""
        for place, utterance in enumerate(self.utterances):
            if utterance.speaker == "agent" and not utterance.heard_out:
                self.utterances[place] = msgspec.structs.replace(utterance, cut=True)

    def ask(self, note: FunctionCallNote) -> None:
        """Note a function call that was asked; the same id replaces its earlier note."""
        self.function_calls = [
            known
            for known in self.function_calls
            if known.function_call_id != note.function_call_id
        ]
        self.function_calls.append(note)

    def answer(
        self, function_call_id: str, *, response: str | None, at_s: float, outcome: str
    ) -> None:
        """Note the answer of a function call; an unknown id changes nothing.

        A later answer replaces it, but the agent had its first then.
        """
        self.function_calls = [
            msgspec.structs.replace(
                note,
                response=response,
                answered_s=at_s if note.answered_s is None else note.answered_s,
                outcome=outcome,
            )
            if note.function_call_id == function_call_id
            else note
            for note in self.function_calls
        ]

    def told(self, function_call_id: str, as_: str) -> None:
        """Note what the caller heard of a function call; an unknown id changes nothing."""
        self.function_calls = [
            msgspec.structs.replace(note, told_as=as_)
            if note.function_call_id == function_call_id
            else note
            for note in self.function_calls
        ]
