"""Makes the shipped clips: ``python -m bridge.simulator.render`` (needs flite).

What is recorded: every line of every scenario that has no hole in it, what ``clips/lines.toml``
lists, the families below (days, times, numbers), from which any offered time can be put together,
and the letters and figures that a caller may spell with. Leaves playing them to ``voices``.
"""

import hashlib
import re
import shutil
import string
import struct
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bridge.simulator import scenario
from bridge.simulator.brain import split_sentences
from bridge.simulator.sayings import letter_text
from bridge.simulator.synthesis import Flite, levelled, to_telephone_rate
from bridge.simulator.voices import AGENT, CALLER, Clip
from bridge.wire import mulaw
from bridge.wire.mulaw import SAMPLE_RATE_HZ

_FOLDER = Path(__file__).parent / "clips"

_FADE_S = 0.006
"""A cut inside a sound would click."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a sentence, and the words around it while it is spoken."""

    before: str
    text: str
    after: str


class _Lines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    agent: list[str]
    fragments: list[tuple[str, str, str]]


def sentences() -> Iterator[tuple[str, str]]:
    """Voice and text of every whole sentence that ships."""
    for name in scenario.names():
        call = scenario.load(name)
        for line in call.caller_lines():
            yield CALLER, line
        for rule in call.agent:
            for action in rule.do:
                if action.say and "{" not in action.say:
                    for sentence in split_sentences(action.say):
                        yield AGENT, sentence
    for line in _lines().agent:
        yield AGENT, line


def cuts() -> Iterator[Cut]:
    """Every part of a sentence that ships, in the agent's voice."""
    for before, text, after in _lines().fragments:
        yield Cut(before=before, text=text, after=after)
    for day in _WEEKDAYS:
        yield Cut(before="I have", text=day, after=", December first")
    for month in _MONTHS:
        yield Cut(before="on", text=month, after="fifth at nine")
    for ordinal in _ORDINALS:
        yield Cut(before="on December", text=ordinal, after="at nine")
    for hour in _NUMBERS[1:13]:
        yield Cut(before="I have Tuesday at", text=hour, after="in the morning")
        for minutes in ("fifteen", "thirty", "forty five"):
            yield Cut(before="I have Tuesday at", text=f"{hour} {minutes}", after="in the morning")
    for number in ("zero", "oh", *_NUMBERS[13:], "twenty", "thirty", "forty", "fifty"):
        yield Cut(before="I have", text=number, after="of them")


def _lines() -> _Lines:
    return msgspec.toml.decode((_FOLDER / "lines.toml").read_bytes(), type=_Lines)


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty first", "twenty second"),
    *("twenty third", "twenty fourth", "twenty fifth", "twenty sixth", "twenty seventh"),
    *("twenty eighth", "twenty ninth", "thirtieth", "thirty first"),
)
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)


def main() -> None:
    """Renders everything anew and writes the index."""
    program = shutil.which("flite")
    if program is None:
        sys.exit("flite is needed to record the clips (Debian: apt-get install flite)")
    flite = Flite(program)
    spoken: dict[tuple[str, str], bytes] = {}
    for voice, text in sentences():
        spoken[voice, text] = flite.speak(text, voice)
    for letter in (*string.ascii_lowercase, *string.digits):
        spoken[CALLER, letter_text(letter)] = flite.speak(letter, CALLER)
    for cut in cuts():
        spoken.setdefault((AGENT, cut.text), _cut_out(flite, cut))
    for old in _FOLDER.glob("*/*.ulaw"):
        old.unlink()
    clips = [_write(voice, text, sound) for (voice, text), sound in spoken.items()]
    index = msgspec.json.format(msgspec.json.encode(clips), indent=1)
    (_FOLDER / "index.json").write_bytes(index + b"\n")
    seconds = sum(len(sound) for sound in spoken.values()) / SAMPLE_RATE_HZ
    print(f"{len(clips)} clips, {seconds:.0f} s of speech")


def _write(voice: str, text: str, sound: bytes) -> Clip:
    digest = hashlib.sha256(sound).hexdigest()
    slug = "-".join(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))[:48].strip("-")
    name = f"{voice}/{slug}-{hashlib.sha256(text.encode()).hexdigest()[:4]}.ulaw"
    path = _FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sound)
    return Clip(text=text, voice=voice, file=name, sha256=digest)


def _cut_out(flite: Flite, cut: Cut) -> bytes:
    """The part as it sounds inside its sentence, cut where its first and last phones are.

    Raises:
        ValueError: the part is pronounced differently alone; choose other words around it.
    """
    whole = f"{cut.before} {cut.text} {cut.after}".replace(" ,", ",").replace(" .", ".").strip()
    phones = _phones(flite, whole)
    alone = [phone for phone, _ in _phones(flite, cut.text)]
    skipped = len(_phones(flite, cut.before)) if cut.before else 0
    names = [phone for phone, _ in phones]
    if names[skipped : skipped + len(alone)] != alone:
        raise ValueError(f"{cut.text!r} sounds different in {whole!r}: {names} has no {alone}")
    start_s, end_s = phones[skipped][1][0], phones[skipped + len(alone) - 1][1][1]
    samples = levelled(_samples(flite, whole))
    part = samples[_at(start_s) : _at(end_s)]
    return mulaw.from_linear(_faded(part))


def _phones(flite: Flite, text: str) -> list[tuple[str, tuple[float, float]]]:
    """Each phone with its start and end in seconds; pauses left out."""
    printed = subprocess.run(
        [*flite.command(AGENT), "-psdur", "-t", text, "-o", "none"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    phones, start_s = [], 0.0
    for token in printed.split():
        name, _, end = token.partition(":")
        if name != "pau":
            phones.append((name, (start_s, float(end))))
        start_s = float(end)
    return phones


def _samples(flite: Flite, text: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="render") as folder:
        path = Path(folder) / "line.wav"
        subprocess.run([*flite.command(AGENT), "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as recording:
            samples = recording.readframes(recording.getnframes())
            return to_telephone_rate(samples, recording.getframerate())


def _at(seconds: float) -> int:
    return 2 * round(seconds * SAMPLE_RATE_HZ)


def _faded(samples: bytes) -> bytes:
    values = list(struct.unpack(f"={len(samples) // 2}h", samples))
    steps = min(round(_FADE_S * SAMPLE_RATE_HZ), len(values) // 2)
    for step in range(steps):
        values[step] = values[step] * step // steps
        values[-1 - step] = values[-1 - step] * step // steps
    return struct.pack(f"={len(values)}h", *values)


if __name__ == "__main__":
    main()
