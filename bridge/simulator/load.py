"""Many calls at once, and what they cost the bridge: CPU, delays, memory (I3).

Starts its own agent and its callers, each in a process of its own, and measures the bridge from
outside through ``/proc``. Leaves judging the figures to ``load_report``, and starting the bridge
to whoever calls it: the agent has to be up first, for the bridge must be told its address::

    async with load_agent() as agent:
        ...  # start a bridge with agent.environ
        report = await run_load(50, 20.0, agent=agent, bridge_pids=[pid], ...)
"""

import asyncio
import math
import os
import platform
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from bridge.simulator.load_barge_ins import clears_after
from bridge.simulator.load_control import (
    AgentOrders,
    AgentResult,
    CallerOrders,
    CallerResult,
    Child,
    Finish,
    Go,
    Listening,
    OpenWindow,
    Ready,
    Up,
    child,
)
from bridge.simulator.load_report import Direction, LoadReport, Moment
from bridge.simulator.stamps import Delays
from bridge.wire import mulaw

__all__ = ["LoadAgent", "load_agent", "run_load"]

MOST_FRAME_MS = 200
MOST_BARGE_INS_PER_MINUTE = 120
"""The agent speaks for a quarter of a second then, and is silent for another."""

_CALLS_A_PROCESS = 150
"""A process of callers is kept well below a core."""

_LAG_S = 0.5
"""Before the first instant that counts, so that both ends know of it; and after the last one."""


class LoadAgent(msgspec.Struct, frozen=True):
    """The load's agent, running."""

    child: Child
    port: int
    orders: AgentOrders

    @property
    def environ(self) -> Mapping[str, str]:
        """What the bridge has to be told."""
        return {
            "DEEPGRAM_API_KEY": "load",
            "DEEPGRAM_AGENT_URL": f"ws://127.0.0.1:{self.port}/v1/agent/converse",
            "DEEPGRAM_API_URL": f"http://127.0.0.1:{self.port}",
        }


@asynccontextmanager
async def load_agent(
    *, frame_ms: int = mulaw.FRAME_MS, barge_ins_per_minute: float = 6.0
) -> AsyncIterator[LoadAgent]:
    """The agent's process, for as long as the block lasts.

    Args:
        frame_ms: Sound in one message.
        barge_ins_per_minute: How often it is interrupted in each call.

    Raises:
        ValueError: it can speak whole frames only, and needs time to be interrupted.
    """
    if not 0 < frame_ms <= MOST_FRAME_MS or frame_ms % mulaw.FRAME_MS:
        raise ValueError(
            f"frame_ms is a multiple of {mulaw.FRAME_MS} up to {MOST_FRAME_MS}, not {frame_ms}"
        )
    if not 0 <= barge_ins_per_minute <= MOST_BARGE_INS_PER_MINUTE:
        raise ValueError(
            f"barge_ins_per_minute is 0 to {MOST_BARGE_INS_PER_MINUTE}, not {barge_ins_per_minute}"
        )
    orders = AgentOrders(frame_ms=frame_ms, barge_ins_per_minute=barge_ins_per_minute)
    async with child("bridge.simulator.load_agent", orders) as process:
        listening = await process.answer(Listening)
        yield LoadAgent(process, listening.port, orders)


