"""Simulated calls placed from the command line: one that is told, or many that are measured."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from admin.errors import NotReady, OperatorError
from admin.heard import Heard, heard
from admin.latencies import Latency, as_table, latencies
from admin.narrative import FunctionCall, Narrative, Tell
from admin.state import RunFile
from admin.verbs import print_json, surrounding
from bridge.errors import BadConfiguration
from bridge.profile import PACKAGED, Profile, load_profiles
from bridge.simulator.caller import place_call
from bridge.simulator.report import CallReport
from bridge.simulator.scenario import ScenarioError
from bridge.simulator.sids import new_sid
from bridge.simulator.wav import write_wav
from tools.catalog import OFFERED


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call is placed, and as whom."""

    bridge_url: str
    public_url: str
    auth_token: str
    account_sid: str
    simulator_url: str | None = None
    to_number: str = "+15550100200"
    profile: Profile | None = None
    """The practice behind the number, where it is known."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was placed and told."""

    report: CallReport
    function_calls: list[FunctionCall]
    heard: list[Heard]
    sentences: list[str]
    """Everything the agent sent."""


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``holdfast call --json``."""

    call_sid: str
    scenario: str
    outcome: str
    why: str
    duration_s: float
    heard: list[Heard]
    function_calls: list[FunctionCall]
    latencies: list[Latency]
    warnings: list[str]
    wav: str


async def place(line: Line, scenario: str, tell: Tell) -> Told:
    """Place one call and tell it as it happens.

    Raises:
        OperatorError: there is no such scenario.
    """
    phrases = [text for _, text in line.profile.cached_phrases] if line.profile else []
    narrative = Narrative(tell, greeting=phrases[0] if phrases else "")
    call_sid = new_sid("CA")
    try:
        async with narrative.following(line.simulator_url, call_sid):
            report = await place_call(
                line.bridge_url,
                line.public_url,
                line.auth_token,
                line.account_sid,
                scenario,
                agent_control_url=line.simulator_url,
                on_event=narrative.on_event,
                to_number=line.to_number,
                call_sid=call_sid,
            )
    except ScenarioError as error:
        raise OperatorError(str(error)) from error
    found = heard(report.heard_track, [*phrases, *narrative.sentences])
    narrative.recognised(found, phrases)
    return Told(
        report=report,
        function_calls=narrative.function_calls,
        heard=found,
        sentences=narrative.sentences,
    )


async def call(
    environ: Mapping[str, str],
    state: Path,
    scenario: str,
    *,
    wav: Path | None,
    bridge_url: str | None,
    to_number: str,
    as_json: bool,
) -> int:
    """``holdfast call``: 0 when the call ran as it should."""
    told = await place(
        line_of(environ, state, bridge_url=bridge_url, to_number=to_number),
        scenario,
        tell=lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True),
    )
    report = told.report
    path = write_wav(report, wav or state / f"{report.scenario}.wav")
    rows = latencies(report, told.function_calls)
    if as_json:
        print_json(
            CallAnswer(
                call_sid=report.call_sid,
                scenario=report.scenario,
                outcome=report.outcome,
                why=report.why,
                duration_s=report.duration_s,
                heard=told.heard,
                function_calls=told.function_calls,
                latencies=rows,
                warnings=[f"{warning.code} {warning.why}" for warning in report.warnings],
                wav=str(path),
            )
        )
    else:
        print(f"\n{as_table(rows)}\n\nrecording  {path}  (left: caller, right: what she heard)")
    return 0 if report.ok else 1


def line_of(
    environ: Mapping[str, str],
    state: Path,
    *,
    bridge_url: str | None = None,
    to_number: str = "+15550100200",
) -> Line:
    """The bridge that runs here, or the one that is named.

    Raises:
        NotReady: nothing runs here, or its credentials are not known.
    """
    run = RunFile.read(state)
    found = surrounding(environ, state)
    bridge_url = bridge_url or (run.web_url if run else None)
    if bridge_url is None:
        raise NotReady(f"nothing runs in {state}: start it with 'holdfast dev', or --bridge-url")
    token = found.get("TWILIO_AUTH_TOKEN", "").split(",")[0].strip()
    if not token:
        raise NotReady("TWILIO_AUTH_TOKEN is not set: the bridge would refuse the call")
    return Line(
        bridge_url=bridge_url,
        public_url=found.get("PUBLIC_URL") or bridge_url,
        auth_token=token,
        account_sid=found.get("TWILIO_ACCOUNT_SID") or f"AC{'0' * 32}",
        simulator_url=run.simulator_url if run else None,
        to_number=to_number,
        profile=profile_of(to_number, found.get("PROFILES_DIR")),
    )


def profile_of(number: str, directory: str | None) -> Profile | None:
    """The practice behind a number; None where it cannot be known here."""
    try:
        folder = Path(directory) if directory else PACKAGED
        return load_profiles(folder, known_tools=OFFERED).of_number(number)
    except BadConfiguration:
        return None
