"""What a call may ask of its driver: messages to send, and the few things that are no message."""

from typing import Literal

import msgspec

from bridge.call.events import PhraseKind
from bridge.call.manners import VoiceContext
from bridge.wire import deepgram, twilio
from tools.contract import ToolJob

NextStep = Literal["goodbye", "hangup", "human", "apology", "transfer"]
"""What ``POST /twilio/resume`` does once our socket is closed: a goodbye; nothing more, for ours
was heard; the practice's people, where it names a number, after an apology that was heard; the
same after one that Twilio says; or at once, for the caller knows that she is put through."""


class PlayVoice(msgspec.Struct, frozen=True, gc=False):
    """µ-law for the caller, queued behind what was sent before."""

    audio: bytes


class SendVoice(msgspec.Struct, frozen=True, gc=False):
    """µ-law for the agent, the bytes the caller sent."""

    audio: bytes


class ConnectAgent(msgspec.Struct, frozen=True):
    """Open the agent's line; answered by ``Welcome`` or ``AgentLost``."""


class ConfigureAgent(msgspec.Struct, frozen=True, kw_only=True):
    """Send ``Settings`` made from the profile and the conversation so far."""

    greet: bool
    """True: the agent speaks the greeting. False: it was spoken, and the history says so."""


class FetchPhrase(msgspec.Struct, frozen=True, kw_only=True):
    """Get the audio of a phrase; answered by ``PhraseReady`` or ``PhraseMissing``."""

    kind: PhraseKind
    text: str
    context: VoiceContext = "information"
    """Whose voice says it."""


class RunTool(msgspec.Struct, frozen=True, kw_only=True):
    """Queue a job; answered by ``OutcomeArrived``, or by nobody.

    One that the bridge asks for on its own behalf is sent even when the call ends.
    """

    job: ToolJob


class GiveUpTool(msgspec.Struct, frozen=True, kw_only=True):
    """Its time is nearly over: what is true of it? Answered by ``OutcomeArrived``, or by nobody.

    What has not begun will never begin.
    """

    job: ToolJob


class CancelTool(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody wants the answer of this read any more; what has not begun need not begin."""

    function_call_id: str
    tool: str


class Save(msgspec.Struct, frozen=True):
    """The conversation changed: store it soon, never on the media path."""


class CloseAgent(msgspec.Struct, frozen=True):
    """Close the agent's line."""


class HangUp(msgspec.Struct, frozen=True, kw_only=True):
    """Close the caller's stream with 1000 and leave the next step for ``/twilio/resume``."""

    next_step: NextStep


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The call is over for this session: save it and let go of everything."""

    reason: str
    """Stable word: ``caller_hung_up caller_line_lost agent_lost agent_hung_up caller_silent
    longest_call transferred``."""


Command = (
    PlayVoice
    | SendVoice
    | ConnectAgent
    | ConfigureAgent
    | FetchPhrase
    | RunTool
    | GiveUpTool
    | CancelTool
    | Save
    | CloseAgent
    | HangUp
    | End
    | twilio.SendMark
    | twilio.Clear
    | deepgram.FunctionCallResponse
    | deepgram.UpdatePrompt
    | deepgram.UpdateListen
    | deepgram.UpdateSpeak
    | deepgram.InjectAgentMessage
    | deepgram.InjectUserMessage
)
