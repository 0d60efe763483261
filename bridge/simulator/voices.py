"""Text to sound: µ-law that a person understands, the same bytes every time.

Shipped clips come first (``clips/``): whole sentences, else the longest fragments that fit, so
that any time, day or number of a call can be said on a machine without a speech package. What no
clip has goes to ``synthesis``. Both sides of a simulated call render for themselves and get the
same bytes; that is how ``ears`` can recognise a line.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from bridge.simulator.synthesis import Synthesiser, best_synthesiser
from bridge.wire.mulaw import FRAME_BYTES, SILENCE, silence
from bridge.wire.overrides import strip

CALLER = "caller"
AGENT = "agent"
VOICES = (CALLER, AGENT)

_FOLDER = Path(__file__).parent / "clips"

_COMMA_MS = 110
_SENTENCE_MS = 260
_SEAM_MS = 0
"""Between two fragments of one phrase: the clips keep a little air of their own."""

_REMEMBERED = 512
"""Rendered lines kept in memory; ten seconds each would be 40 MB, the usual line is two."""


def voice_of(name: str) -> str:
    """``caller`` for the caller; every other name, Aura ids included, is the agent's voice."""
    return CALLER if name == CALLER else AGENT


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped recording."""

    text: str
    voice: str
    file: str
    sha256: str


class Voices:
    """Renders text in the two voices of a call.

    ``synthesiser`` speaks what no clip has; by default the best this machine has.
    """

    def __init__(
        self, *, synthesiser: Synthesiser | None = None, folder: Path | None = None
    ) -> None:
        self._synthesiser = synthesiser
        self._folder = folder or _FOLDER
        self._rendered: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lexicons: Mapping[str, _Lexicon] | None = None
        self._speaking = threading.Lock()

    def render(self, text: str, voice: str) -> bytes:
        """The text as raw µ-law, 8 000 Hz, whole 20 ms frames; empty text is no sound.

        Synthesis takes up to 0.3 s: call it from a thread where a loop must not wait, unless
        ``ready`` says that it need not.
        """
        key = (voice_of(voice), text)
        sound = self._rendered.get(key)
        if sound is None:
            sound = _whole_frames(self._compose(text, voice_of(voice)))
            self._rendered[key] = sound
            if len(self._rendered) > _REMEMBERED:
                self._rendered.popitem(last=False)
        else:
            self._rendered.move_to_end(key)
        return sound

    def ready(self, text: str, voice: str) -> bool:
        """Whether ``render`` answers at once, from memory or from clips."""
        return (voice_of(voice), text) in self._rendered or self.ships(text, voice)

    def ships(self, text: str, voice: str) -> bool:
        """Whether clips alone can say it: then it sounds the same on every machine."""
        words, _ = _words(text)
        spans = self._lexicon(voice_of(voice)).spans(words)
        return all(clip is not None for _, _, clip in spans)

    def _compose(self, text: str, voice: str) -> bytes:
        words, pauses_ms = _words(text)
        pieces: list[bytes] = []
        for start, end, clip in self._lexicon(voice).spans(words):
            if clip is None:
                pieces.append(self._speak_live(" ".join(words[start:end]), voice))
            else:
                pieces.append((self._folder / clip.file).read_bytes())
            if end < len(words):
                pieces.append(silence(pauses_ms[end - 1]))
        return b"".join(pieces)

    def _speak_live(self, text: str, voice: str) -> bytes:
        with self._speaking:
            if self._synthesiser is None:
                self._synthesiser = best_synthesiser()
            return self._synthesiser.speak(text, voice)

    def _lexicon(self, voice: str) -> "_Lexicon":
        if self._lexicons is None:
            clips = read_index(self._folder)
            self._lexicons = {
                name: _Lexicon([clip for clip in clips if clip.voice == name]) for name in VOICES
            }
        return self._lexicons[voice]


def read_index(folder: Path = _FOLDER) -> list[Clip]:
    """Every shipped clip."""
    index = folder / "index.json"
    if not index.exists():
        return []
    return msgspec.json.decode(index.read_bytes(), type=list[Clip])


class _Lexicon:
    """The clips of one voice by their words."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._by_words = {tuple(_words(clip.text)[0]): clip for clip in clips}
        self._lengths: dict[str, list[int]] = {}
        for words in self._by_words:
            lengths = self._lengths.setdefault(words[0], [])
            if len(words) not in lengths:
                lengths.append(len(words))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)

    def spans(self, words: Sequence[str]) -> list[tuple[int, int, Clip | None]]:
        """The words cut greedily into the longest clips; what none has, in runs of its own."""
        spans: list[tuple[int, int, Clip | None]] = []
        at = 0
        while at < len(words):
            end, clip = self._longest(words, at)
            if clip is None and spans and spans[-1][2] is None:
                spans[-1] = (spans[-1][0], end, None)
            else:
                spans.append((at, end, clip))
            at = end
        return spans

    def _longest(self, words: Sequence[str], at: int) -> tuple[int, Clip | None]:
        for length in self._lengths.get(words[at], ()):
            clip = self._by_words.get(tuple(words[at : at + length]))
            if clip is not None:
                return at + length, clip
        return at + 1, None


_TOKEN = re.compile(r"[a-z']+|[0-9]+|[.,;!?—–]")
_SENTENCE_ENDS = ".!?"

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
]
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SPOKEN_AS = {"dr": "doctor", "mr": "mister"}


def _words(text: str) -> tuple[list[str], list[int]]:
    """The words as spoken, and after each the milliseconds of pause that the text asks for.

    A word with its pronunciation beside it is recognised as the word; here it sounds as ever.
    """
    words: list[str] = []
    pauses_ms: list[int] = []
    for token in _TOKEN.findall(strip(text).lower().replace("’", "'")):
        if token[0].isdigit():
            spoken = _number(token)
        elif token[0].isalpha() or token[0] == "'":
            spoken = [_SPOKEN_AS.get(token.strip("'"), token.strip("'"))]
            spoken = [word for word in spoken if word]
        else:
            if pauses_ms and not (token == "." and words[-1] in _SPOKEN_AS.values()):
                pauses_ms[-1] = max(
                    pauses_ms[-1], _SENTENCE_MS if token in _SENTENCE_ENDS else _COMMA_MS
                )
            continue
        words += spoken
        pauses_ms += [_SEAM_MS] * len(spoken)
    return words, pauses_ms


@cache
def _number(digits: str) -> list[str]:
    """Up to two digits as a number, more of them one by one, as one reads a phone number."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return [_ONES[int(digit)] for digit in digits]
    value = int(digits)
    if value < len(_ONES):
        return [_ONES[value]]
    tens, ones = divmod(value, 10)
    return [_TENS[tens - 2], *([_ONES[ones]] if ones else [])]


def _whole_frames(sound: bytes) -> bytes:
    rest = len(sound) % FRAME_BYTES
    return sound + bytes([SILENCE]) * (FRAME_BYTES - rest) if rest else sound
