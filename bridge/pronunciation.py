"""A practice's dictionary of pronunciations, applied to every text that we have spoken.

Leaves how an override is written to ``bridge.wire.overrides``. Only Aura-2 voices in English and
Spanish understand one (deepgram-voice-agent.md section 7); any other voice would read it out.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from bridge.wire.overrides import OVERRIDE, override, strip

__all__ = ["guidance", "pronounced", "strip", "understands"]

_UNDERSTANDS: Final = re.compile(r"aura-2-[a-z]+-(en|es)")


def understands(model: str) -> bool:
    """Whether a voice takes overrides for what they are."""
    return _UNDERSTANDS.fullmatch(model) is not None


def pronounced(text: str, words: Mapping[str, str], *, model: str) -> str:
    """The text for this voice, with an override in place of each word of the dictionary.

    ``words`` is word → IPA. A word counts in any case and only as a whole; where two fit, the
    longer. An override that is there already stays as it is, so doing it twice changes nothing.
    """
    if not words or not understands(model):
        return text
    dictionary = _Dictionary.of(tuple(words.items()))
    return dictionary.apply(text)


def guidance(words: Mapping[str, str], *, model: str) -> str:
    """What the model is told of the dictionary, for its own sentences; empty if there is nothing.

    The prompt is the documented place for it (deepgram-voice-agent.md section 7).
    """
    if not words or not understands(model):
        return ""
    listed = "\n".join(f"{word} → {override(word, ipa)}" for word, ipa in words.items())
    return (
        "How to pronounce: wherever you say one of these words, write instead exactly what stands "
        f"behind its arrow, with its backslashes and braces.\n{listed}"
    )


class _Dictionary:
    def __init__(self, words: tuple[tuple[str, str], ...]) -> None:
        longest_first = sorted(words, key=lambda entry: len(entry[0]), reverse=True)
        self._ipa = [ipa for _, ipa in longest_first]
        either = "|".join(f"({_pattern(word)})" for word, _ in longest_first)
        # An override matches first and is put back, so nothing inside it is ever taken for a word.
        self._either = re.compile(rf"{OVERRIDE.pattern}|(?<!\w)(?i:{either})(?!\w)")

    @staticmethod
    @lru_cache(maxsize=64)
    def of(words: tuple[tuple[str, str], ...]) -> "_Dictionary":
        return _Dictionary(words)

    def apply(self, text: str) -> str:
        return self._either.sub(self._replaced, unicodedata.normalize("NFC", text))

    def _replaced(self, found: re.Match[str]) -> str:
        group = found.lastindex or 0
        if group <= OVERRIDE.groups:
            return found.group()
        return override(found.group(), self._ipa[group - OVERRIDE.groups - 1])


def _pattern(word: str) -> str:
    parts = unicodedata.normalize("NFC", word).split()
    return r"\s+".join(re.escape(part) for part in parts)
