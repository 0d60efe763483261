"""``holdfast demo``: everything up, one spoken call, and the proof that it booked what was said.

Self-contained: it ignores every setting of ours in the environment, so that a demonstration can
never reach a real account or a real database.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import httpx
import msgspec

from admin.calling import Line, Told, place, profile_of
from admin.errors import OperatorError
from admin.heard import Heard
from admin.latencies import Latency, as_table, latencies
from admin.launcher import Launcher, Stopped
from admin.narrative import FunctionCall, Tell
from admin.state import StateDirectory
from admin.surroundings import FREE_PORTS, Surroundings, without_ours
from admin.verbs import print_json
from bridge.simulator.wav import write_wav
from tools.calendar import Calendar
from tools.database import open_engine
from tools.errors import Unavailable
from tools.schedule import Appointment

SCENARIO = "cleaning"
NUMBER = "+15550100200"
LONGEST_CALL_S = 120.0
ROOM_FOR_BOOKINGS = 12
"""One patient's afternoon is full after a dozen runs; then the calendar begins anew."""

NOT_ONE_TEXT = "the appointment was not confirmed by one text message"
TEXT_TRIES, TEXT_PAUSE_S = 40, 0.25
"""Workers look every two seconds what is to be sent."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo showed; ``holdfast demo --json``."""

    ok: bool
    missing: list[str]
    """What should have happened and did not."""
    took_s: float
    """From the command to here; the call is most of it."""
    call_sid: str
    appointment: Appointment | None
    """As the database has it."""
    appointments: int
    """In the database by now, of all runs."""
    heard: list[Heard]
    """What the caller heard, recognised from the recording."""
    cut_ms: float
    """Agent speech that her barge-in threw away."""
    function_calls: list[FunctionCall]
    latencies: list[Latency]
    text: str
    """The text message that confirms the appointment, as Twilio's stand-in was given it."""
    wav: str
    database: str
    admin_url: str


async def run(environ: Mapping[str, str], state: Path, *, as_json: bool) -> int:
    """Run the demo; 0 only if the appointment is in the database and was heard confirmed."""
    began_at = time.monotonic()
    output = sys.stderr if as_json else sys.stdout
    proofs: list[Proof] = []

    def tell(text: str) -> None:
        print(text, file=output, flush=True)

    async def play() -> None:
        up_s = time.monotonic() - began_at
        tell(f"everything is up after {up_s:.1f} s; logs in {state}/logs/\n")
        proofs.append(await _play(launcher.surroundings, directory.path, began_at, tell))

    directory = StateDirectory(state)
    await directory.lock()
    if await make_room(directory.path):
        tell("the demo's calendar was nearly full: a new one begins")
    launcher = Launcher(without_ours(environ), directory, FREE_PORTS, tell=lambda text: None)
    try:
        async with launcher:
            await launcher.during(play())
    except Stopped:
        tell("stopped")
        return 130
    (proof,) = proofs
    if as_json:
        print_json(proof)
    return 0 if proof.ok else 1


async def _play(here: Surroundings, state: Path, began_at: float, tell: Tell) -> Proof:
    line = Line(
        bridge_url=here.web_url,
        public_url=here.environ["PUBLIC_URL"],
        auth_token=here.environ["TWILIO_AUTH_TOKEN"],
        account_sid=here.environ["TWILIO_ACCOUNT_SID"],
        simulator_url=here.simulator_url,
        to_number=NUMBER,
        profile=profile_of(NUMBER, None),
    )
    try:
        async with asyncio.timeout(LONGEST_CALL_S):
            told = await place(line, SCENARIO, tell)
    except TimeoutError:
        raise OperatorError(f"the call did not end within {LONGEST_CALL_S:.0f} s") from None
    wav = await asyncio.to_thread(write_wav, told.report, state / "call.wav")
    assert line.profile is not None
    everything = await appointments(here.environ["DATABASE_URL"], line.profile.id)
    ours = [made for made in everything if made.call_sid == told.report.call_sid]
    texts = await _texts_to(here, ours[0]) if ours else []
    missing = [*_missing(told, everything, ours), *([] if len(texts) == 1 else [NOT_ONE_TEXT])]
    proof = Proof(
        ok=not missing,
        missing=missing,
        took_s=round(time.monotonic() - began_at, 1),
        call_sid=told.report.call_sid,
        appointment=ours[0] if ours else None,
        appointments=len(everything),
        heard=told.heard,
        cut_ms=round(sum(cut.cut_ms for cut in told.report.figures.barge_ins)),
        function_calls=told.function_calls,
        latencies=latencies(told.report, told.function_calls),
        text=texts[0] if texts else "",
        wav=str(wav),
        database=here.environ["DATABASE_URL"],
        admin_url=f"{here.admin_url}/admin/queues",
    )
    tell(_ending(proof, await _admin_says(here)))
    return proof


