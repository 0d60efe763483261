"""Every Voice Agent v1 message, both directions (deepgram-voice-agent.md sections 2 to 4).

Audio travels beside these as binary frames: raw bytes, no wrapper. Leaves sockets to
``bridge.agent`` and what a practice's agent is told to ``bridge.persona``. Optional fields of
client messages are ``UNSET`` and then not written: one bad field ends a session (trap G-12).
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bridge.wire.reading import Malformed, Reader, Unknown

__all__ = ["FromAgent", "Malformed", "ToAgent", "Unknown", "encode", "from_agent", "to_agent"]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    pass


# --- Settings (section 4) --------------------------------------------------------------------


class AudioInput(_Part, frozen=True, kw_only=True):
    """What we send; the sample rate is always given, since sources disagree on its default."""

    encoding: str
    sample_rate: int


class AudioOutput(_Part, frozen=True, kw_only=True):
    """What we want back; ``container`` "none", for a WAV header is heard as a click (G-18)."""

    encoding: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET
    bitrate: int | UnsetType = UNSET
    container: str | UnsetType = UNSET


class Audio(_Part, frozen=True, kw_only=True):
    """Both directions of sound."""

    input: AudioInput | UnsetType = UNSET
    output: AudioOutput | UnsetType = UNSET


class ListenNova(_Part, frozen=True, kw_only=True, tag="v1", tag_field="version"):
    """Nova listening (4.3): turn detection is Deepgram's own and cannot be tuned."""

    type: Literal["deepgram"] = "deepgram"
    model: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    keyterms: list[str] | UnsetType = UNSET
    smart_format: bool | UnsetType = UNSET


class ListenFlux(_Part, frozen=True, kw_only=True, tag="v2", tag_field="version"):
    """Flux listening (4.3): end-of-turn can be tuned, also in mid-call.

    The version is always written: without it the server takes ``v1`` and refuses the model.
    """

    type: Literal["deepgram"] = "deepgram"
    model: str
    eot_threshold: float | UnsetType = UNSET
    """0.5–1.0; 1.0 means only ``ForceEndTurn`` or the timeout ends a turn."""
    eager_eot_threshold: float | UnsetType = UNSET
    """0.3–0.9, at most ``eot_threshold``."""
    eot_timeout_ms: int | UnsetType = UNSET
    keyterms: list[str] | UnsetType = UNSET
    language_hints: list[str] | UnsetType = UNSET
    """Cleared when omitted from an update; every other omitted field keeps its value."""
    language_hint: str | list[str] | UnsetType = UNSET
    """Older name of ``language_hints``, in ``Settings`` only: read, never sent."""


ListenProvider = ListenNova | ListenFlux


class Listen(_Part, frozen=True, kw_only=True):
    """How the agent hears."""

    provider: ListenProvider


class Endpoint(_Part, frozen=True, kw_only=True):
    """An address of our own for a model."""

    url: str
    headers: dict[str, str] | UnsetType = UNSET


class _ThinkProvider(_Part, frozen=True, kw_only=True, tag_field="type"):
    temperature: float | UnsetType = UNSET


class OpenAi(_ThinkProvider, frozen=True, kw_only=True, tag="open_ai"):
    """OpenAI, or with an endpoint anything that speaks its API."""

    model: str
    reasoning_mode: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class Anthropic(_ThinkProvider, frozen=True, kw_only=True, tag="anthropic"):
    """Anthropic; temperature at most 1."""

    model: str
    version: str | UnsetType = UNSET


class Google(_ThinkProvider, frozen=True, kw_only=True, tag="google"):
    """Google; the API version differs by host."""

    model: str | UnsetType = UNSET
    """Absent only with an endpoint of one's own, whose URL names the model."""
    version: str | UnsetType = UNSET


class Nvidia(_ThinkProvider, frozen=True, kw_only=True, tag="nvidia"):
    """Nvidia; in the documents, not in the SDK's types."""

    model: str


