"""The caller's last words that had no answer: a new session of the agent is given them to answer.

Leaves when they are given to ``upkeep``, and the rest of the history to ``persona``.
"""

import math
from typing import Final

from bridge.call.conversation import Conversation, FunctionCallNote, Utterance
from bridge.call.local import LOCAL

SPECULATED_S: Final = 2.0
"""So long before the caller's words are confirmed a function call for them may come
(deepgram-voice-agent.md section 5, "Speculation")."""


def unanswered(conversation: Conversation) -> str:
    """What the caller said after the last words of the agent that she heard anything of.

    Phrases of ours are no answer. Neither is what the agent said before it asked for something to
    be done: "let me look" promises the answer. Empty when there is nothing to be answered.
    """
    return " ".join(utterance.text for utterance in unanswered_utterances(conversation))


def unanswered_utterances(conversation: Conversation) -> list[Utterance]:
    """Those utterances, in order."""
    said = conversation.utterances
    last = max((at for at, one in enumerate(said) if one.speaker == "caller"), default=None)
    if last is None:
        return []
    promised_s = _promised_until_s(conversation, said[last].at_s)
    if any(one.at_s > promised_s and _was_heard(one) for one in said[last + 1 :]):
        return []
    words = [said[last]]
    for utterance in reversed(said[:last]):
        if utterance.speaker == "caller":
            words.append(utterance)
        elif _was_heard(utterance):
            break
    return words[::-1]


def _promised_until_s(conversation: Conversation, words_s: float) -> float:
    """Until when the agent had no answer to these words, for it had asked for something."""
    return max(
        (
            _until_s(note)
            for note in conversation.function_calls
            if note.at_s >= words_s - SPECULATED_S and note.tool not in LOCAL
        ),
        default=-math.inf,
    )


def _until_s(note: FunctionCallNote) -> float:
    if note.answered_s is not None:
        return note.answered_s
    return math.inf if note.response is None else note.at_s


def _was_heard(utterance: Utterance) -> bool:
    return utterance.source != "phrase" and utterance.heard_in_the_end_ms > 0
