"""The blocks of ``Settings`` that a practice decides: sound, listening, thinking, speaking, tools.

Field by field as deepgram-voice-agent.md section 4 has them; optional ones are written only where
the practice says something. Leaves prompt and history to ``persona``.
"""

from typing import Any, Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from bridge.call.manners import VoiceContext
from bridge.profile import Profile, Speaking, Thinking
from bridge.profile.practice import CONTEXTS
from bridge.profile.tables import Endpoint, SpeakingFallback
from bridge.wire import deepgram, mulaw
from tools.catalog import Tool, parameters_schema

WIDEBAND_HZ: Final = 16_000
USUAL_TEMPERATURE: Final = 0.3


def audio(profile: Profile) -> deepgram.Audio:
    """Raw both ways: a container's header would be heard as a click (4.2, trap G-18)."""
    encoding, rate_hz = "mulaw", mulaw.SAMPLE_RATE_HZ
    if profile.sound.wideband:
        encoding, rate_hz = "linear16", WIDEBAND_HZ
    return deepgram.Audio(
        input=deepgram.AudioInput(encoding=encoding, sample_rate=rate_hz),
        output=deepgram.AudioOutput(encoding=encoding, sample_rate=rate_hz, container="none"),
    )


def listening(profile: Profile) -> deepgram.Listen:
    """How the agent hears from the beginning."""
    return deepgram.Listen(provider=_flux(profile))


def listening_again(profile: Profile) -> deepgram.UpdateListen:
    """Back to the usual way, in mid-call."""
    return deepgram.UpdateListen(listen=deepgram.Listen(provider=_whole_flux(profile)))


def listening_closely(profile: Profile) -> deepgram.UpdateListen | None:
    """While the caller spells, in mid-call; None if the practice makes no difference."""
    spelling = profile.spelling
    if spelling is None:
        return None
    provider = replace(
        _whole_flux(profile),
        eot_threshold=spelling.eot_threshold,
        eot_timeout_ms=spelling.eot_timeout_ms,
        keyterms=list(spelling.keyterms or profile.listening.keyterms),
    )
    return deepgram.UpdateListen(listen=deepgram.Listen(provider=provider))


def _flux(profile: Profile) -> deepgram.ListenFlux:
    usual = profile.listening
    eager = usual.eager_eot_threshold
    return deepgram.ListenFlux(
        model=usual.model,
        eot_threshold=usual.eot_threshold,
        eager_eot_threshold=UNSET if eager is None else eager,
        eot_timeout_ms=usual.eot_timeout_ms,
        keyterms=list(usual.keyterms) or UNSET,
        language_hints=list(usual.language_hints) or UNSET,
    )


def _whole_flux(profile: Profile) -> deepgram.ListenFlux:
    """For an update: keyterms left out would keep their value (2.3), so they are given, if none."""
    return replace(_flux(profile), keyterms=list(profile.listening.keyterms))


def thinking(
    profile: Profile, *, prompt: str, functions: list[deepgram.Function]
) -> list[deepgram.Think]:
    """The models in the order in which they are tried.

    Whether a fall-back entry inherits prompt and tools is not said (4.4): they are repeated.
    """
    return [_think(model, prompt, functions) for model in profile.thinking]


def _think(model: Thinking, prompt: str, functions: list[deepgram.Function]) -> deepgram.Think:
    return deepgram.Think(
        provider=_thinker(model),
        prompt=prompt,
        functions=functions,
        endpoint=_endpoint(model.endpoint),
        context_length=UNSET if model.context_length is None else model.context_length,
    )


def _thinker(model: Thinking) -> deepgram.ThinkProvider:
    temperature: float | UnsetType = UNSET
    if model.temperature is not None:
        temperature = model.temperature
    elif model.reasoning_mode is None:  # models that reason take no temperature but their own
        temperature = USUAL_TEMPERATURE
    reasoning = UNSET if model.reasoning_mode is None else model.reasoning_mode
    match model.provider:
        case "open_ai":
            return deepgram.OpenAi(
                model=model.model, temperature=temperature, reasoning_mode=reasoning
            )
        case "groq":
            return deepgram.Groq(
                model=model.model, temperature=temperature, reasoning_mode=reasoning
            )
        case "anthropic":
            return deepgram.Anthropic(model=model.model, temperature=temperature)
        case "google":
            return deepgram.Google(
                model=model.model or UNSET,
                temperature=temperature,
                version=UNSET if model.version is None else model.version,
            )


def _endpoint(endpoint: Endpoint | None) -> deepgram.Endpoint | UnsetType:
    if endpoint is None:
        return UNSET
    return deepgram.Endpoint(url=endpoint.url, headers=dict(endpoint.headers) or UNSET)


def speaking(profile: Profile, context: VoiceContext) -> deepgram.Speak | list[deepgram.Speak]:
    """The voice of a context and, behind it, those for when it fails.

    Whether an update that names no speed leaves the last one as it was is not said (2.7): where
    any voice has a pace of its own, each names its pace.
    """
    paced = any(profile.voice(one).speed != 1.0 for one in CONTEXTS)
    first = deepgram.Speak(provider=_voice(profile.voice(context), paced=paced))
    others = [_fallback(voice) for voice in profile.speaking_fallback]
    return [first, *others] if others else first


def _voice(voice: Speaking, *, paced: bool) -> deepgram.DeepgramSpeak:
    return deepgram.DeepgramSpeak(
        model=voice.model,
        version="v2" if voice.flux else UNSET,
        speed=voice.speed if paced else UNSET,
        expressivity=UNSET if voice.expressivity is None else voice.expressivity,
    )


def _fallback(voice: SpeakingFallback) -> deepgram.Speak:
    return deepgram.Speak(provider=_fallback_provider(voice), endpoint=_endpoint(voice.endpoint))


def _fallback_provider(voice: SpeakingFallback) -> deepgram.SpeakProvider:
    language = UNSET if voice.language is None else voice.language
    match voice.provider:
        case "deepgram":
            own = Speaking(model=voice.model, speed=voice.speed or 1.0)
            return _voice(own, paced=voice.speed is not None)
        case "eleven_labs":
            return deepgram.ElevenLabs(model_id=voice.model, language=language)
        case "cartesia":
            return deepgram.Cartesia(
                model_id=voice.model,
                voice=deepgram.CartesiaVoice(mode="id", id=voice.voice or ""),
                language=language,
                volume=UNSET if voice.volume is None else voice.volume,
            )
        case "open_ai":
            return deepgram.OpenAiSpeak(model=voice.model, voice=voice.voice or "")


def function(tool: Tool, profile: Profile) -> deepgram.Function:
    """A tool as the model sees it."""
    return deepgram.Function(
        name=tool.name,
        description=tool.description,
        parameters=_parameters(tool, profile),
        # An effect is not to be asked for before the caller's turn is confirmed (section 5).
        defer_until_eot=True if tool.effect else UNSET,
    )


def _parameters(tool: Tool, profile: Profile) -> dict[str, Any]:
    """The tool's own schema; where details are noted, with this practice's names for them."""
    schema = parameters_schema(tool)
    if tool.name == "remember_details" and "details" in schema["properties"]:
        named = {
            name: {"type": "string", "description": what} for name, what in profile.details.items()
        }
        details = {**schema["properties"]["details"], "properties": named}
        schema["properties"]["details"] = {**details, "additionalProperties": False}
    return schema
