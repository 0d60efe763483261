"""A call under test: the session, its clock, and the few events that most tests begin with."""

from typing import Any

from bridge.call.commands import Command
from bridge.call.conversation import Conversation, Utterance
from bridge.call.events import AgentAudio, Event, PhraseReady, Wakeup
from bridge.call.manners import Manners
from bridge.call.session import CallSession
from bridge.wire import deepgram, mulaw, twilio
from tools.catalog import CATALOG, Tool

STREAM = "MZ1"
CALL = "CA1"
GREETING = "Thank you for calling. How can I help?"
APOLOGY = "Sorry, please call again."
TIME_IS_UP = "We have to end here. Goodbye."
UNHEARD = "I can't hear you. Goodbye."
COVER = "One moment, I'm still here."
NOTICE = "This call may be recorded."
FILLERS = ("One moment.", "Let me check.")


def sound(seconds: float, byte: bytes = b"\x40") -> bytes:
    return byte * round(seconds * mulaw.SAMPLE_RATE_HZ)


def start(stream_sid: str = STREAM, **parameters: str) -> twilio.Start:
    return twilio.Start(
        sequence_number=1,
        stream_sid=stream_sid,
        start=twilio.StartBody(
            account_sid="AC1",
            stream_sid=stream_sid,
            call_sid=CALL,
            tracks=["inbound"],
            media_format=twilio.MediaFormat(encoding="audio/x-mulaw", sample_rate=8000, channels=1),
            custom_parameters=parameters,
        ),
    )


def media(payload: bytes) -> twilio.Media:
    return twilio.Media(stream_sid=STREAM, media=twilio.MediaBody(payload=payload))


def stop() -> twilio.Stop:
    return twilio.Stop(stream_sid=STREAM, stop=twilio.StopBody(account_sid="AC1", call_sid=CALL))


def mark(name: str) -> twilio.Mark:
    return twilio.Mark(stream_sid=STREAM, mark=twilio.MarkBody(name=name))


def send_mark(name: str) -> twilio.SendMark:
    return twilio.SendMark(stream_sid=STREAM, mark=twilio.MarkBody(name=name))


def user_text(text: str) -> deepgram.ConversationText:
    return deepgram.ConversationText(role="user", content=text)


def agent_text(text: str) -> deepgram.ConversationText:
    return deepgram.ConversationText(role="assistant", content=text)


def asks(
    name: str, arguments: Any = "{}", *, id: str = "fc1", **more: Any
) -> deepgram.FunctionCallRequest:
    return deepgram.FunctionCallRequest(
        functions=[deepgram.FunctionCall(id=id, name=name, arguments=arguments, **more)]
    )


def cancels(id: str, name: str = "find_slots") -> deepgram.FunctionCallCancelled:
    return deepgram.FunctionCallCancelled(functions=[deepgram.CancelledFunction(id=id, name=name)])


FIND = '{"service":"cleaning"}'
BOOK = (
    '{"service":"cleaning","start":"2026-12-01T09:00","patient_name":"Ann Lee",'
    '"phone":"+15550100123"}'
)


class Call:
    """A session with a clock that only goes where a test sends it."""

    def __init__(
        self,
        conversation: Conversation | None = None,
        catalog: dict[str, Tool] | None = None,
        **manners: Any,
    ) -> None:
        self.conversation = conversation or a_conversation()
        polite: dict[str, Any] = {
            "greeting": GREETING,
            "fillers": FILLERS,
            "apology": APOLOGY,
            "cover": COVER,
            "time_is_up": TIME_IS_UP,
            "unheard": UNHEARD,
        }
        self.session = CallSession(
            self.conversation,
            manners=Manners(**(polite | manners)),
            catalog=CATALOG if catalog is None else catalog,
        )
        self.now = 0.0

    def at(self, now: float, *events: Event) -> list[Command]:
        """What these events, all at one instant, command."""
        self.now = now
        return [command for event in events for command in self.session.receive(event, now)]

    def wake(self) -> list[Command]:
        """What the next wake-up commands."""
        due = self.session.next_wakeup()
        assert due is not None
        return self.at(max(due, self.now), Wakeup())

    def heard(self) -> list[str]:
        """The agent's words as the caller heard them."""
        return [one.heard_text for one in self.conversation.utterances if one.speaker == "agent"]

    def words(self) -> list[tuple[str, str]]:
        return [(one.speaker, one.text) for one in self.conversation.utterances]


def a_conversation(**fields: Any) -> Conversation:
    known: dict[str, Any] = {"call_sid": CALL, "practice": "hillside", "started_utc": 1.7e9}
    return Conversation(**(known | fields))


def caller_words(text: str, **fields: Any) -> Utterance:
    return Utterance(speaker="caller", text=text, at_s=0.0, **fields)


def agent_words(text: str, **fields: Any) -> Utterance:
    """Heard to their end, unless it is said otherwise."""
    known: dict[str, Any] = {"sent_ms": 1000.0, "heard_ms": 1000.0, "complete": True}
    return Utterance(speaker="agent", text=text, at_s=0.0, **(known | fields))


def phrase(kind: Any, text: str, seconds: float) -> PhraseReady:
    return PhraseReady(kind=kind, text=text, audio=sound(seconds, b"\x10"))


def started_call(**options: Any) -> Call:
    """``start`` at 0, nothing else yet."""
    call = Call(**options)
    call.at(0.0, start())
    return call


def ready_call(**options: Any) -> Call:
    """Greeted and connected, at 2.0 s; the greeting (1 s) was heard."""
    call = started_call(**options)
    call.at(0.0, phrase("greeting", GREETING, 1.0))
    call.at(0.3, deepgram.Welcome(request_id="r"))
    call.at(0.5, deepgram.SettingsApplied())
    call.at(1.0, mark("0:1"))
    call.now = 2.0
    return call


def speaking_call(
    text: str = "Tuesday at nine is free.", seconds: float = 2.0, **options: Any
) -> Call:
    """The agent speaks since 3.0 s: its text and all of its audio came, the end was announced."""
    call = ready_call(**options)
    call.at(2.5, deepgram.UserStartedSpeaking())
    call.at(3.0, user_text("Do you have a time?"))
    call.at(3.0, agent_text(text), AgentAudio(sound(seconds)), deepgram.AgentAudioDone())
    return call
