"""The thread of the talk where it was broken off: what the agent had begun to say and did not.

Leaves when it is picked up to ``session``.
"""

from typing import Final

from bridge.call.conversation import Conversation, Utterance

AS_GOOD_AS_SAID: Final = 0.85
"""Of a sentence so much of which was heard, the rest is not worth repeating."""


def unsaid(conversation: Conversation, *, since: int, ours: frozenset[str]) -> str:
    """The sentences of the agent's last turn that the caller did not hear to their end.

    Args:
        conversation: The call's talk.
        since: Place of the first utterance that counts: what was said again before is over.
        ours: Phrases that bridged a silence and are worth nothing once it is over.
    """
    sentences: list[str] = []
    for utterance in reversed(conversation.utterances[since:]):
        if utterance.speaker == "caller":
            break
        if utterance.text not in ours and _broken_off(utterance):
            sentences.append(utterance.text)
    return " ".join(reversed(sentences))


def _broken_off(utterance: Utterance) -> bool:
    if utterance.source == "phrase" and not utterance.cut:
        return False
    return utterance.heard_in_the_end_ms < AS_GOOD_AS_SAID * utterance.whole_ms