async def appointments(database_url: str, practice_id: str) -> list[Appointment]:
    """Every booked appointment of a practice, asked from the database by this process."""
    engine = open_engine(database_url)
    try:
        calendar = Calendar(engine)
        practice = await calendar.practices.practice(practice_id)
        return [] if practice is None else await calendar.appointments(practice)
    finally:
        await engine.dispose()


async def make_room(state: Path) -> bool:
    """Remove the demo's database if its calendar is nearly full; whether it did."""
    file = state / "holdfast.db"
    if not file.exists():
        return False
    try:
        booked = await appointments(f"sqlite:///{file}", "hillside")
    except Unavailable:  # a run that was killed before its tables were made
        booked = []
    if len(booked) <= ROOM_FOR_BOOKINGS:
        return False
    _remove_database(state)
    return True


def _remove_database(state: Path) -> None:
    for part in state.glob("holdfast.db*"):
        part.unlink()


def _missing(
    told: Told, everything: Sequence[Appointment], ours: Sequence[Appointment]
) -> Iterator[str]:
    if not told.report.ok:
        warnings = "; ".join(warning.why for warning in told.report.unexpected_warnings)
        yield f"the call ended {told.report.outcome}: {told.report.why} {warnings}".rstrip()
    if len(told.report.streams) != 1:
        yield f"the call took {len(told.report.streams)} media streams instead of one"
    if not ours:
        yield "there is no appointment of this call in the database"
    if not told.report.figures.barge_ins:
        yield "the caller did not interrupt the agent"
    if not confirmation_heard(told):
        yield "the caller did not hear the confirmation"
    if overlap := overlapping(everything):
        yield f"two appointments overlap: {overlap[0].start} and {overlap[1].start}"


def confirmation_heard(told: Told) -> bool:
    """Whether everything the booking answered to be said is in the caller's ear, in full."""
    booked = [call for call in told.function_calls if call.name == "book_appointment"]
    if not booked:
        return False
    say = msgspec.json.decode(booked[-1].content, type=_Answer).say
    spoken = [sentence for sentence in told.sentences if sentence and sentence in say]
    ear = " ".join(each.text for each in told.heard)
    return bool(spoken) and say.endswith(spoken[-1]) and all(each in ear for each in spoken)


class _Answer(msgspec.Struct):
    say: str = ""


def overlapping(booked: Sequence[Appointment]) -> tuple[Appointment, Appointment] | None:
    """Two appointments of one provider that share time; there must be none, ever."""
    by_provider = sorted(booked, key=lambda each: (each.provider, each.start))
    for one, next_one in pairwise(by_provider):
        if one.provider == next_one.provider and next_one.start < one.end:
            return one, next_one
    return None


async def _texts_to(here: Surroundings, made: Appointment) -> list[str]:
    """The texts that were sent in this run to whom an appointment is for; none in good time: []."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        for _ in range(TEXT_TRIES):
            sent = (await client.get(f"{here.simulator_url}/simulator/texts")).json()["texts"]
            if bodies := [str(text["body"]) for text in sent if text["to_number"] == made.phone]:
                return bodies
            await asyncio.sleep(TEXT_PAUSE_S)
    return []


async def _admin_says(here: Surroundings) -> str:
    """The admin API asked over its own socket with its token."""
    token = here.environ["ADMIN_TOKENS"].partition(":")[2]
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, verify=False) as client:
        queues = (await client.get(f"{here.admin_url}/admin/queues")).json()["queues"]
        phrases = (await client.get(f"{here.admin_url}/admin/phrases")).json()
    waiting = sum(queue["waiting"] for queue in queues)
    return f"{waiting} jobs waiting, {phrases['cached']} phrases cached"


def _ending(proof: Proof, admin_says: str) -> str:
    lines = ["", "in the database:"]
    if proof.appointment is None:
        lines += ["  no appointment of this call"]
    else:
        made = proof.appointment
        lines += [
            f"  {made.patient_name}, {made.service} with {made.provider}",
            f"  {made.start:%A %Y-%m-%d %H:%M}–{made.end:%H:%M %Z}",
            f"  appointment {made.id}, booked {made.booked_utc:%H:%M:%S} UTC by {made.call_sid}",
        ]
    if proof.text:
        lines += ["", f"text message, sent once:\n  {proof.text}"]
    lines += [
        "",
        as_table(proof.latencies),
        "",
        f"recording  {proof.wav}   (left: the caller, right: what she heard)",
        f"database   {proof.database}   ({proof.appointments} appointments)",
        f"admin      answered at {proof.admin_url}: {admin_says}",
        "           (gone now; 'make dev' keeps it up)",
        "",
    ]
    if proof.ok:
        lines += [f"the appointment stands and was heard confirmed; {proof.took_s} s in all"]
    else:
        lines += [f"NOT shown: {each}" for each in proof.missing]
    return "\n".join(lines)
