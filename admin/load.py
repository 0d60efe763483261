"""``holdfast load``: a bridge of its own under many simulated calls, measured from outside."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from admin import procfile
from admin.errors import OperatorError
from admin.launcher import LAST_UP, Launcher, Stopped
from admin.state import StateDirectory
from admin.surroundings import FREE_PORTS, without_ours
from admin.verbs import print_json
from bridge.simulator.load import (
    MOST_BARGE_INS_PER_MINUTE,
    MOST_FRAME_MS,
    LoadAgent,
    load_agent,
    run_load,
)
from bridge.simulator.load_report import LoadReport, as_table, verdict
from bridge.wire import mulaw


async def run(
    environ: Mapping[str, str],
    state: Path,
    *,
    calls: int,
    seconds: float,
    as_json: bool,
    frame_ms: int = mulaw.FRAME_MS,
    barge_ins_per_minute: float = 6.0,
    bound: bool = False,
) -> int:
    """Start a bridge, hold so many calls for so long, print the table.

    Returns 1 when a bound is missed; with ``bound`` those of greeting and barge-in too.
    """
    if calls < 1 or seconds <= 0:
        raise OperatorError("--calls and --seconds are more than 0")
    if not 0 < frame_ms <= MOST_FRAME_MS or frame_ms % mulaw.FRAME_MS:
        raise OperatorError(f"--frame-ms is 20, 40 … {MOST_FRAME_MS}")
    if not 0 <= barge_ins_per_minute <= MOST_BARGE_INS_PER_MINUTE:
        raise OperatorError(f"--barge-ins-per-minute is 0 to {MOST_BARGE_INS_PER_MINUTE}")
    reports: list[LoadReport] = []
    bridge_only = {LAST_UP: procfile.read(procfile.find())[LAST_UP]}

    async def measure(agent: LoadAgent, launcher: Launcher) -> None:
        here = launcher.surroundings
        print(f"{calls} calls for {seconds:g} s …", file=sys.stderr, flush=True)
        reports.append(
            await run_load(
                calls,
                seconds,
                agent=agent,
                bridge_pids=[launcher.pid_of(LAST_UP)],
                bridge_url=here.web_url,
                public_url=here.environ["PUBLIC_URL"],
                auth_token=here.environ["TWILIO_AUTH_TOKEN"],
                account_sid=here.environ["TWILIO_ACCOUNT_SID"],
            )
        )

    try:
        async with load_agent(
            frame_ms=frame_ms, barge_ins_per_minute=barge_ins_per_minute
        ) as agent:
            given = {**without_ours(environ), **agent.environ}
            directory = StateDirectory(state)
            async with Launcher(given, directory, FREE_PORTS, lines=bridge_only) as launcher:
                await launcher.during(measure(agent, launcher))
    except Stopped:
        return 130
    (report,) = reports
    complaints = report.complaints(moments_too=bound)
    if as_json:
        print_json(msgspec.structs.replace(report, failures=complaints))
        for reason in verdict(report, moments_too=bound):
            print(reason, file=sys.stderr)
    else:
        print(as_table(report, moments_too=bound))
    return 1 if complaints else 0
