"""The sentences of a call that are most worth keeping, chosen by rules and never written anew.

Deterministic, and of no trade: what counts is what was done, figures, days, names, wishes and
decisions. The words of the rules are English; figures and names are found in other languages too.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tools.arguments import Summarise

LONGEST_SENTENCE: Final = 300
"""Characters; who speaks on without an end has said what matters by then."""
LAST_WISHES: Final = 2
"""Sentences of the caller that are kept whatever they hold: what she said last, she waits for."""

_LEADS: Final = {"caller": "Caller: ", "agent": "Agent: ", "tool": "System: ", "earlier": ""}
"""What a line begins with, by its source; an earlier summary is its own."""
_POINTS: Final = {"caller": 1, "agent": 0, "tool": 3, "earlier": 2}
_SENTENCES: Final = re.compile(r"(?<=[.!?;])\s+|\n+")
_FIGURES: Final = re.compile(
    r"\d|\b(?:zero|at one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty"
    r"|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred)\b",
    re.IGNORECASE,
)
_DAYS: Final = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tomorrow|tonight|weekend|next week"
    r"|morning|afternoon|evening|noon|january|february|march|april|may|june|july|august"
    r"|september|october|november|december)s?\b",
    re.IGNORECASE,
)
_NAMES: Final = re.compile(r"(?<=[^\W\d_][ ,])\s*(?!I\b)[A-Z][\w'’-]+")
"""A word with a capital that does not begin its sentence."""
_DECISIONS: Final = re.compile(
    r"\b(?:wants?|needs?|would like|i'd like|prefers?|book(?:ed)?|cancel\w*|changed?|moved?"
    r"|call (?:me |you )?back|instead|actually|rather|never|must|only|allerg\w*|confirm\w*"
    r"|agreed?|promised?)\b",
    re.IGNORECASE,
)
_KINDS: Final = ((_FIGURES, 2), (_DAYS, 2), (_NAMES, 2), (_DECISIONS, 1))


def choose(asked: Summarise, *, longest: int) -> str:
    """Sentences of at most so many characters together, in order, one a line, each with its source.

    The last wishes of the caller in any case, then what holds most; of equals the later. The same
    input gives the same output, and a chosen line is read as what it was made of next time.
    """
    sentences = list(_sentences(asked))
    wishes = [place for place, (by, _) in enumerate(sentences) if by == "caller"][-LAST_WISHES:]
    ranks = [
        (place in wishes, _worth(by, text), place) for place, (by, text) in enumerate(sentences)
    ]
    chosen: dict[str, int] = {}
    left = longest
    for wish, worth, place in sorted(ranks, reverse=True):
        by, text = sentences[place]
        written = _LEADS[by] + text
        if (wish or worth) and written not in chosen and len(written) < left:
            chosen[written] = place
            left -= len(written) + 1
    return "\n".join(sorted(chosen, key=chosen.__getitem__))


def lines(asked: Summarise) -> Iterator[str]:
    """Everything there is, as a record to be read by a person or a model."""
    if asked.earlier:
        yield f"Summary of what was said before:\n{asked.earlier}\n\nSince then:"
    for said in asked.said:
        yield _LEADS[said.by] + " ".join(said.text.split())


def cut(text: str, longest: int) -> str:
    """The text, ended at a word if it is longer."""
    if len(text) <= longest:
        return text
    return text[:longest].rpartition(" ")[0] or text[:longest]


def _worth(by: str, text: str) -> int:
    found = sum(value for kind, value in _KINDS if kind.search(text))
    return _POINTS[by] + found if found or by in ("tool", "earlier") else 0


def _sentences(asked: Summarise) -> Iterator[tuple[str, str]]:
    """Who said it, and the sentence."""
    for line in asked.earlier.splitlines():
        by = next(by for by, lead in _LEADS.items() if line.startswith(lead))
        yield from ((by, each) for each in _split(line.removeprefix(_LEADS[by])))
    for said in asked.said:
        yield from ((said.by, each) for each in _split(said.text))


def _split(text: str) -> Iterable[str]:
    plain = (" ".join(sentence.split()) for sentence in _SENTENCES.split(text))
    return (cut(sentence, LONGEST_SENTENCE) for sentence in plain if sentence)
