"""Scenarios for the emulated agent, and what is said in them."""

from bridge.simulator.scenario import Action, AgentRule, Ask, CallerStep, Scenario

BOOK_ME = "I would like to book a cleaning please."
LATER = "Sorry I meant another day."
THANKS = "Thank you, bye."
LONG = "We are open from eight in the morning until half past five, and on Fridays until two."

FIND = Ask(tool="find_slots", arguments={"service": "cleaning"}, save_as="slots")
BOOK = Ask(tool="book_appointment", arguments={"start": "{slots.offers[0].start}"})
LOOK = Ask(tool="lookup_appointment", arguments={"phone": "2125550142"}, save_as="found")

EAGER_ONLY_MS = 300
"""So much silence is taken for the end of a turn, and not confirmed."""


def scenario(*rules, lines=(BOOK_ME, LATER, THANKS), **more):
    return Scenario(
        name="test",
        summary="as the test says",
        caller=[CallerStep(say=line) for line in lines],
        agent=list(rules),
        **more,
    )


def hears(phrase, *actions, **more):
    return AgentRule(hears=[phrase], think_ms=more.pop("think_ms", 10), do=list(actions), **more)


def say(text):
    return Action(say=text)


def ask(*asks):
    return Action(ask=list(asks))


def inject(message, behavior=None):
    return {"type": "InjectAgentMessage", "message": message} | (
        {"behavior": behavior} if behavior else {}
    )


def words(content):
    return {"type": "InjectUserMessage", "content": content}
