import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import gist
from tools.arguments import Said, Summarise

TALK = (
    Said(by="agent", text="Thank you for calling. How can I help?"),
    Said(by="caller", text="Hi, how are you. I'd like to book a cleaning. It is sunny, isn't it?"),
    Said(by="tool", text="I have Tuesday at eight or ten in the morning."),
    Said(by="agent", text="I have Tuesday at eight or ten in the morning. Which suits you?"),
    Said(by="caller", text="Well. Ten is good, my name is Ines Moreau. Uh-huh. Is parking free?"),
    Said(by="agent", text="Of course. One moment."),
)  # fmt: skip


def chosen(*said: Said, earlier: str = "", longest: int = 1200) -> list[str]:
    return gist.choose(Summarise(said=said, earlier=earlier), longest=longest).splitlines()


def test_what_is_kept_is_wishes_names_figures_days_and_what_was_done_each_with_its_source() -> None:
    assert chosen(*TALK) == [
        "Caller: I'd like to book a cleaning.",
        "System: I have Tuesday at eight or ten in the morning.",
        "Agent: I have Tuesday at eight or ten in the morning.",
        "Caller: Ten is good, my name is Ines Moreau.",
        "Caller: Uh-huh.",
        "Caller: Is parking free?",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "My number is 555 0100.",
        "It's two one two.",
        "On Thursday.",
        "Some time in the afternoon.",
        "This is about Jordan.",
        "I want to move it.",
        "I am allergic to latex.",
    ],
)
def test_a_sentence_that_holds_something_is_kept(text: str) -> None:
    idle = [Said(by="caller", text="Hm.")] * 3

    assert f"Caller: {text}" in chosen(Said(by="caller", text=text), *idle)


@pytest.mark.parametrize("text", ["How are you?", "And I don't know.", "Oh well, I see."])
def test_a_sentence_that_holds_nothing_is_not(text: str) -> None:
    last = [Said(by="caller", text="Hm."), Said(by="caller", text="Bye.")]

    assert chosen(Said(by="caller", text=text), *last) == ["Caller: Hm.", "Caller: Bye."]


def test_the_callers_last_wishes_are_kept_whatever_they_hold_even_if_little_fits() -> None:
    said = [Said(by="tool", text=f"Number {n} of many things.") for n in range(50)]

    lines = chosen(Said(by="caller", text="Let me see. And then?"), *said, longest=80)

    assert lines[:2] == ["Caller: Let me see.", "Caller: And then?"]
    assert lines[2:] == ["System: Number 49 of many things."]


def test_what_was_said_twice_is_kept_once() -> None:
    twice = [Said(by="caller", text="On Tuesday, please.")] * 5

    assert chosen(*twice) == ["Caller: On Tuesday, please."]


def test_a_sentence_without_an_end_is_cut_at_a_word() -> None:
    (line,) = chosen(Said(by="caller", text="two " * 500))

    assert len(line) <= len("Caller: ") + gist.LONGEST_SENTENCE
    assert line.endswith("two")


def test_an_earlier_choice_is_read_as_what_it_was_made_of() -> None:
    first = gist.choose(Summarise(said=TALK), longest=1200)

    again = gist.choose(
        Summarise(said=(Said(by="caller", text="At ten."),), earlier=first), longest=1200
    )

    assert "Caller: I'd like to book a cleaning." in again.splitlines()
    assert again.splitlines()[-1] == "Caller: At ten."
    assert "Caller: Caller:" not in again


def test_an_earlier_summary_in_prose_is_kept_as_it_stands() -> None:
    earlier = "She is new here. She wants a cleaning."

    assert chosen(Said(by="caller", text="Hm."), earlier=earlier) == [
        "She is new here.",
        "She wants a cleaning.",
        "Caller: Hm.",
    ]


def test_a_record_to_be_read_has_everything_and_begins_with_what_was_before() -> None:
    asked = Summarise(said=(Said(by="caller", text="On  Tuesday\nat ten."),), earlier="She is new.")

    assert list(gist.lines(asked)) == [
        "Summary of what was said before:\nShe is new.\n\nSince then:",
        "Caller: On Tuesday at ten.",
    ]


@pytest.mark.parametrize(
    ("text", "short"), [("one two", "one two"), ("one two three", "one two"), ("x" * 20, "x" * 10)]
)
def test_a_text_is_ended_at_a_word(text: str, short: str) -> None:
    assert gist.cut(text, 10) == short


SAID = st.builds(Said, by=st.sampled_from(["caller", "agent", "tool"]), text=st.text(max_size=400))


@given(said=st.lists(SAID, min_size=1, max_size=20), longest=st.integers(0, 500))
def test_whatever_was_said_the_choice_is_bounded_the_same_again_and_readable(
    said: list[Said], longest: int
) -> None:
    asked = Summarise(said=tuple(said))

    first = gist.choose(asked, longest=longest)

    assert len(first) <= longest
    assert first == gist.choose(asked, longest=longest)
    gist.choose(Summarise(said=tuple(said), earlier=first), longest=longest)


def test_a_record_without_anything_before_begins_with_the_first_words() -> None:
    assert list(gist.lines(Summarise(said=(Said(by="tool", text="Nine is free."),)))) == [
        "System: Nine is free."
    ]
