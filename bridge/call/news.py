"""What became of an effect when its function call was over: said by the agent, and seen to be.

The agent may refuse to say what it is given, or drop it without a word
(deepgram-voice-agent.md, trap G-3), and the caller may talk over it; so it is said again, a few
times, each at a quiet moment. Leaves when that is to ``requests``.
"""

from typing import Final

import msgspec

from bridge.call.conversation import Conversation
from bridge.call.deeds import say_in
from bridge.call.told import TellingOf, Told, reached, telling_of
from bridge.wire import deepgram
from tools.arguments import ToldOf
from tools.catalog import Tool
from tools.contract import Failed, ToolOutcome

SAID_WITHIN_S: Final = 4.0
"""No sign by then that the agent says what it was given: it does not."""
AGAIN_S: Final = 2.0
"""After the first time it was not said, so long at least until the next; then twice as long."""
TRIES_AT_MOST: Final = 3
"""Then it is left to the agent to find the words and the moment."""

_DECIDED: Final = (
    "For your information, not to be read out word by word: it is known now what became of the "
    "earlier request to {tool}. Its result: {content} {next}"
)
_IS_SAID: Final = (
    "The caller is told so for you in the next pause of the talk: do not say it before or after "
    "that unless you are asked, and do not ask for it again."
)
_TELL: Final = "Tell the caller at the next opportunity."
_UNSAID: Final = "The caller has not heard this yet: {say} Tell the caller at the next opportunity."


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    job_id: str
    asked_as: str
    as_: TellingOf
    wish: str
    say: str
    since: float
    tries: int = 0


class _Saying(msgspec.Struct, kw_only=True):
    """What the agent was given to say."""

    item: _Item
    place: int
    until: float
    begun: bool = False


class News:
    """The news of one call."""

    def __init__(self, conversation: Conversation, told: Told) -> None:
        self._conversation = conversation
        self._told = told
        self._waiting: list[_Item] = []
        self._saying: _Saying | None = None

    # --- what there is -----------------------------------------------------------------------

    def add(
        self,
        outcome: ToolOutcome,
        tool: Tool,
        *,
        asked_as: str,
        wish: str,
        content: str,
        happened: bool,
        now: float,
    ) -> deepgram.UpdatePrompt:
        """An effect was decided: what the agent is to know of it at once."""
        say = say_in(content)
        # Written for the agent, not for the caller's ear.
        wrong = isinstance(outcome, Failed) and outcome.code == "bad_arguments"
        if say and not wrong:
            self._waiting.append(
                _Item(
                    job_id=outcome.function_call_id,
                    asked_as=asked_as,
                    as_=telling_of(outcome, happened=happened),
                    wish=wish,
                    say=say,
                    since=now,
                )
            )
        following = _IS_SAID if say and not wrong else _TELL
        prompt = _DECIDED.format(tool=tool.name, content=content, next=following)
        return deepgram.UpdatePrompt(prompt=prompt)

    def drop(self, wish: str) -> None:
        """The same was asked again and answered: nobody needs to be told."""
        saying = self._saying
        if saying is not None and not saying.begun and saying.item.wish == wish:
            self._saying = None
        self._waiting = [item for item in self._waiting if item.wish != wish]

    # --- saying it ---------------------------------------------------------------------------

    @property
    def waiting_since(self) -> float | None:
        """Since when there is something to say, or something said to look at; None: nothing is."""
        if self._saying is not None:
            return self._saying.item.since if self._saying.begun else None
        return self._waiting[0].since if self._waiting else None

    @property
    def asked_until(self) -> float | None:
        """By when the agent has to show that it says what it was given; None if it was not."""
        saying = self._saying
        return None if saying is None or saying.begun else saying.until

    def begin(self, now: float) -> tuple[str, bool]:
        """What to give the agent now, and whether it is that something was done."""
        item = self._waiting.pop(0)
        place = len(self._conversation.utterances)
        self._saying = _Saying(item=item, place=place, until=now + SAID_WITHIN_S)
        return item.say, item.as_ == "done"

    def spoken(self) -> None:
        """The agent speaks: what it was given."""
        if self._saying is not None:
            self._saying.begun = True

    def look(self, now: float, *, quiet: bool) -> tuple[list[ToldOf], list[deepgram.UpdatePrompt]]:
        """What the caller has heard of it; ask where no reply is under way.

        Where it is ``quiet`` nothing more of it will be said.
        """
        saying = self._saying
        if saying is None or not saying.begun:
            return [], []
        item = saying.item
        came = reached(self._conversation, place=saying.place, say=item.say)
        if came is None and quiet:
            said = self._conversation.utterances[saying.place :]
            came = all(one.speaker == "caller" for one in said)  # a voice, whose words got lost
        if came is None:
            return [], []
        if not came:
            return [], self.unsaid(now)
        self._saying = None
        return [self._told.mark(item.job_id, item.asked_as, item.as_)], []

    def unsaid(self, now: float) -> list[deepgram.UpdatePrompt]:
        """The agent would not say it, or was not heard: it is said again, or left to the agent."""
        saying, self._saying = self._saying, None
        assert saying is not None  # asked only while there is
        tries = saying.item.tries + 1
        if tries < TRIES_AT_MOST:
            self._again(saying.item, now + AGAIN_S * tries, tries)
            return []
        return [deepgram.UpdatePrompt(prompt=_UNSAID.format(say=saying.item.say))]

    def put_off(self, now: float) -> None:
        """The caller took the floor, or the line is lost: what was not begun is said later."""
        saying = self._saying
        if saying is not None and not saying.begun:
            self._saying = None
            self._again(saying.item, now, saying.item.tries)

    def _again(self, item: _Item, now: float, tries: int) -> None:
        self._waiting.insert(0, msgspec.structs.replace(item, since=now, tries=tries))
