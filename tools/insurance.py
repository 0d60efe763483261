"""The tool that tells whether an insurance is accepted, from the list that was entered.

It knows names only. What a plan pays is the insurance's to say, and what is not on the list is
nobody's to guess.
"""

import msgspec

from tools import names, spoken
from tools.arguments import CheckInsurance
from tools.errand import Errand
from tools.office import Office
from tools.practices import Facts


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted", tag_field="result"):
    """It is accepted here."""

    say: str
    insurance: str
    """As it is called here."""


class NotAccepted(
    msgspec.Struct, frozen=True, kw_only=True, tag="not_accepted", tag_field="result"
):
    """It is certain that it is not accepted, this one or any."""

    say: str
    accepted: tuple[str, ...]
    """Those that are."""


class NotListed(msgspec.Struct, frozen=True, kw_only=True, tag="not_listed", tag_field="result"):
    """Nobody entered anything about it; a person has to tell, or it was misheard."""

    say: str
    accepted: tuple[str, ...]


_NONE = "we don't work with any insurance, so you would pay us yourself."

Judged = Accepted | NotAccepted | NotListed


async def check_insurance(asked: CheckInsurance, office: Office, errand: Errand) -> Judged:
    """Whether it is accepted."""
    return judged(office.facts, asked.insurance)


def judged(facts: Facts, words: str) -> Judged:
    """What the list says about an insurance that was called so."""
    accepted = _accepted(facts)
    if not accepted:
        return NotAccepted(say=f"I'm sorry, {_NONE}", accepted=())
    meant = names.meant(words, facts.insurers)
    taken = [each for each in meant if each.accepted]
    ours = listed(facts)
    if len(meant) == 1 and taken:
        return Accepted(
            say=_with(f"Yes, we accept {taken[0].name}.", taken[0].note), insurance=taken[0].name
        )
    if len(meant) == 1:
        say = _with(f"I'm sorry, we don't accept {meant[0].name}.", meant[0].note)
        return NotAccepted(say=f"{say} {ours}", accepted=accepted)
    if meant:
        say = f"Do you mean {spoken.one_of([each.name for each in meant])}?"
        return NotListed(say=say, accepted=tuple(each.name for each in taken))
    say = f"I don't find that insurance on our list. {ours} Someone here can tell you for certain."
    return NotListed(say=say, accepted=accepted)


def listed(facts: Facts) -> str:
    """What there is to say about insurance without naming one."""
    accepted = _accepted(facts)
    return f"We accept {spoken.all_of(accepted)}." if accepted else _NONE.capitalize()


def _accepted(facts: Facts) -> tuple[str, ...]:
    return tuple(each.name for each in facts.insurers if each.accepted)


def _with(say: str, note: str) -> str:
    return f"{say} {note}".strip()
