"""What is known of a simulated call once it is over: everything a verdict may be built on.

Gathers the caller's recording, the line's events, the agent's notes and the database into plain
values. Leaves judging them to ``verdict``.
"""

from collections.abc import Sequence

import msgspec

from admin.recognition import HeardLine, recognise
from bridge.profile import Profile
from bridge.simulator import events
from bridge.simulator.board import Note
from bridge.simulator.media_socket import BRIDGE_CLOSED
from bridge.simulator.report import CallReport
from bridge.simulator.voices import Voices
from bridge.wire.overrides import strip
from tools.schedule import Appointment


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as every side of it saw it."""

    outcome: str
    why: str
    duration_s: float
    heard: list[HeardLine]
    unknown_at_s: list[float] = []
    """Where she heard something that nobody is known to have said."""
    greeting: str = ""
    """The practice's, from the cache."""
    fillers: tuple[str, ...] = ()
    """The practice's."""
    verbs: list[str] = []
    streams: int = 1
    warnings: list[int] = []
    """Notifications of Twilio, without the one that comes with every call."""
    interruptions: int = 0
    clears: int = 0
    longest_silence_ms: float = 0.0
    turn_gaps_ms: list[float] = []
    barge_in_stop_ms: list[float] = []
    first_media_ms: float | None = None
    booked: list[Appointment] = []
    notes: list[Note] = []


def gather(
    report: CallReport,
    notes: Sequence[Note],
    booked: Sequence[Appointment],
    profile: Profile | None,
    voices: Voices,
) -> Evidence:
    """All that is known of one call. Takes some tenths of a second: not on a loop that has calls.

    Args:
        report: The caller's side.
        notes: The emulated agent's.
        booked: Appointments of this call.
        profile: The practice's, where there is one behind the number.
        voices: Shared, so that a line is rendered once.
    """
    cached = [text for _, text in profile.cached_phrases] if profile else []
    from_agent = [strip(note.text) for note in notes if note.kind == "said"]
    verbs = [event for event in report.events if isinstance(event, events.VerbBegun)]
    from_twilio = [verb.detail for verb in verbs if verb.verb == "Say"]
    recognised = recognise(report.heard_track, [*from_agent, *cached, *from_twilio], voices)
    figures = report.figures
    return Evidence(
        outcome=report.outcome,
        why=report.why,
        duration_s=report.duration_s,
        heard=recognised.lines,
        unknown_at_s=recognised.unknown_at_s,
        greeting=profile.phrases.greeting if profile else "",
        fillers=profile.phrases.fillers if profile else (),
        verbs=[verb.verb for verb in verbs],
        streams=len(report.streams),
        warnings=[each.code for each in report.warnings if each.code != BRIDGE_CLOSED],
        interruptions=len(figures.barge_ins),
        clears=figures.clears,
        longest_silence_ms=figures.longest_silence.ms if figures.longest_silence else 0.0,
        turn_gaps_ms=[gap.gap_ms for gap in figures.turn_gaps],
        barge_in_stop_ms=[cut.stop_ms for cut in figures.barge_ins if cut.cut_ms],
        first_media_ms=figures.first_media_ms,
        booked=list(booked),
        notes=list(notes),
    )
