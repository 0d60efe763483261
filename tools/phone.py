"""Phone numbers as one spelling, E.164, so that a patient is found however the number was said.

Pure text; whether a number exists is the phone company's business.
"""

import re

_SEPARATORS = re.compile(r"[\s().\-/]+")
_LONGEST = 15
"""Digits at most, country code included (ITU-T E.164, section 6)."""
_SHORTEST = 7
_NATIONAL = 10
"""Digits of a number of the North American plan without its country code."""


def normalise(text: str, country_code: str = "1") -> str:
    """The number as ``+`` and digits.

    ``country_code`` is put before a number given without one. Ten digits are read as a North
    American number where that is the country; elsewhere one leading zero is a trunk prefix.

    Raises:
        ValueError: it cannot be a phone number. The message does not repeat it.
    """
    digits = _SEPARATORS.sub("", text.strip())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.startswith("+"):
        digits = "+" + _with_country(digits, country_code)
    if not re.fullmatch(rf"\+[0-9]{{{_SHORTEST},{_LONGEST}}}", digits):
        raise ValueError("not a phone number")
    if digits.startswith("+1") and len(digits) != len("+1") + _NATIONAL:
        raise ValueError("not a phone number")
    return digits


def _with_country(digits: str, country_code: str) -> str:
    if country_code == "1":
        long_enough = len(digits) > _NATIONAL and digits.startswith("1")
        return digits if long_enough else country_code + digits
    return country_code + digits.removeprefix("0")
