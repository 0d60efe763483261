import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire.overrides import override, strip

OKAFOR = r'\{"word": "Okafor", "pronounce": "oʊˈkɑːfɔːr"\}'


def test_a_word_is_written_with_its_sounds_as_the_vendor_shows_it() -> None:
    assert override("Okafor", "oʊˈkɑːfɔːr") == OKAFOR


@given(st.text(), st.text())
def test_what_stands_between_the_escaped_braces_is_json(word: str, ipa: str) -> None:
    written = override(word, ipa)

    assert (written[:2], written[-2:]) == (r"\{", r"\}")
    assert json.loads("{" + written[2:-2] + "}") == {"word": word, "pronounce": ipa}


@given(st.text(), st.text(), st.text(alphabet="ab .,"), st.text(alphabet="ab .,"))
def test_of_an_override_only_its_word_is_left(
    word: str, ipa: str, before: str, behind: str
) -> None:
    assert strip(before + override(word, ipa) + behind) == before + word + behind


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("", ""),
        ("Doctor Okafor is in.", "Doctor Okafor is in."),
        (f"Doctor {OKAFOR}, and {OKAFOR}.", "Doctor Okafor, and Okafor."),
        (r'\{ "word" : "A" , "pronounce" : "b" \}', "A"),
        (r'\{"word": "A"\}', r'\{"word": "A"\}'),
        (r'{"word": "A", "pronounce": "b"}', r'{"word": "A", "pronounce": "b"}'),
        (r'\{"word": "A\q", "pronounce": "b"\}', r"A\q"),
        (r'\{"word": "say \"A\"", "pronounce": "b"\}', 'say "A"'),
        (r'\{"word": "A", "pronounce": "open', r'\{"word": "A", "pronounce": "open'),
    ],
)  # fmt: skip
def test_text_is_read_as_one_reads_it(text: str, plain: str) -> None:
    assert strip(text) == plain


def test_a_long_text_of_nothing_but_beginnings_is_read_at_once() -> None:
    text = r'\{"word": "' * 20_000

    assert strip(text) == text
