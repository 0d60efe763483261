"""What the agent of a scenario does when it hears something: ``[[agent]]`` and ``[listening]``.

Section numbers are those of deepgram-voice-agent.md. Leaves choosing a rule to ``brain``, acting
it out to ``turn`` and ``functions``, hearing to ``listening``.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = ["Action", "AgentRule", "Ask", "Listening"]

Milliseconds = Annotated[int, Meta(ge=0)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Ask(_Part, frozen=True, kw_only=True):
    """One function call the agent asks for."""

    tool: str
    arguments: Mapping[str, Any] = {}
    """Values that are text are templates; one whose template finds nothing is left out."""
    save_as: str | None = None
    """Later templates find the answer under this name, and always under the tool's."""
    times: Annotated[int, Meta(ge=1, le=8)] = 1
    """So often in the same request, each time under an id of its own (G-20)."""
    cancel_after_ms: Milliseconds | None = None
    """``FunctionCallCancelled`` so long after it was asked, unless it was answered (5)."""
    again: Annotated[int, Meta(ge=0)] = 0
    """So often it is cancelled and asked anew, under a new id; the last one stays (G-20). With 0
    it is cancelled for good, and the agent goes on without an answer."""


class Action(_Part, frozen=True, kw_only=True):
    """One thing the agent does in its turn: exactly one field."""

    say: str | None = None
    """A template; each sentence becomes its own ``ConversationText``."""
    ask: list[Ask] | None = None
    """Function calls, all in one ``FunctionCallRequest``; goes on when all are answered."""
    ask_again: bool = False
    """Asks anew, under new ids, what was withdrawn last in this session; with nothing withdrawn,
    what was asked last (G-20)."""
    think_ms: Milliseconds | None = None
    """Thinks on; past 5 s the emulator warns ``SLOW_THINK_REQUEST`` as the real one does."""
    warning: str | None = None
    """Sends a ``Warning`` with this code."""
    error: str | None = None
    """Sends an ``Error`` with this code and closes the socket behind it."""
    drop: bool = False
    """The socket dies without a close frame."""
    close: bool = False
    """The socket is closed without an ``Error``."""

    def __post_init__(self) -> None:
        """Exactly one field."""
        fields = (self.say, self.ask, self.ask_again or None, self.think_ms, self.warning,
                  self.error, self.drop or None, self.close or None)  # fmt: skip
        if sum(field is not None for field in fields) != 1:
            raise ValueError("an agent's action has exactly one field")


class AgentRule(_Part, frozen=True, kw_only=True):
    """What the agent does when it hears something. The first rule that fits is taken."""

    hears: list[str] = []
    """Phrases, any of which fits when its words occur in what was heard; empty fits anything."""
    think_ms: Milliseconds = 300
    """From the end of the caller's speech being suspected to the first thing done."""
    do: list[Action] = []
    once: bool = False
    """Used at most once in a call."""
    needs: list[str] = []
    """Names (``save_as`` or tools) that must have been answered before the rule fits."""
    session: Annotated[int, Meta(ge=1)] | None = None
    """Fits in the n-th session of the call only."""
    remembers: list[str] = []
    """Words that must all occur in what the session was told of the talk before it, that is in
    ``agent.context.messages`` of its ``Settings``: texts, arguments and answers (4.6)."""
    forgets: list[str] = []
    """Words of which none may occur there: what was never heard is not to be handed over."""
    prompt_has: list[str] = []
    """Words that must all occur in the prompt as it stands: that of ``Settings`` or of the last
    ``UpdateThink``, and every ``UpdatePrompt`` since (2.6)."""


class Listening(_Part, frozen=True, kw_only=True):
    """How the emulator hears where a turn begins and ends; audio time, not the wall's."""

    gate_dbfs: float = -42.0
    """Quieter pieces are silence."""
    start_ms: Milliseconds = 60
    """So much speech within a short while is an utterance, not a click."""
    word_ms: Milliseconds = 800
    """Unknown sound that is shorter is no word: ``UserStartedSpeaking`` comes, no text does, and
    what the agent was saying is gone (a cough). Longer, it is heard as something inaudible."""
    eager_ms: Milliseconds = 250
    """After so much silence the model starts to think, and may ask tools: speculation (5)."""
    end_of_turn_ms: Milliseconds = 550
    """After so much silence the turn is confirmed; more with an ``eot_threshold`` above 0.8."""
