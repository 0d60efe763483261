"""What the emulated agent decides to do: a scenario's rules in place of a language model.

It knows only what a model would: what was heard in this session, its prompt, and the history it
was given at the start. So a conversation that is resumed without its history goes wrong here as
it would there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from bridge.simulator.rules import Action, AgentRule, Ask
from bridge.simulator.scenario import Scenario
from bridge.simulator.templates import Missing, fill, words
from bridge.wire import deepgram

CONFUSED = AgentRule(do=[Action(say="Sorry, could you say that again?")])
"""What is done when no rule fits."""
NOTHING_TO_SAY = "I'm sorry, I can't see that just now."
"""What is said in place of words whose answer never came."""


class Brain:
    """Decides for one session of one call; ``session`` is its number."""

    def __init__(self, scenario: Scenario, session: int = 1) -> None:
        self.prompt = ""
        """The prompt as it stands."""
        self._rules = scenario.agent
        self._session = session
        self._zone = _zone(scenario.time_zone)
        self._used: set[int] = set()
        self._memory: dict[str, Any] = {}
        self._told = ""
        """The words of the talk before this session, as far as it was told of it."""
        self._asked: list[Ask] = []
        self._withdrawn: list[Ask] = []
        self._names = {
            ask.tool: ask.save_as
            for rule in scenario.agent
            for action in rule.do
            for ask in action.ask or ()
            if ask.save_as
        }

    def remember(self, history: Iterable[deepgram.History]) -> None:
        """Takes up a conversation that was begun in another session."""
        for step in history:
            if step.content:
                self._told += f" {_plain(str(step.content))} "
            if step.role == "user" and step.content:
                self.use(self._rule_then(str(step.content)))
            for call in step.function_calls or ():
                self._told += f" {_plain(call.arguments)} {_plain(call.response)} "
                self._keep(call.name, self._names.get(call.name), call.response)

    def rule_for(self, heard: str) -> AgentRule:
        """The rule that fits what was heard; ``use`` it when the turn is confirmed."""
        for rule in self._open_rules(heard):
            if (
                rule.session in (None, self._session)
                and all(_within(words, self._told) for words in rule.remembers)
                and not any(_within(words, self._told) for words in rule.forgets)
                and all(_within(words, _plain(self.prompt)) for words in rule.prompt_has)
            ):
                return rule
        return CONFUSED

    def _rule_then(self, heard: str) -> AgentRule:
        """The rule that an earlier session will have taken."""
        for rule in self._open_rules(heard):
            if not (rule.remembers or rule.prompt_has) and (rule.session or 0) < self._session:
                return rule
        return CONFUSED

    def _open_rules(self, heard: str) -> Iterator[AgentRule]:
        """Those whose words were heard, that are not used up and miss no answer, in order."""
        said = _plain(heard)
        for number, rule in enumerate(self._rules):
            if number in self._used or not self._memory.keys() >= set(rule.needs):
                continue
            if not rule.hears or any(_within(phrase, said) for phrase in rule.hears):
                yield rule

    def use(self, rule: AgentRule) -> None:
        """Uses the rule up if it may be used only once."""
        if rule.once:
            self._used.update(number for number, known in enumerate(self._rules) if known is rule)

    def answered(self, ask: Ask, content: str) -> None:
        """A tool answered."""
        self._keep(ask.tool, ask.save_as, content)

    def asked(self, asks: Sequence[Ask]) -> None:
        """These tools were asked."""
        self._asked = list(asks)

    def withdrawn(self, asks: Sequence[Ask]) -> None:
        """These were taken back before they were answered."""
        self._withdrawn = list(asks)

    def to_repeat(self) -> Sequence[Ask]:
        """What is asked again by a model that lost sight of it (G-20)."""
        repeated, self._withdrawn = self._withdrawn or self._asked, []
        return repeated

    def arguments(self, ask: Ask) -> dict[str, Any]:
        """The arguments of a function call, filled in."""
        filled: dict[str, Any] = fill(ask.arguments, self._memory, self._today())
        return filled

    def sentences(self, template: str) -> Sequence[str]:
        """What to say, sentence by sentence."""
        try:
            said = words(template, self._memory, self._today())
        except Missing:
            said = NOTHING_TO_SAY
        return split_sentences(said)

    def _keep(self, tool: str, save_as: str | None, content: str) -> None:
        try:
            answer = msgspec.json.decode(content)
        except msgspec.DecodeError:
            answer = content
        self._memory[tool] = answer
        if save_as:
            self._memory[save_as] = answer

    def _today(self) -> date:
        return datetime.now(self._zone).date()


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; "Dr." and the like end none."""
    parts = re.split(r"(?<=[.!?])(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)\s+", text.strip())
    return [part for part in parts if part]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower().replace("’", "'")))


def _within(words: str, plain: str) -> bool:
    return f" {_plain(words)} " in f" {plain} "


def _zone(name: str) -> tzinfo | None:
    """The zone; this machine's own where it has no time zone database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