async def run_load(
    calls: int,
    seconds: float,
    *,
    agent: LoadAgent,
    bridge_pids: Sequence[int],
    bridge_url: str,
    public_url: str,
    auth_token: str,
    account_sid: str,
    to_number: str = "+15550100200",
    stagger_s: float = 0.04,
    settle_s: float = 2.0,
) -> LoadReport:
    """Holds so many calls for so many seconds and measures the bridge's processes meanwhile.

    The bridge must use ``agent``. Everything that is measured lies between two instants after all
    calls are up; connecting is not part of it.
    """
    orders = [
        CallerOrders(
            calls=share,
            bridge_url=bridge_url,
            public_url=public_url,
            auth_token=auth_token,
            account_sid=account_sid,
            to_number=to_number,
            stagger_s=stagger_s * len(_shares(calls)),
        )
        for share in _shares(calls)
    ]
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(child("bridge.simulator.load_callers", order))
            for order in orders
        ]
        for process in processes:
            await process.answer(Ready)
        memory_before_kb = _memory_kb(bridge_pids)
        for process in processes:
            process.order(Go())
        ups = [await process.answer(Up) for process in processes]
        if not any(one.calls for one in ups):
            seconds = 0.0
        await asyncio.sleep(settle_s)
        everybody = [agent.child, *processes]
        generator_before_s = _cpu_s([process.pid for process in everybody])
        cpu_s = await _measured(seconds, everybody, bridge_pids)
        memory_kb = _memory_kb(bridge_pids) - memory_before_kb
        generator_s = _cpu_s([process.pid for process in everybody]) - generator_before_s
        for process in everybody:
            process.order(Finish())
        heard = await agent.child.answer(AgentResult)
        played = [await process.answer(CallerResult) for process in processes]
    up = sum(one.calls for one in ups)
    per_call_second_ms = cpu_s * 1000 / (up * seconds) if seconds else math.nan
    greetings = _merged([one.greetings for one in played])
    cleared = {call_sid: at for one in played for call_sid, at in one.cleared.items()}
    clears, missed = clears_after(heard.barged_in, cleared)
    late = _merged([heard.lateness]), _merged([one.lateness for one in played])
    return LoadReport(
        machine=_machine(),
        calls=up,
        seconds=seconds,
        cpu_ms_per_call_second=per_call_second_ms,
        calls_per_core=1000 / per_call_second_ms if per_call_second_ms else math.inf,
        memory_per_call_kb=memory_kb / max(1, up),
        caller_to_agent=_direction([heard]),
        agent_to_caller=_direction(played),
        frame_ms=agent.orders.frame_ms,
        barge_ins_per_minute=agent.orders.barge_ins_per_minute,
        greeting=_moment(greetings, missed=up - greetings.counts.total()),
        barge_in=_moment(clears, missed=missed),
        failures=[why for one in ups for why in one.failures],
        ended_early=sum(one.ended_early for one in played),
        malformed=sum(one.malformed for one in played),
        generator_cores=generator_s / (seconds + 2 * _LAG_S),
        late_p99_ms=max(one.percentile_ms(0.99) for one in late),
        late_max_ms=max(one.percentile_ms(1.0) for one in late),
    )


async def _measured(seconds: float, everybody: Sequence[Child], pids: Sequence[int]) -> float:
    """The bridge's CPU seconds between two instants that both ends know beforehand."""
    from_ns = time.monotonic_ns() + round(_LAG_S * 1e9)
    for process in everybody:
        process.order(OpenWindow(from_ns=from_ns, until_ns=from_ns + round(seconds * 1e9)))
    await _until(from_ns / 1e9)
    before_s = _cpu_s(pids)
    await _until(from_ns / 1e9 + seconds)
    cpu_s = _cpu_s(pids) - before_s
    await asyncio.sleep(_LAG_S)
    return cpu_s


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))


def _shares(calls: int) -> list[int]:
    processes = -(-calls // _CALLS_A_PROCESS)
    return [calls // processes + (rank < calls % processes) for rank in range(processes)]


def _direction(results: Sequence[AgentResult | CallerResult]) -> Direction:
    delays = _merged([result.delays for result in results])
    newest = _merged([result.newest for result in results])
    return Direction(
        frames=sum(result.received for result in results),
        lost=sum(result.lost for result in results),
        p50_ms=delays.percentile_ms(0.5),
        p99_ms=delays.percentile_ms(0.99),
        newest_p50_ms=newest.percentile_ms(0.5),
        newest_p99_ms=newest.percentile_ms(0.99),
    )


def _moment(delays: Delays, *, missed: int) -> Moment:
    return Moment(
        count=delays.counts.total(),
        missed=missed,
        p50_ms=delays.percentile_ms(0.5),
        p95_ms=delays.percentile_ms(0.95),
        p99_ms=delays.percentile_ms(0.99),
    )


def _merged(counts: Sequence[Mapping[int, int]]) -> Delays:
    merged = Delays()
    for each in counts:
        merged.merge(Delays(each))
    return merged


def _cpu_s(pids: Sequence[int]) -> float:
    """User and system time of processes so far (proc(5): fields 14 and 15, all threads)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_kb(pids: Sequence[int]) -> float:
    """Resident memory of processes now."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, " + (
        f"Python {platform.python_version()}"
    )
