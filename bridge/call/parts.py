"""Everything one call is composed of, and the clock and the record its parts share.

Leaves what they do together to ``session``, ``upkeep`` and ``silence``.
"""

from collections.abc import Mapping

from bridge.call.agent_line import AgentLine
from bridge.call.answers import Answers
from bridge.call.asking import Asking
from bridge.call.commands import Command, Save
from bridge.call.conversation import Conversation
from bridge.call.ear import Ear
from bridge.call.ending import Ending
from bridge.call.events import PhraseKind
from bridge.call.fillers import Fillers
from bridge.call.functions import FunctionCalls
from bridge.call.leaving import Leaving
from bridge.call.manners import Manners
from bridge.call.news import News
from bridge.call.opening import Opening
from bridge.call.outage import Outage
from bridge.call.patience import Patience
from bridge.call.speaking import Speaking
from bridge.call.timings import Stamps
from bridge.call.told import Told
from bridge.call.tuning import Tuning
from bridge.call.turns import Turns
from bridge.wire import deepgram
from tools.catalog import Tool


class Parts:
    """The parts of one call."""

    def __init__(
        self, conversation: Conversation, *, manners: Manners, catalog: Mapping[str, Tool]
    ) -> None:
        self.conversation = conversation
        self.manners = manners
        self.resumed = conversation.begun
        """True if an earlier stream of the call was lost."""
        self.stamps = Stamps()
        self.speaking = Speaking(conversation)
        self.ear = Ear(manners)
        self.turns = Turns()
        self.functions = FunctionCalls()
        self.leaving = Leaving()
        self.told = Told(conversation)
        self.news = News(conversation, self.told)
        self.outage = Outage()
        self.answers = Answers(conversation, self.functions, news=self.news, told=self.told)
        self.asking = Asking(
            conversation,
            self.functions,
            self.answers,
            catalog,
            manners=manners,
            leaving=self.leaving,
        )
        self.fillers = Fillers(manners.fillers, again_after_s=manners.second_filler_after_s)
        self.line = AgentLine(
            patience_s=manners.agent_patience_s,
            within_s=manners.reconnect_within_s,
            last_s=manners.roll_over_after_s,
            seed=conversation.call_sid,
        )
        self.patience = Patience(
            stall_after_s=manners.stall_after_s,
            idle_after_s=manners.idle_after_s,
            prompts=manners.still_there,
        )
        self.opening = Opening(
            greeting=manners.greeting,
            notice=manners.notice,
            patience_s=manners.greeting_patience_s,
        )
        self.tuning = Tuning(manners)
        self.ending = Ending()
        self.bridging = frozenset((*manners.fillers, manners.cover, manners.notice))
        """Phrases that nobody would miss in the talk."""
        self.began_at = 0.0
        """When this stream began."""
        self._elapsed_before_s = conversation.elapsed_s

    def at_s(self, now: float) -> float:
        """Seconds into the call, whichever stream it is."""
        return self._elapsed_before_s + now - self.began_at

    @property
    def longest_until(self) -> float:
        """When the call has lasted as long as any may."""
        return self.began_at - self._elapsed_before_s + self.manners.longest_call_s

    def save(self, now: float) -> Save:
        """The conversation changed."""
        self.conversation.elapsed_s = self.at_s(now)
        return Save()

    def inject(self, text: str, now: float) -> list[Command]:
        """Have the agent say this, unless somebody is speaking."""
        self.turns.release()
        self.patience.owe(now)
        return [deepgram.InjectAgentMessage(message=text)]

    def end(self, reason: str, now: float) -> list[Command]:
        """Say goodbye, and then hang up."""
        manners = self.manners
        text = manners.unheard if reason == "caller_silent" else manners.time_is_up
        return self._end(reason, "goodbye", text, now)

    def apologise(self, now: float) -> list[Command]:
        """Without an agent the call ends politely: our own words, then a person."""
        return self._end("agent_lost", "apology", self.manners.apology, now)

    def leave(self, now: float) -> list[Command]:
        """On the agent's word, which said no last words itself."""
        if self.leaving.wanted == "transfer":
            text = self.manners.put_through
            return self._end("transferred", "goodbye", text, now, transfer=True)
        return self._end("agent_hung_up", "goodbye", self.manners.goodbye, now)

    def _end(
        self, reason: str, kind: PhraseKind, text: str, now: float, *, transfer: bool = False
    ) -> list[Command]:
        last = self.ending.begin(reason, kind, text, now, transfer=transfer)
        self.opening.until = None
        self.turns.release()
        self.line.give_up()
        self.ear.close(replay=False)
        self.answers.give_up(self.at_s(now))
        return [*self.speaking.turn_over(now), last, self.save(now)]

    @property
    def waiting_since(self) -> float | None:
        """Since when the caller waits for the agent's next word; None if she does not."""
        asked = self.functions.filler_since
        return self.patience.owed_since if asked is None else asked

    @property
    def greeted(self) -> bool:
        """True once anybody said anything but what bridges a silence: then nobody greets again."""
        return any(one.text not in self.bridging for one in self.conversation.utterances)

    def quiet_since(self) -> float:
        """When, by the estimate, the last sound of either side will have been heard."""
        return max(self.speaking.end_at, self.ear.voice_at)

    def busy(self) -> bool:
        """True while the caller has the floor, or is owed an answer, or is about to be told."""
        return (
            self.turns.caller_speaking
            or self.functions.waiting
            or self.patience.owed_since is not None
            or self.news.asked_until is not None
        )