class Groq(_ThinkProvider, frozen=True, kw_only=True, tag="groq"):
    """Groq; an endpoint is mandatory."""

    model: str
    reasoning_mode: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class AwsCredentials(_Part, frozen=True, kw_only=True):
    """Credentials for Bedrock and Polly."""

    type: Literal["iam", "sts"]
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | UnsetType = UNSET


class AwsBedrock(_ThinkProvider, frozen=True, kw_only=True, tag="aws_bedrock"):
    """Bedrock; an endpoint is mandatory."""

    model: str
    credentials: AwsCredentials | UnsetType = UNSET


class DeepgramThink(_ThinkProvider, frozen=True, kw_only=True, tag="deepgram"):
    """Deepgram's own early-access models; not for production."""

    model: str
    version: str | UnsetType = UNSET
    reasoning_mode: str | UnsetType = UNSET
    voice_prompt_opt_out: bool | UnsetType = UNSET


ThinkProvider = OpenAi | Anthropic | Google | Nvidia | Groq | AwsBedrock | DeepgramThink


class FunctionEndpoint(_Part, frozen=True, kw_only=True):
    """Where Deepgram calls a server-side function."""

    url: str
    method: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET


class Function(_Part, frozen=True, kw_only=True):
    """A tool as the model sees it; without ``endpoint`` it is ours to run (section 5)."""

    name: str
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    endpoint: FunctionEndpoint | UnsetType = UNSET
    defer_until_eot: bool | UnsetType = UNSET
    """True: not asked for before the caller's turn is confirmed. On every tool with an effect."""
    initial_agent_filler: bool | UnsetType = UNSET
    """This and the next two: Think Live only, without it they end the session (4.4)."""
    agent_filler_max_count: int | UnsetType = UNSET
    agent_filler_interval_ms: int | UnsetType = UNSET


class Think(_Part, frozen=True, kw_only=True):
    """How the agent thinks: one model with prompt and tools."""

    provider: ThinkProvider
    prompt: str | UnsetType = UNSET
    functions: list[Function] | UnsetType = UNSET
    endpoint: Endpoint | UnsetType = UNSET
    context_length: int | Literal["max"] | UnsetType = UNSET


class ThinkLiveProvider(_Part, frozen=True, kw_only=True):
    """What Think Live does beside answering (4.6); by invitation only, not for production."""

    type: Literal["deepgram"] = "deepgram"
    version: Literal["v1"] = "v1"
    agent_backchannel_sensitivity: float | UnsetType = UNSET
    presence_check_max_count: int | UnsetType = UNSET
    presence_check_interval_ms: int | UnsetType = UNSET
    frustration_max_count: int | UnsetType = UNSET
    restricted_terms: list[str] | UnsetType = UNSET


class ThinkLive(_Part, frozen=True, kw_only=True):
    """Think Live of one session."""

    provider: ThinkLiveProvider


class _SpeakProvider(_Part, frozen=True, kw_only=True, tag_field="type"):
    pass


class DeepgramSpeak(_SpeakProvider, frozen=True, kw_only=True, tag="deepgram"):
    """Aura (``v1``) or Flux (``v2``) voices; ``language`` here is an error."""

    model: str
    version: Literal["v1", "v2"] | UnsetType = UNSET
    speed: float | UnsetType = UNSET
    expressivity: int | UnsetType = UNSET


class ElevenLabs(_SpeakProvider, frozen=True, kw_only=True, tag="eleven_labs"):
    """ElevenLabs; an endpoint is mandatory."""

    model_id: str
    language: str | UnsetType = UNSET
    language_code: str | UnsetType = UNSET
    """Older name of ``language``."""
    version: str | UnsetType = UNSET


class CartesiaVoice(_Part, frozen=True, kw_only=True):
    """Which Cartesia voice."""

    mode: str
    id: str


class Cartesia(_SpeakProvider, frozen=True, kw_only=True, tag="cartesia"):
    """Cartesia."""

    model_id: str
    voice: CartesiaVoice
    language: str | UnsetType = UNSET
    volume: float | UnsetType = UNSET
    speed: str | float | UnsetType = UNSET
    version: str | UnsetType = UNSET


