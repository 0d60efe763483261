"""``holdfast dev``: everything on this machine until Ctrl-C, and how to reach it."""

import os
from collections.abc import Mapping
from pathlib import Path

from admin.launcher import Launcher, Stopped, show
from admin.state import StateDirectory
from admin.surroundings import Ports, Surroundings, read_env_file


async def run(environ: Mapping[str, str], state: Path, ports: Ports) -> int:
    """Run until the operator stops it (0) or a process dies (1).

    Settings come from ``environ``, then from a file ``.env`` here, then from the launcher.
    """
    given = {**read_env_file(), **environ}
    launcher = Launcher(given, StateDirectory(state), ports, echo=show, tell=_tell)
    try:
        async with launcher as run:
            _tell(_greeting(run.surroundings, state))
            await run.until_ended()
    except Stopped:
        _tell("stopped; nothing is left running")
    return 0


def _greeting(run: Surroundings, state: Path) -> str:
    agent = "Deepgram" if run.simulator_url is None else f"simulated, {run.simulator_url}"
    lines = [
        "everything is up:",
        f"  bridge   {run.web_url}   (Twilio reaches it at {run.environ['PUBLIC_URL']})",
        f"  agent    {agent}",
        f"  admin    {run.admin_url}/admin/queues",
        f"  logs     {os.path.relpath(state)}/logs/",
    ]
    if "ADMIN_TOKENS" in run.made_up:
        lines[3] += f"   Authorization: Bearer {run.environ['ADMIN_TOKENS'].partition(':')[2]}"
    if run.environ.get("TWILIO_API_URL") == run.simulator_url:
        lines += [f"  texts    simulated, {run.simulator_url}/simulator/texts"]
    lines += ["in another terminal:  holdfast call cleaning", "Ctrl-C stops everything"]
    return "\n".join(lines)


def _tell(text: str) -> None:
    for line in text.splitlines():
        show("holdfast", line)
