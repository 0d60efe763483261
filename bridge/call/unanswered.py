"""The caller's last words that had no answer: a new session of the agent is given them to answer.

Leaves when they are given to ``upkeep``, and the rest of the history to ``persona``.
"""

from bridge.call.conversation import Conversation, Utterance


def unanswered(conversation: Conversation) -> str:
    """What the caller said after the last words of the agent that she heard anything of.

    Phrases of ours are no answer. Empty when there is nothing to be answered.
    """
    return " ".join(utterance.text for utterance in unanswered_utterances(conversation))


def unanswered_utterances(conversation: Conversation) -> list[Utterance]:
    """Those utterances, in order."""
    words: list[Utterance] = []
    for utterance in reversed(conversation.utterances):
        if utterance.speaker == "caller":
            words.append(utterance)
        elif _answers(utterance):
            break
    return words[::-1]


def _answers(utterance: Utterance) -> bool:
    if utterance.source == "phrase":
        return False
    # What was sent will be heard, unless it was cut before.
    return utterance.heard_ms > 0 if utterance.cut else utterance.sent_ms > 0
