"""The dictionary in texts of ours: no word of it goes out bare, and none twice."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.pronunciation import guidance, pronounced, strip, understands
from bridge.wire.overrides import OVERRIDE, override

AURA = "aura-2-thalia-en"
WORDS = {
    "Okafor": "oʊˈkɑːfɔːr",
    "crown": "kraʊn",
    "crown lengthening": "kraʊn ˈlɛŋθənɪŋ",
    "Dr. Lindqvist": "ˈdɑːktər ˈlɪndkvɪst",
    "José": "xoˈse",
    "Straße": "ˈʃtʁaːsə",
    "word": "wɜːrd",
}

VARIANTS = ["okafor", "CROWN", "Crowns", "crown\nlengthening", "Jose\u0301", "crown-", "STRASSE"]
ONES = st.sampled_from([*WORDS, *VARIANTS, "Kraun", "pronounce", override("Okafor", "x")])
SIGNS = st.sampled_from([" ", ", ", "'s ", ".", "(", ")", "“", "-", "\n", "é", "_", "7", "\\", "{"])
TEXTS = st.lists(st.one_of(ONES, SIGNS, st.text(max_size=5)), max_size=12).map("".join)


def bare(text: str) -> str:
    """What is left of a text without its overrides."""
    return OVERRIDE.sub(" ", text)


def stands_in(word: str, text: str) -> bool:
    """Whether a word stands there as a whole, in any case, told without our own pattern."""
    words = r"\s+".join(re.escape(part) for part in word.split())
    return re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE) is not None


@given(TEXTS)
def test_no_word_of_the_dictionary_is_ever_left_bare(text: str) -> None:
    spoken = pronounced(text, WORDS, model=AURA)

    assert not [word for word in WORDS if stands_in(word, bare(spoken))]


@given(TEXTS)
def test_nothing_but_the_words_is_changed(text: str) -> None:
    spoken = pronounced(text, WORDS, model=AURA)

    assert strip(spoken) == strip(unicodedata.normalize("NFC", text))


@given(TEXTS)
def test_what_is_pronounced_already_is_not_pronounced_again(text: str) -> None:
    spoken = pronounced(text, WORDS, model=AURA)

    assert pronounced(spoken, WORDS, model=AURA) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Doctor Okafor's crown.", "Doctor <Okafor>'s <crown>."),
        ("OKAFOR, okafor", "<OKAFOR>, <okafor>"),
        ("crowns and Okaforson", "crowns and Okaforson"),
        ("a crown lengthening", "a <crown lengthening>"),
        ("Dr. Lindqvist is in.", "<Dr. Lindqvist> is in."),
        ("No word of it.", "No <word> of it."),
        ("", ""),
    ],
)
def test_words_count_as_a_whole_in_any_case_and_the_longest_first(text: str, spoken: str) -> None:
    def shown(found: re.Match[str]) -> str:
        return f"<{strip(found.group())}>"

    assert OVERRIDE.sub(shown, pronounced(text, WORDS, model=AURA)) == spoken


def test_a_word_has_the_sounds_that_stand_beside_it() -> None:
    assert pronounced("Okafor, crown lengthening", WORDS, model=AURA) == (
        r'\{"word": "Okafor", "pronounce": "oʊˈkɑːfɔːr"\}, '
        r'\{"word": "crown lengthening", "pronounce": "kraʊn ˈlɛŋθənɪŋ"\}'
    )


@pytest.mark.parametrize(
    ("model", "does"),
    [
        ("aura-2-thalia-en", True),
        ("aura-2-celeste-es", True),
        ("aura-2-lara-de", False),
        ("aura-asteria-en", False),
        ("flux-kit-en", False),
    ],
)
def test_only_aura_2_in_english_and_spanish_is_told_how(model: str, does: bool) -> None:
    assert understands(model) is does
    assert (pronounced("Okafor", WORDS, model=model) != "Okafor") is does
    assert bool(guidance(WORDS, model=model)) is does


def test_without_a_dictionary_nothing_is_changed_and_nothing_told() -> None:
    assert pronounced("Jose\u0301", {}, model=AURA) == "Jose\u0301"
    assert guidance({}, model=AURA) == ""


def test_the_model_is_told_each_word_as_it_is_to_write_it() -> None:
    told = guidance(WORDS, model=AURA).splitlines()[1:]

    assert told == [f"{word} → {override(word, ipa)}" for word, ipa in WORDS.items()]
