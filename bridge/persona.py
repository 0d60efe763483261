"""What the agent is told: prompt, voice, tools and history as one ``Settings`` message.

Pure: the day comes as an argument. Leaves sending to the driver.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import UNSET

from bridge.call.conversation import Conversation, FunctionCallNote, Utterance
from bridge.call.manners import Manners
from bridge.profile import Profile, Thinking
from bridge.wire import deepgram, mulaw
from tools.catalog import Tool, parameters_schema

ENCODING: Final = "mulaw"
"""Legal in both directions with container "none" (deepgram-voice-agent.md 4.2)."""


def settings_for(
    profile: Profile,
    conversation: Conversation,
    *,
    catalog: Mapping[str, Tool],
    greet: bool,
    now_utc: float,
) -> deepgram.Settings:
    """The message that begins a session for this practice.

    With ``greet`` the agent speaks the greeting itself. Without it the agent is given what was
    said so far, so that it neither greets again nor forgets (trap G-5).
    """
    prompt = profile.prompt.strip() + "\n\n" + _today(profile, now_utc)
    functions = [_function(catalog[name]) for name in profile.tools]
    context: deepgram.Context | None = None
    if not greet and (messages := history(conversation)):
        context = deepgram.Context(messages=messages)
    return deepgram.Settings(
        tags=[profile.id],
        mip_opt_out=True,
        flags=deepgram.Flags(history=True),
        audio=deepgram.Audio(
            input=deepgram.AudioInput(encoding=ENCODING, sample_rate=mulaw.SAMPLE_RATE_HZ),
            output=deepgram.AudioOutput(
                encoding=ENCODING, sample_rate=mulaw.SAMPLE_RATE_HZ, container="none"
            ),
        ),
        agent=deepgram.Agent(
            listen=_listen(profile),
            # Whether a fall-back entry inherits prompt and tools is not said (4.4): repeated.
            think=[_think(model, prompt, functions) for model in profile.thinking],
            speak=_speak(profile),
            greeting=profile.phrases.greeting if greet else UNSET,
            context=UNSET if context is None else context,
        ),
    )


def manners_for(profile: Profile, *, longest_call_s: float) -> Manners:
    """The practice's words and patience, as the call's core wants them."""
    return Manners(
        greeting=profile.phrases.greeting,
        fillers=profile.phrases.fillers,
        apology=profile.phrases.apology,
        resumed=profile.phrases.resumed,
        filler_after_s=profile.filler_after_s,
        longest_call_s=longest_call_s,
    )


def history(conversation: Conversation) -> list[deepgram.History]:
    """What was said and done, in time order, the agent's words cut to what was heard."""
    steps: list[tuple[float, int, deepgram.History]] = []
    for place, utterance in enumerate(conversation.utterances):
        step = _words(utterance)
        if step is not None:
            steps.append((utterance.at_s, place, step))
    for place, note in enumerate(conversation.function_calls):
        if note.response is not None:
            steps.append((note.at_s, place, _function_call(note, note.response)))
    return [step for _, _, step in sorted(steps, key=lambda one: one[:2])]


def _words(utterance: Utterance) -> deepgram.History | None:
    text = utterance.heard_text
    if not text:
        return None
    role = "user" if utterance.speaker == "caller" else "assistant"
    return deepgram.History(role=role, content=text)  # type: ignore[arg-type]


def _function_call(note: FunctionCallNote, response: str) -> deepgram.History:
    record = deepgram.FunctionCallRecord(
        id=note.function_call_id,
        name=note.tool,
        client_side=True,
        arguments=note.arguments,
        response=response,
    )
    return deepgram.History(function_calls=[record])


def _today(profile: Profile, now_utc: float) -> str:
    local = datetime.fromtimestamp(now_utc, UTC).astimezone(ZoneInfo(profile.time_zone))
    return (
        f"Today is {local:%A}, {local:%B} {local.day}, {local.year} ({local:%Y-%m-%d}). "
        f"At the practice it is {local:%H:%M}."
    )


def _listen(profile: Profile) -> deepgram.Listen:
    return deepgram.Listen(
        provider=deepgram.ListenFlux(
            model=profile.listening.model,
            eot_threshold=profile.listening.eot_threshold,
            eot_timeout_ms=profile.listening.eot_timeout_ms,
            keyterms=list(profile.listening.keyterms) or UNSET,
        )
    )


def _think(model: Thinking, prompt: str, functions: list[deepgram.Function]) -> deepgram.Think:
    makers: dict[str, type[deepgram.OpenAi | deepgram.Anthropic | deepgram.Google]] = {
        "open_ai": deepgram.OpenAi,
        "anthropic": deepgram.Anthropic,
        "google": deepgram.Google,
    }
    provider = makers[model.provider](model=model.model, temperature=model.temperature)
    return deepgram.Think(provider=provider, prompt=prompt, functions=functions)


def _speak(profile: Profile) -> deepgram.Speak:
    speed = profile.speaking.speed
    return deepgram.Speak(
        provider=deepgram.DeepgramSpeak(
            model=profile.speaking.model, speed=UNSET if speed == 1.0 else speed
        )
    )


def _function(tool: Tool) -> deepgram.Function:
    return deepgram.Function(
        name=tool.name,
        description=tool.description,
        parameters=parameters_schema(tool),
        # An effect is not to be asked for before the caller's turn is confirmed (section 5).
        defer_until_eot=True if tool.effect else UNSET,
    )
