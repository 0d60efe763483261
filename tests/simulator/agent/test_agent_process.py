"""The emulator as a process of its own."""

import asyncio
import re
import signal
import sys

import pytest

PROGRAM = "import asyncio; from bridge.simulator.agent import serve; asyncio.run(serve(port=0))"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_says_where_it_is_and_stops_when_told(number):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        first = (await process.stdout.readline()).decode()
        assert re.search(r"ws://127\.0\.0\.1:\d+/v1/agent/converse", first)
        process.send_signal(number)
        assert await process.wait() == 0
