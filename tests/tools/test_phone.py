import pytest

from tools import phone


@pytest.mark.parametrize(
    "said",
    ["+15550100122", "5550100122", "1 555 010 0122", "(555) 010-0122", "001 555.010.0122"],
)
def test_a_number_has_one_spelling_however_it_was_said(said: str) -> None:
    assert phone.normalise(said) == "+15550100122"


@pytest.mark.parametrize(
    ("said", "spelt"),
    [("030 901820", "+4930901820"), ("0049 30 901820", "+4930901820"), ("+44 20 7946 0018",
      "+442079460018")],
)  # fmt: skip
def test_another_country_has_its_own_prefix(said: str, spelt: str) -> None:
    assert phone.normalise(said, "49") == spelt


@pytest.mark.parametrize("said", ["", "12", "five five five", "+1234567890123456", "+٣٤٥٦٧٨٩٠"])
def test_what_is_no_number_is_refused_without_repeating_it(said: str) -> None:
    with pytest.raises(ValueError, match=r"^not a phone number$"):
        phone.normalise(said)
