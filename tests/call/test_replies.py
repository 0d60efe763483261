from bridge.call.conversation import Utterance
from bridge.call.playback import Heard
from bridge.call.replies import Replies
from tests.call.calls import a_conversation


def words(text: str) -> Utterance:
    return Utterance(speaker="agent", text=text, at_s=0.0)


def test_the_end_of_no_reply_is_nothing() -> None:
    replies = Replies(a_conversation())

    replies.finish()

    assert replies.open is None


def test_a_reply_that_ended_without_audio_was_not_heard() -> None:
    talk = a_conversation()
    replies = Replies(talk)
    replies.say(words("Hello."))

    replies.close(voiced=False)

    assert talk.utterances[0].cut


def test_words_after_the_end_of_a_reply_are_another_reply() -> None:
    replies = Replies(a_conversation())
    first = replies.begin()
    replies.finish()

    replies.say(words("Hello."))

    assert replies.open == first + 1


def test_a_phrase_of_ours_is_not_the_agent_speaking() -> None:
    replies = Replies(a_conversation())
    replies.begin()
    replies.say_phrase(words("One moment."))

    assert not replies.agent_spoke_last


def test_audio_without_words_leaves_no_trace_in_the_conversation() -> None:
    talk = a_conversation()
    replies = Replies(talk)

    replies.note(Heard(reply=replies.begin(), sent_bytes=100, heard_bytes=50), over=True)

    assert talk.utterances == []
