"""What the agent is told: prompt, voice, tools and history as one ``Settings`` message.

Pure: the day comes as an argument. Leaves the shape of the blocks to ``blocks``, and sending to
the driver.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from bridge import blocks
from bridge.call.conversation import Conversation, FunctionCallNote, Utterance
from bridge.call.deeds import came_true, may_come_true, said_of
from bridge.call.manners import Manners
from bridge.call.unanswered import unanswered_utterances
from bridge.call.window import estimate, kept
from bridge.profile import Profile
from bridge.profile.practice import CONTEXTS
from bridge.pronunciation import guidance, pronounced, strip
from bridge.wire import deepgram, mulaw
from tools.catalog import CATALOG, Tool

PROMPT_LIMIT: Final = 25_000
"""Characters; of a longer prompt the end is cut off (deepgram-voice-agent.md 2.6)."""

DEEDS_TOLD: Final = 5
"""Of what was done, the latest; the history has the others."""
SPOKEN_STYLE: Final = (
    "How to speak: everything you write is read out over a telephone. Write plain sentences: no "
    "markdown, no lists, no headings, no emoji, no symbols, no abbreviations. Write dates, times, "
    "amounts of money and all numbers in words, as a person says them: “Tuesday, March third at "
    "nine thirty in the morning”, “forty-five dollars”. Say phone numbers digit by digit, in "
    "groups with commas between them. One or two short sentences at a time, one question at a "
    "time. A comma or a full stop is heard as a pause."
)


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
    told = (*_lasting(profile), _today(profile, now_utc), _so_far(conversation))
    prompt = "\n\n".join(part for part in told if part)[:PROMPT_LIMIT]
    functions = _functions(profile, catalog)
    context: deepgram.Context | None = None
    if not greet and (messages := history(conversation)):
        context = deepgram.Context(messages=messages)
    return deepgram.Settings(
        tags=[profile.id, *profile.tags],
        mip_opt_out=True,
        flags=deepgram.Flags(history=True),
        audio=blocks.audio(profile),
        agent=deepgram.Agent(
            listen=blocks.listening(profile),
            think=blocks.thinking(profile, prompt=prompt, functions=functions),
            speak=blocks.speaking(profile, "information"),
            greeting=spoken(profile, _greeting(profile)) if greet else UNSET,
            context=UNSET if context is None else context,
        ),
    )


def manners_for(profile: Profile, *, longest_call_s: float) -> Manners:
    """The practice's words, patience and updates, as the call's core wants them."""
    words, waits, sound, memory = profile.phrases, profile.patience, profile.sound, profile.memory
    usual = blocks.speaking(profile, "information")
    voices = {context: blocks.speaking(profile, context) for context in CONTEXTS}
    return Manners(
        greeting=words.greeting,
        notice=words.notice,
        fillers=words.fillers,
        cover=words.cover,
        apology=words.apology,
        unheard=words.unheard,
        time_is_up=words.time_is_up,
        goodbye=words.goodbye,
        put_through=words.put_through,
        nobody_there=words.nobody_there,
        can_transfer=profile.transfer_number is not None,
        resumed=words.resumed,
        still_there=words.still_there,
        filler_after_s=waits.filler_after_s,
        second_filler_after_s=waits.second_filler_after_s,
        agent_filler_after_s=waits.agent_filler_after_s,
        stall_after_s=waits.stall_after_s,
        idle_after_s=waits.idle_after_s,
        cover_after_s=waits.cover_after_s,
        greeting_patience_s=waits.greeting_patience_s,
        agent_patience_s=waits.agent_patience_s,
        reconnect_within_s=waits.reconnect_within_s,
        roll_over_after_s=waits.roll_over_after_s,
        longest_call_s=longest_call_s,
        group_bytes=sound.group_ms * mulaw.BYTES_PER_MS,
        kept_bytes=round(sound.kept_s * mulaw.SAMPLE_RATE_HZ),
        replay_bytes=round(sound.replay_s * mulaw.SAMPLE_RATE_HZ),
        noise_gate=sound.noise_gate,
        even_volume=sound.even_volume,
        barge_in=profile.barge_in.mode,
        soft_ms=profile.barge_in.shortest_ms,
        protect_confirmations=profile.barge_in.protect_confirmations,
        listening=blocks.listening_again(profile),
        spelling=blocks.listening_closely(profile),
        spelling_cues=_cues(() if profile.spelling is None else profile.spelling.cues),
        voices={
            context: deepgram.UpdateSpeak(speak=speak)
            for context, speak in voices.items()
            if speak != usual
        },
        usual_voice=deepgram.UpdateSpeak(speak=usual),
        serious_cues=_cues(profile.voices.serious_cues),
        poor_line=profile.quality.poor_line,
        details=tuple(profile.details),
        beside_tokens=_beside(profile),
        window_turns=memory.window_turns,
        window_tokens=memory.window_tokens,
        token_budget=memory.token_budget,
    )


def spoken(profile: Profile, text: str) -> str:
    """A text of ours as it is sent for the agent's voice: with its pronunciations."""
    return pronounced(text, profile.pronunciation, model=profile.voice().model)


