"""The agent of a load test: hears stamped frames, speaks stamped frames half of the time.

A process of its own (``python -m bridge.simulator.load_agent``) with one port for the agent's
WebSocket and ``/v1/speak``. It understands nothing: two seconds of speech, two of silence, and
around them the messages a real agent would send. Some of its turns end because the caller barges
in. Commands come as JSON lines on its standard input, answers go to its standard output.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec
import uvloop

from bridge.simulator.lean_socket import LeanSocket, accept_key
from bridge.simulator.load_control import AgentOrders, AgentResult, Listening, OpenWindow, serve
from bridge.simulator.pacer import Pacer
from bridge.simulator.stamps import Delays, Receipts, Window, stamped
from bridge.wire import deepgram, mulaw

__all__ = ["main"]

_TURN_MS = 2000
"""So long it speaks, and so long it is silent; less if that many barge-ins need more turns. Half
of the time it speaks always, so that what calls cost can be compared."""

_PHASE = 0.618
"""Of a cycle, between one session and the next: so however many there are, and whenever they
began, they are spread evenly over it."""

_GREETING = bytes(0x70 + at % 8 for at in range(1000 * mulaw.BYTES_PER_MS))
"""A second of something for every phrase."""


class _Agent:
    """What all sessions share."""

    def __init__(self, orders: AgentOrders) -> None:
        self.frame_ms = orders.frame_ms
        turns_a_minute = max(30_000 / _TURN_MS, orders.barge_ins_per_minute)
        self.turn_ms = max(1, int(30_000 / turns_a_minute) // self.frame_ms) * self.frame_ms
        self.silent_ms = self.turn_ms // 2 // mulaw.FRAME_MS * mulaw.FRAME_MS
        """So long into its silence the caller begins, who did not barge in."""
        self.barged_in_share = min(1.0, orders.barge_ins_per_minute * self.turn_ms / 30_000)
        """Of its turns, those that end because the caller barges in."""
        self.barged_in: dict[str, list[int]] = {}
        self.pacer = Pacer()
        self.window = Window()
        self.delays = Delays()
        self.newest = Delays()
        self.receipts: list[Receipts] = []
        self.sessions = 0

    def result(self) -> AgentResult:
        """What was measured here."""
        return AgentResult(
            delays=dict(self.delays.counts),
            newest=dict(self.newest.counts),
            received=sum(receipts.received for receipts in self.receipts),
            lost=sum(receipts.lost for receipts in self.receipts),
            lateness=dict(self.pacer.lateness.counts),
            cpu_s=time.process_time(),
            barged_in=self.barged_in,
        )


class _Session(LeanSocket):
    """One connection: a session, or a request for speech."""

    def __init__(self, agent: _Agent) -> None:
        super().__init__()
        self._agent = agent
        self._receipts = Receipts(agent.delays, agent.newest, agent.window)
        self._ticks = 0
        """Into its cycle; each session is elsewhere, so that half of them speak at a time."""
        self._sent = 0
        self._speaking = False
        self._call_sid = ""
        self._barge_ins_due = 0.0
        self._caller_speaks = False

    def on_head(self, head: bytes) -> bool:
        """An upgrade becomes a session; anything else is answered with sound."""
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        headers = {name.lower(): value for name, value in fields.items()}
        assert self.transport is not None
        if "sec-websocket-key" not in headers:
            self._answer_with_sound(headers)
            return False
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(headers["sec-websocket-key"]).encode()
            + b"\r\n\r\n"
        )  # fmt: skip
        self._call_sid = headers.get("x-deepgram-session-id", "")
        self._agent.sessions += 1
        phase = self._agent.sessions * _PHASE % 1
        self._barge_ins_due = phase
        self._ticks = round(phase * 2 * self._agent.turn_ms / mulaw.FRAME_MS)
        self._agent.receipts.append(self._receipts)
        self._say(deepgram.Welcome(request_id=f"load-{self._agent.sessions}"))
        return True

    def on_text(self, text: bytes) -> None:
        """``Settings`` begins the session; nothing else matters here."""
        if b'"Settings"' in text[:64] or b'"type":"Settings"' in text:
            self._say(deepgram.SettingsApplied())
            self._ticks += time.monotonic_ns() // (mulaw.FRAME_MS * 1_000_000)
            self._agent.pacer.join(self)

    def on_binary(self, sound: bytes) -> None:
        """What the caller's side sounds like."""
        self._receipts.take(sound)

    def on_gone(self) -> None:
        """The bridge hung up."""
        self._agent.pacer.leave(self)

    def tick(self) -> None:
        """20 ms: speaks, or says what a real agent says when its turn begins or ends."""
        at_ms = self._ticks * mulaw.FRAME_MS
        self._ticks += 1
        turn_ms = self._agent.turn_ms
        into_ms = at_ms % (2 * turn_ms)
        if into_ms == self._agent.silent_ms and not self._caller_speaks:
            self._caller_speaks = True
            self._say(deepgram.UserStartedSpeaking())
        elif into_ms == turn_ms - mulaw.FRAME_MS:
            self._caller_speaks = False
            self._say(deepgram.ConversationText(role="user", content="and on the day after"))
        if into_ms >= turn_ms:
            if not self._caller_speaks:
                self._speak(into_ms - turn_ms)
        elif self._speaking:
            self._speaking = False
            self._say(deepgram.AgentAudioDone())

    def _speak(self, into_turn_ms: int) -> None:
        if not self._speaking:
            self._speaking = True
            text = "Yes, on that day there is a time at ten and another one at two."
            self._say(deepgram.ConversationText(role="assistant", content=text))
        if into_turn_ms % self._agent.frame_ms:
            return
        frames = range(self._sent, self._sent + self._agent.frame_ms // mulaw.FRAME_MS)
        self._sent = frames.stop
        self.send_binary(b"".join(stamped(number) for number in frames))
        if into_turn_ms + self._agent.frame_ms >= self._agent.turn_ms:
            self._barge_ins_due += self._agent.barged_in_share
            if self._barge_ins_due >= 1:
                self._barge_ins_due -= 1
                self._barge_in()

    def _barge_in(self) -> None:
        """The caller takes the floor while the last piece plays: its turn ends, as a real one's."""
        now_ns = time.monotonic_ns()
        if self._agent.window.holds(now_ns):
            self._agent.barged_in.setdefault(self._call_sid, []).append(now_ns)
        self._caller_speaks = True
        self._say(deepgram.UserStartedSpeaking())
        self._speaking = False
        self._say(deepgram.AgentAudioDone())

    def _say(self, message: deepgram.FromAgent) -> None:
        self.send_text(deepgram.encode(message).encode())

    def _answer_with_sound(self, headers: dict[str, str]) -> None:
        assert self.transport is not None
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: audio/mulaw\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(_GREETING) + _GREETING
        )
        self.transport.close()


async def _run(orders: AgentOrders) -> None:
    agent = _Agent(orders)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(agent), "127.0.0.1", 0)
    agent.pacer.start()

    async def obey(order: Any) -> AgentResult | None:
        if isinstance(order, OpenWindow):
            agent.pacer.lateness.counts.clear()
            agent.window.set(order.from_ns, order.until_ns)
            return None
        return agent.result()

    try:
        port = server.sockets[0].getsockname()[1]
        await serve(Listening(port=port), obey)
    finally:
        agent.pacer.stop()
        server.close()


def main() -> None:
    """The process: orders from the first line of standard input."""
    uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.readline(), type=AgentOrders)))


if __name__ == "__main__":
    main()
