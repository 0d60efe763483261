"""What the caller's steps sound like: words, letters, noises, recordings, each at its loudness.

Pure but for the voices it is given and the recordings it reads. The emulator asks the same
question with the same scenario, so that it knows every line as the caller really says it.
"""

import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from bridge.simulator import sounds
from bridge.simulator.hearing import Utterance, utterances
from bridge.simulator.knobs import knobs
from bridge.simulator.room import Bed, louder
from bridge.simulator.scenario import Scenario, ScenarioError
from bridge.simulator.steps import DEFAULT_LETTER_GAP_MS, CallerStep
from bridge.simulator.synthesis import to_telephone_rate
from bridge.simulator.voices import CALLER
from bridge.wire import mulaw

__all__ = ["Saying", "known_sounds", "letter_text", "recording", "sayings"]

_BACKCHANNEL = "mhm"
"""The one noise that an agent understands."""

_WIDTHS = (1, 2)


class Renders(Protocol):
    """What speaks a text in a voice, as µ-law."""

    def render(self, text: str, voice: str) -> bytes:
        """The text's sound."""
        ...


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """One audible step, ready to be sent."""

    text: str
    """As a narrative tells it."""
    frames: tuple[bytes, ...]
    """20 ms each; an empty one is a pause, in which only the room is heard."""
    audible: tuple[Utterance, ...]
    """Where in it she is heard, without the noise around her."""
    has_words: bool
    known: tuple[tuple[str, bytes], ...]
    """What may be understood of it: texts and their sounds."""

    @property
    def length_bytes(self) -> int:
        """Of all frames."""
        return len(self.frames) * mulaw.FRAME_BYTES


def sayings(scenario: Scenario, voices: Renders) -> list[Saying | None]:
    """Every step's sound, None for those that nobody hears; in the order of the steps.

    Raises:
        ScenarioError: a recording cannot be read.
        ValueError: the scenario's ``[line]`` table has a knob that does not exist.
    """
    room = knobs(scenario.line).room
    bed = Bed(room.noise, room.noise_dbfs, scenario.seed)
    said: list[Saying | None] = []
    for step in scenario.caller:
        if step.noise_dbfs is not None:
            bed = Bed(room.noise, step.noise_dbfs, scenario.seed)
        said.append(_saying(step, voices, bed, room.gain_db))
    return said


def known_sounds(scenario: Scenario, voices: Renders) -> list[tuple[str, bytes]]:
    """Every text the caller may say with its sound as it is sent: for ``Ears``.

    A recording that is not on this machine is left out: its words are not understood.

    Raises:
        ValueError: the scenario's ``[line]`` table has a knob that does not exist.
    """
    there = [step for step in scenario.caller if step.wav is None or Path(step.wav).is_file()]
    heard = sayings(msgspec.structs.replace(scenario, caller=there), voices)
    every = [pair for saying in heard if saying is not None for pair in saying.known]
    return list(dict.fromkeys(every))


def letter_text(letter: str) -> str:
    """The text under which a letter's or a figure's sound is found among the clips."""
    return f"letter {letter.lower()}"


def recording(path: Path) -> bytes:
    """A WAV file as µ-law at 8 000 Hz, its first channel only.

    Raises:
        ScenarioError: there is none, or it is not PCM of 8 or 16 bits.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as wrong:
        raise ScenarioError(f"{path}: {wrong}") from wrong
    if width not in _WIDTHS:
        raise ScenarioError(f"{path}: {8 * width} bits; 8 or 16 are read")
    if width == 1:  # unsigned, unlike 16 bits
        samples = array("h", ((value - 128) << 8 for value in samples)).tobytes()
    first = array("h", samples)[::channels].tobytes()
    return mulaw.from_linear(to_telephone_rate(first, rate_hz))


def _saying(step: CallerStep, voices: Renders, bed: Bed, room_gain_db: float) -> Saying | None:
    parts = _parts(step, voices)
    if not parts:
        return None
    gain_db = room_gain_db + step.gain_db
    pause_ms = step.pause_ms or 0
    if step.spell is not None:
        pause_ms = DEFAULT_LETTER_GAP_MS if step.letter_gap_ms is None else step.letter_gap_ms
    pause = (b"",) * round(pause_ms / mulaw.FRAME_MS)
    frames: list[bytes] = []
    audible: list[Utterance] = []
    known: list[tuple[str, bytes]] = []
    for text, clean in parts:
        frames += pause if frames else ()
        start = len(frames) * mulaw.FRAME_BYTES
        audible += [Utterance(start + u.start, start + u.end) for u in _audible(clean)]
        heard = bed.under(louder(clean, gain_db))
        frames += _frames(heard)
        if text:
            known.append((text, heard))
    if step.cut_ms is not None:
        frames, audible = _cut(frames, audible, step.cut_ms * mulaw.BYTES_PER_MS)
    return Saying(
        text=_told(step),
        frames=tuple(frames),
        audible=tuple(audible),
        has_words=step.sound is None and bool(known),
        known=tuple(known),
    )


def _parts(step: CallerStep, voices: Renders) -> list[tuple[str, bytes]]:
    """What is heard one after the other: the words, where there are any, and the sound."""
    match step.action:
        case "say":
            return [(text, voices.render(text, CALLER)) for text in step.spoken]
        case "spell":
            letters = step.letters
            return [(each, voices.render(letter_text(each), CALLER)) for each in letters]
        case "sound":
            assert step.sound is not None
            understood = step.sound if step.sound == _BACKCHANNEL else ""
            return [(understood, sounds.sound(step.sound, step.lasting_ms))]
        case "wav":
            assert step.wav is not None
            return [(step.words, recording(Path(step.wav)))]
        case _:
            return []


def _told(step: CallerStep) -> str:
    match step.action:
        case "say":
            return step.say or ""
        case "spell":
            return " ".join(step.letters)
        case "wav" if step.words:
            return step.words
        case kind:
            return f"({step.sound if kind == 'sound' else Path(step.wav or '').stem})"


def _audible(clean: bytes) -> list[Utterance]:
    return utterances(clean) or [Utterance(0, len(clean))]


def _frames(sound: bytes) -> list[bytes]:
    return [sound[at : at + mulaw.FRAME_BYTES] for at in range(0, len(sound), mulaw.FRAME_BYTES)]


def _cut(
    frames: list[bytes], audible: Sequence[Utterance], length: int
) -> tuple[list[bytes], list[Utterance]]:
    whole, rest = divmod(length, mulaw.FRAME_BYTES)
    kept = [*frames[:whole], *([frames[whole][:rest]] if rest and whole < len(frames) else [])]
    return kept, [
        Utterance(one.start, min(one.end, length)) for one in audible if one.start < length
    ]