def plain(text: str) -> str:
    """A text of the agent's as one reads it: without pronunciations."""
    return strip(text)


# --- what was said so far ---------------------------------------------------------------------


def history(conversation: Conversation) -> list[deepgram.History]:
    """What a new session is to remember word by word, the agent's words cut to what was heard.

    In time order, from the beginning of the window. Not in it: the caller's last words, when no
    answer to them was heard; the agent is given those anew, to be answered.
    """
    window = kept(conversation)
    unanswered = {id(utterance) for utterance in unanswered_utterances(conversation)}
    steps: list[tuple[float, int, deepgram.History]] = []
    for place, utterance in enumerate(window.utterances):
        step = None if id(utterance) in unanswered else _words(utterance)
        if step is not None:
            steps.append((utterance.at_s, place, step))
    for place, note in enumerate(window.function_calls):
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


# --- the prompt -------------------------------------------------------------------------------


def _lasting(profile: Profile) -> tuple[str, ...]:
    """What the prompt says whatever the call."""
    dictionary = guidance(profile.pronunciation, model=profile.voice().model)
    return (profile.prompt.strip(), SPOKEN_STYLE, dictionary)


def _today(profile: Profile, now_utc: float) -> str:
    local = datetime.fromtimestamp(now_utc, UTC).astimezone(ZoneInfo(profile.time_zone))
    return (
        f"Today is {local:%A}, {local:%B} {local.day}, {local.year} ({local:%Y-%m-%d}). "
        f"At the practice it is {local:%H:%M}."
    )


def _so_far(conversation: Conversation) -> str:
    """What must not be forgotten of a call that goes on; nothing for one that begins."""
    notes = conversation.function_calls
    done = [said_of(note) or note.tool for note in notes if came_true(note)]
    unsure = [note.tool for note in notes if may_come_true(note)]
    known = conversation.known
    parts = []
    if known:
        told = "; ".join(f"{name}: {value}" for name, value in known.items())
        parts.append(f"Known from the caller, not to be asked again: {told}.")
    if done:
        latest = " ".join(done[-DEEDS_TOLD:])
        parts.append(f"Done in this call, not to be done again: {latest}")
    if unsure:
        parts.append(
            f"Asked for in this call and not confirmed, so it may be done or not: "
            f"{', '.join(unsure)}."
        )
    if conversation.summary:  # last: where the prompt is too long, it is what is cut
        parts.append(f"What was said before in this call: {conversation.summary}")
    if parts:
        parts.insert(0, "This call is going on already: neither greet nor introduce yourself.")
    return "\n".join(parts)


def _functions(profile: Profile, catalog: Mapping[str, Tool]) -> list[deepgram.Function]:
    offered = [catalog[name] for name in profile.tools if name in catalog]
    return [blocks.function(tool, profile) for tool in offered if not tool.internal]


def _beside(profile: Profile) -> int:
    """Tokens of what the model is given beside the talk, about."""
    functions = msgspec.json.encode(_functions(profile, CATALOG)).decode()
    return sum(estimate(part) for part in (*_lasting(profile), functions))


def _greeting(profile: Profile) -> str:
    """Everything that is said at the beginning, when the agent has to say it."""
    return f"{profile.phrases.greeting} {profile.phrases.notice}".strip()


def _cues(cues: Iterable[str]) -> tuple[str, ...]:
    return tuple(cue.casefold() for cue in cues)