class OpenAiSpeak(_SpeakProvider, frozen=True, kw_only=True, tag="open_ai"):
    """OpenAI voices; an endpoint is mandatory."""

    model: str
    voice: str
    version: str | UnsetType = UNSET


class AwsPolly(_SpeakProvider, frozen=True, kw_only=True, tag="aws_polly"):
    """Polly."""

    voice: str
    language: str
    engine: str
    credentials: AwsCredentials
    language_code: str | UnsetType = UNSET
    """Older name of ``language``."""


SpeakProvider = DeepgramSpeak | ElevenLabs | Cartesia | OpenAiSpeak | AwsPolly


class Speak(_Part, frozen=True, kw_only=True):
    """How the agent sounds."""

    provider: SpeakProvider
    endpoint: Endpoint | UnsetType = UNSET


class FunctionCallRecord(_Part, frozen=True, kw_only=True):
    """A function call that was asked and answered, as history keeps it."""

    id: str
    name: str
    client_side: bool
    arguments: str
    response: str
    thought_signature: str | UnsetType | None = UNSET


class History(_Message, frozen=True, kw_only=True, tag="History"):
    """One step of the conversation: words, or function calls. Sent by both sides.

    A field of the other of these two shapes may come as null: it means the same as absent.
    """

    role: Literal["user", "assistant"] | UnsetType | None = UNSET
    content: str | UnsetType | None = UNSET
    function_calls: list[FunctionCallRecord] | UnsetType | None = UNSET


class Context(_Part, frozen=True, kw_only=True):
    """What was said before this session, in time order."""

    messages: list[History]


class Agent(_Part, frozen=True, kw_only=True):
    """Listening, thinking and speaking of one session; arrays are fall-back chains."""

    listen: Listen | UnsetType = UNSET
    think: Think | list[Think] | UnsetType = UNSET
    speak: Speak | list[Speak] | UnsetType = UNSET
    greeting: str | UnsetType = UNSET
    """Spoken verbatim at every new session: left out on a reconnect (G-5)."""
    context: Context | UnsetType = UNSET
    think_live: ThinkLive | UnsetType = UNSET
    language: str | UnsetType = UNSET
    """Deprecated, and refused of late (4.6): read, never sent."""


class Flags(_Part, frozen=True, kw_only=True):
    """Switches of the session; at top level, whatever one page says (G-11)."""

    history: bool | UnsetType = UNSET


class Settings(_Message, frozen=True, kw_only=True, tag="Settings"):
    """The one message that begins a session, after ``Welcome``."""

    audio: Audio
    agent: Agent | str
    tags: list[str] | UnsetType = UNSET
    experimental: bool | UnsetType = UNSET
    flags: Flags | UnsetType = UNSET
    mip_opt_out: bool | UnsetType = UNSET
    """True: Deepgram does not keep the audio (1.8)."""


# --- us → agent (section 2) ------------------------------------------------------------------


class UpdateListen(_Message, frozen=True, kw_only=True, tag="UpdateListen"):
    """Tunes listening in mid-call; the acknowledgement may take 18 s (G-9)."""

    listen: Listen


class UpdateThink(_Message, frozen=True, kw_only=True, tag="UpdateThink"):
    """Replaces the whole think block."""

    think: Think | list[Think]


class UpdateThinkLive(_Message, frozen=True, kw_only=True, tag="UpdateThink_Live"):
    """Think Live, by invitation only."""

    think_live: ThinkLive


class UpdatePrompt(_Message, frozen=True, kw_only=True, tag="UpdatePrompt"):
    """Appends to the prompt (whatever one page says: G-11)."""

    prompt: str


class UpdateSpeak(_Message, frozen=True, kw_only=True, tag="UpdateSpeak"):
    """Changes the voice."""

    speak: Speak | list[Speak]


