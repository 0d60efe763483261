import msgspec
import pytest

from tools.names import meant, parted, plain


class Thing(msgspec.Struct, frozen=True):
    name: str
    also_called: tuple[str, ...] = ()


CLEANING = Thing("cleaning", ("teeth cleaning", "hygiene"))
DEEP = Thing("deep cleaning", ("scaling",))
CHECK_UP = Thing("check-up", ("exam",))
THINGS = (CLEANING, DEEP, CHECK_UP)


@pytest.mark.parametrize(
    ("words", "things"),
    [
        ("cleaning", [CLEANING]),
        ("  Teeth CLEANING ", [CLEANING]),
        ("deep cleaning", [DEEP]),  # what is called so goes before what is named in it
        ("a deep cleaning, please", [CLEANING, DEEP]),
        ("Check up!", [CHECK_UP]),
        ("an exam and some hygiene", [CLEANING, CHECK_UP]),
        ("examination", []),
        ("cleanings", []),
        ("", []),
        ("?!", []),
    ],
)
def test_what_is_called_so_is_meant_or_else_what_is_named(words: str, things: list[Thing]) -> None:
    assert meant(words, THINGS) == things


def test_a_name_of_signs_alone_is_never_meant() -> None:
    assert meant("anything at all", [Thing("–", ("!",))]) == []


def test_other_names_are_kept_with_commas_between() -> None:
    assert parted("exam,routine visit") == ("exam", "routine visit")
    assert parted("") == ()


def test_case_spacing_and_signs_tell_no_two_names_apart() -> None:
    assert plain(" Müller's  CHECK_up ") == "müller s check up"
