"""The fake Twilio: places one call at a bridge and reports what the caller heard (8.2).

Signs and posts the webhook, follows the TwiML, holds the media stream, lets a scripted person
speak into it. Leaves how to their own modules: ``call`` and below it ``webhook``,
``twiml_player``, ``streams``, ``person``, ``report``. It reaches a bridge by nothing but URLs and
a token, so any will do.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec

from bridge.simulator import scenario as scenarios
from bridge.simulator.call import SimulatedCall
from bridge.simulator.clock import Clock
from bridge.simulator.diary import Diary
from bridge.simulator.events import CallEvent
from bridge.simulator.knobs import Knobs
from bridge.simulator.knobs import knobs as knobs_of
from bridge.simulator.report import CallReport
from bridge.simulator.sayings import sayings
from bridge.simulator.scenario import Scenario
from bridge.simulator.sids import new_sid
from bridge.simulator.voices import Voices
from bridge.simulator.webhook import Route

__all__ = ["place_call"]


async def place_call(
    bridge_url: str,
    public_url: str,
    auth_token: str,
    account_sid: str,
    scenario: str | Path | Scenario,
    *,
    agent_control_url: str | None = None,
    on_event: Callable[[CallEvent], None] | None = None,
    voices: Voices | None = None,
    knobs: Knobs | None = None,
    to_number: str = "+15550100200",
    call_sid: str | None = None,
    voice_path: str = "/twilio/voice",
    fallback_url: str | None = None,
    status_callback_url: str | None = None,
    log_path: Path | None = None,
    speed: float = 1.0,
) -> CallReport:
    """Places one call and stays until it is over.

    Args:
        bridge_url: Where the bridge is really reached (``http://127.0.0.1:8080``).
        public_url: ``PUBLIC_URL`` of the bridge: everything is signed with it, and URLs in its
            TwiML that begin with it are opened at ``bridge_url``.
        auth_token: The account's primary Auth Token.
        account_sid: ``AC…``.
        scenario: What the caller does; the name of a shipped one, a file, or a scenario.
        agent_control_url: Origin of the agent emulator, told before the call which scenario to
            play. None: whatever agent the bridge has will do.
        on_event: Called with every event as it happens.
        voices: Shared between calls, so that a line is rendered once.
        knobs: Replaces the scenario's ``[line]`` table.
        to_number: The number that is dialled.
        call_sid: Only to repeat a call that the bridge has seen.
        voice_path: Path of the number's voice webhook.
        fallback_url: The number's fallback, asked when a document cannot be had.
        status_callback_url: The number's call status callback.
        log_path: Every event and every socket message, one JSON object a line.
        speed: Seconds of the call in one real second; other than 1 in tests only.

    Raises:
        ScenarioError: there is no such scenario.
        ValueError: its ``[line]`` table has a knob that does not exist.
    """
    played = scenario if isinstance(scenario, Scenario) else scenarios.load(scenario)
    voices = voices or Voices()
    if knobs is not None:
        # The agent must know them too: a line is recognised as the caller's room makes it sound.
        played = msgspec.structs.replace(played, line=msgspec.to_builtins(knobs))
    knobs = knobs_of(played.line)
    spoken = await asyncio.to_thread(sayings, played, voices)
    call_sid = call_sid or new_sid("CA")
    with ExitStack() as open_files:
        log = None if log_path is None else open_files.enter_context(log_path.open("wb"))
        async with httpx.AsyncClient(trust_env=False) as client:
            if agent_control_url is not None:
                await _announce(client, agent_control_url, call_sid, played)
            clock = Clock(speed)
            call = SimulatedCall(
                scenario=played,
                sayings=spoken,
                voices=voices,
                knobs=knobs,
                clock=clock,
                diary=Diary(call_sid, clock.now(), on_event=on_event, log=log),
                route=Route(public_url=public_url, bridge_url=bridge_url),
                client=client,
                auth_token=auth_token,
                account_sid=account_sid,
                call_sid=call_sid,
                to_number=to_number,
                fallback_url=fallback_url,
                status_callback_url=status_callback_url,
            )
            return await call.run(public_url.rstrip("/") + voice_path)


async def _announce(
    client: httpx.AsyncClient, control_url: str, call_sid: str, scenario: Scenario
) -> None:
    url = f"{control_url.rstrip('/')}/simulator/calls/{call_sid}"
    answer = await client.put(
        url, content=msgspec.json.encode(scenario), headers={"content-type": "application/json"}
    )
    answer.raise_for_status()