class InjectAgentMessage(_Message, frozen=True, kw_only=True, tag="InjectAgentMessage"):
    """Words for the agent to say (field ``message``, not ``content``)."""

    message: str | UnsetType = UNSET
    behavior: Literal["default", "queue", "interrupt"] | UnsetType = UNSET
    is_dynamic: bool | UnsetType = UNSET
    """True: Think Live writes the line itself; then there is no ``message``."""

    def __post_init__(self) -> None:
        """Two shapes share this tag; a mixture of them would end the session (2.8)."""
        if isinstance(self.message, str) is (self.is_dynamic is True) or self.is_dynamic is False:
            raise ValueError("either a message or is_dynamic=True")


class InjectUserMessage(_Message, frozen=True, kw_only=True, tag="InjectUserMessage"):
    """Words as if the caller had said them (field ``content``, not ``message``)."""

    content: str


class FunctionCallResponse(_Message, frozen=True, kw_only=True, tag="FunctionCallResponse"):
    """The answer to one function call; the server echoes ours and sends its own."""

    name: str
    content: str
    """Always a string; JSON text inside."""
    id: str | UnsetType | None = UNSET
    """Always given by us; a server-side function's response may come without."""
    thought_signature: str | UnsetType | None = UNSET
    """Returned unchanged when the request carried one (2.10)."""


class ForceEndTurn(_Message, frozen=True, kw_only=True, tag="ForceEndTurn"):
    """Ends the caller's turn now; Flux only."""


class KeepAlive(_Message, frozen=True, kw_only=True, tag="KeepAlive"):
    """Nothing to say, still here."""


class CustomToThinkProvider(_Message, frozen=True, kw_only=True, tag="__customToThinkProvider"):
    """A private payload for a model of one's own."""

    content: Any


ToAgent = (
    Settings
    | UpdateListen
    | UpdateThink
    | UpdateThinkLive
    | UpdatePrompt
    | UpdateSpeak
    | InjectAgentMessage
    | InjectUserMessage
    | FunctionCallResponse
    | ForceEndTurn
    | KeepAlive
    | CustomToThinkProvider
)

to_agent: Reader[ToAgent] = Reader(ToAgent, tag_field="type")


# --- agent → us (section 3) ------------------------------------------------------------------


class Welcome(_Message, frozen=True, kw_only=True, tag="Welcome"):
    """The socket is open; ``Settings`` may be sent now."""

    request_id: str


class SettingsApplied(_Message, frozen=True, kw_only=True, tag="SettingsApplied"):
    """Audio and injections may be sent now."""


class ConversationText(_Message, frozen=True, kw_only=True, tag="ConversationText"):
    """What was said: the caller's turn once confirmed, the agent's sentence by sentence."""

    role: Literal["user", "assistant"]
    content: str
    conversational_behavior: str = "default"
    """``default``, ``backchannel``, ``presence_check`` or ``filler``, so far."""
    languages_hinted: list[str] | UnsetType | None = UNSET
    languages: list[str] | UnsetType | None = UNSET
    """The caller's, with a multilingual model only."""


class UserStartedSpeaking(_Message, frozen=True, kw_only=True, tag="UserStartedSpeaking"):
    """A new utterance of the caller began; playback must stop (section 6)."""


class EndOfTurn(_Message, frozen=True, kw_only=True, tag="EndOfTurn"):
    """The caller's turn ended (Flux; undocumented)."""

    trigger: str = ""
    """``model``, ``timeout`` or ``manual``, so far."""


class AgentThinking(_Message, frozen=True, kw_only=True, tag="AgentThinking"):
    """Reasoning that is not spoken; often never sent (G-4)."""

    content: str = ""


class AgentStartedSpeaking(
    _Message, frozen=True, kw_only=True, tag="AgentStartedSpeaking", omit_defaults=True
):
    """First audio of a reply, in seconds; experimental, often absent: never depended on."""

    total_latency: float | None = None
    tts_latency: float | None = None
    ttt_latency: float | None = None


