"""What a scenario must come to: its ``[expect]`` table, and the house it wants to be played in.

Data only. Leaves gathering what happened and judging it to whoever runs scenarios.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["PRACTICES", "Booked", "Count", "Expect", "House"]

PRACTICES = Path(__file__).parent / "practices"
"""Profiles of practices that only scenarios dial."""

Count = int | tuple[int, int]
"""So many, or from so many to so many."""

Milliseconds = Annotated[int, Meta(ge=0)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Booked(_Part, frozen=True, kw_only=True):
    """An appointment that must stand in the database; what is empty may be anything."""

    patient_name: str = ""
    phone: str = ""
    service: str = ""
    provider: str = ""
    weekday: Literal[
        "", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
    ] = ""
    time: Annotated[str, Meta(pattern=r"^([0-9]{2}:[0-9]{2})?$")] = ""
    """On the practice's clock, ``13:00``."""


class Expect(_Part, frozen=True, kw_only=True):
    """What must be true of a call when it is over; what is left out as None is not judged.

    Texts are compared by their words: capitals and punctuation do not count, and a text may be a
    part of a line or reach over several.
    """

    # --- what the caller heard, recognised from the sound in her ear ---

    heard: tuple[str, ...] = ()
    """In this order; other things may lie between."""
    heard_once: tuple[str, ...] = ()
    heard_at_most_once: tuple[str, ...] = ()
    never_heard: tuple[str, ...] = ()
    in_full: tuple[str, ...] = ()
    """Lines with these words were each heard from the first sound to the last, unbroken."""
    cut: tuple[str, ...] = ()
    """Lines with these words were each begun and broken off."""
    altered: bool = False
    """The agent's line resamples, so what she hears is not byte for byte what was recorded: sound
    that cannot be told apart from other lines is not judged."""
    greetings: Count = 1
    """How often the practice's greeting was begun."""
    fillers: Count | None = None
    """How many she heard; that none came twice running is always judged."""

    # --- how it went ---

    outcome: Literal["caller_hung_up", "bridge_hung_up", "refused", "lost"] = "caller_hung_up"
    verbs: tuple[str, ...] = ()
    """TwiML verbs carried out, in this order; others may lie between."""
    streams: Count = 1
    warnings: tuple[int, ...] = ()
    """Notifications of Twilio that this run asks for; any other fails it, and so does their
    absence."""
    interruptions: Count | None = None
    """How often the caller began to speak over something audible."""
    clears: Count | None = None
    """How often queued agent speech was thrown away."""
    longest_silence_ms: Milliseconds = 6000
    """Nobody audible for longer, between the first agent sound and the end."""
    turn_gap_ms: Milliseconds | None = None
    """The longest wait for an answer."""

    # --- what it came to ---

    booked: tuple[Booked, ...] = ()
    """Appointments of this call in the database: these, and no other."""

    # --- the agent's side, from the emulator's notes ---

    sessions: Count = 1
    """Sessions of the agent that were begun."""
    refused_sessions: Count = 0
    """Handshakes that the agent refused."""
    agent_errors: tuple[str, ...] = ()
    """Codes of the errors with which the agent ended sessions: these, in this order, and no
    other."""
    agent_heard: tuple[str, ...] = ()
    """What the agent understood the caller to say, in this order, each in full."""
    agent_never_heard: tuple[str, ...] = ()
    asked: Mapping[str, Count] | None = None
    """Function calls by tool; a tool that is not named was not asked."""
    answered: Count | None = None
    """Function calls that the agent was given an answer to while it waited."""
    cancelled: Count | None = None
    """Function calls that the agent took back."""
    answers: tuple[str, ...] = ()
    """Texts that occur in the answers to function calls, in this order."""
    updates: tuple[str, ...] | None = None
    """Kinds of the updates that the agent was sent, in order and without others between."""
    told: tuple[str, ...] = ()
    """Texts that occur in what the agent was told by update or injection, in this order."""
    never_told: tuple[str, ...] = ()
    handed_over: tuple[str, ...] = ()
    """Texts that occur in the history or the prompt with which the last session began."""
    not_handed_over: tuple[str, ...] = ()


class House(_Part, frozen=True, kw_only=True):
    """What the processes must be like that play this scenario.

    Scenarios with the same house share its processes. The usual house is that of the demo.
    """

    settings: Mapping[str, str] = {}
    """Environment of the bridge and the worker beside the usual one."""
    apart: str = ""
    """Any word: its troubles are to reach no call of another house."""
    worker_asleep_ms: tuple[Milliseconds, Milliseconds] | None = None
    """The worker's process is stopped for this while, counted from dialling: a tool that is slow,
    or never answers. Scenarios of such a house dial at the same moment."""
