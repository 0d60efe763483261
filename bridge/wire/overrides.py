r"""How Aura-2 is told the sound of a word: an override inside the text it is to speak.

``\\{"word": "…", "pronounce": "…"\\}``, the sounds in IPA (deepgram-voice-agent.md section 7). What
``ConversationText`` shows of one is not documented: text is stripped before it is kept. Leaves
which words a practice has to ``bridge.pronunciation``.
"""

import re
from typing import Final

import msgspec

OVERRIDE: Final = re.compile(
    r'\\\{\s*"word"\s*:\s*("(?:[^"\\]|\\.)*")\s*,'
    r'\s*"pronounce"\s*:\s*"(?:[^"\\]|\\.)*"\s*\\\}'
)
"""The word, still as JSON text, is its first group."""


def override(word: str, ipa: str) -> str:
    """The word with its sounds beside it."""
    return rf'\{{"word": {_quoted(word)}, "pronounce": {_quoted(ipa)}\}}'


def strip(text: str) -> str:
    """The text as one reads it: of every override only its word is left."""
    return OVERRIDE.sub(lambda found: _word(found.group(1)), text)


def _word(quoted: str) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except msgspec.DecodeError:  # an agent wrote it, perhaps badly
        return quoted[1:-1]


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