class LatencyReport(_Message, frozen=True, kw_only=True, tag="LatencyReport", omit_defaults=True):
    """Seconds by stage, usually one field a message, several messages a turn (G-19)."""

    stt_latency: float | None = None
    ttt_token_latency: float | None = None
    ttt_text_latency: float | None = None
    ttt_tool_latency: float | None = None
    ttt_thinking_latency: float | None = None
    tts_latency: float | None = None
    total_latency: float | None = None


class FunctionCall(_Part, frozen=True, kw_only=True):
    """One tool the model wants used."""

    id: str
    name: str
    arguments: str | dict[str, Any] = ""
    """JSON text; some models' calls arrive as an object."""
    client_side: bool = True
    thought_signature: str | UnsetType | None = UNSET

    @property
    def arguments_json(self) -> str:
        """The arguments as JSON text, whichever way they came."""
        if isinstance(self.arguments, str):
            return self.arguments
        return msgspec.json.encode(self.arguments).decode()


class FunctionCallRequest(_Message, frozen=True, kw_only=True, tag="FunctionCallRequest"):
    """Tools wanted; each element is answered by its own ``FunctionCallResponse``."""

    functions: list[FunctionCall]


class CancelledFunction(_Part, frozen=True, kw_only=True):
    """Which function call was withdrawn."""

    id: str
    name: str


class FunctionCallCancelled(_Message, frozen=True, kw_only=True, tag="FunctionCallCancelled"):
    """Function calls the agent no longer waits for; answers to them are dropped."""

    functions: list[CancelledFunction]


class AgentAudioDone(_Message, frozen=True, kw_only=True, tag="AgentAudioDone"):
    """The last audio of a reply was sent, not played; may come at once, late or never."""


class PromptUpdated(_Message, frozen=True, kw_only=True, tag="PromptUpdated"):
    """``UpdatePrompt`` took effect."""


class ThinkUpdated(_Message, frozen=True, kw_only=True, tag="ThinkUpdated"):
    """``UpdateThink`` took effect."""


class ThinkLiveUpdated(_Message, frozen=True, kw_only=True, tag="ThinkLiveUpdated"):
    """``UpdateThink_Live`` took effect."""


class SpeakUpdated(_Message, frozen=True, kw_only=True, tag="SpeakUpdated"):
    """``UpdateSpeak`` took effect."""


class ListenUpdated(_Message, frozen=True, kw_only=True, tag="ListenUpdated"):
    """``UpdateListen`` took effect."""


class InjectionRefused(_Message, frozen=True, kw_only=True, tag="InjectionRefused"):
    """An injected line was not spoken."""

    message: str = ""


class FrustrationDetected(_Message, frozen=True, kw_only=True, tag="FrustrationDetected"):
    """Think Live only."""

    count: int = 0
    escalated: bool = False


class Warning(_Message, frozen=True, kw_only=True, tag="Warning"):
    """Something went wrong that does not end the session; the list of codes is open."""

    code: str = ""
    description: str = ""


class Error(_Message, frozen=True, kw_only=True, tag="Error"):
    """Something went wrong that ends the session; the socket closes behind it."""

    code: str = ""
    description: str = ""


class CustomFromThinkProvider(_Message, frozen=True, kw_only=True, tag="__customFromThinkProvider"):
    """A private payload of a model of one's own."""

    content: Any = None


FromAgent = (
    Welcome
    | SettingsApplied
    | ConversationText
    | History
    | UserStartedSpeaking
    | EndOfTurn
    | AgentThinking
    | AgentStartedSpeaking
    | LatencyReport
    | FunctionCallRequest
    | FunctionCallCancelled
    | FunctionCallResponse
    | AgentAudioDone
    | PromptUpdated
    | ThinkUpdated
    | ThinkLiveUpdated
    | SpeakUpdated
    | ListenUpdated
    | InjectionRefused
    | FrustrationDetected
    | Warning
    | Error
    | CustomFromThinkProvider
)

from_agent: Reader[FromAgent] = Reader(FromAgent, tag_field="type")

_encoder = msgspec.json.Encoder()


def encode(message: ToAgent | FromAgent) -> str:
    """A message as the text frame that carries it."""
    return _encoder.encode(message).decode()
