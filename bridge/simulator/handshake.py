"""How Twilio opens a media WebSocket: signed over the URL of the TwiML, and why it may fail.

Leaves what is said over it to ``media_socket``.
"""

import socket
import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, NegotiationError
from websockets.typing import Subprotocol

from bridge.simulator.knobs import Knobs
from bridge.simulator.webhook import Route, handshake_signature

__all__ = ["GOODBYE_S", "PROTOCOL", "HandshakeFailed", "dial"]

NO_ANSWER = 31901
REFUSED = 31902
TLS = 31910
NOT_SWITCHED = 31920
PROTOCOL = 31924

_SUBPROTOCOL = Subprotocol("audio.twilio.com")
_LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024
"""No limit is documented; a bridge may well queue a minute of speech in one message."""

GOODBYE_S = 2.0
"""How long the other side has to answer our close frame."""


class HandshakeFailed(Exception):
    """No media stream came of it; ``code`` is Twilio's number for why (F7, F8)."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


async def dial(url: str, route: Route, auth_token: str, knobs: Knobs) -> ClientConnection:
    """Opens a media WebSocket as Twilio does: signed over the URL of the TwiML, no compression.

    Raises:
        HandshakeFailed: with Twilio's number for the reason.
    """
    kind = knobs.mischief.handshake_signature
    try:
        connection = await connect(
            route.connect_to(url),
            additional_headers=handshake_signature(url, auth_token, kind),
            user_agent_header="Twilio.TmeWs/1.0",
            subprotocols=[_SUBPROTOCOL] if knobs.subprotocol_offered else None,
            compression=None,
            proxy=None,
            open_timeout=knobs.timings.handshake_timeout_s,
            close_timeout=GOODBYE_S,
            ping_interval=None,
            max_size=_LARGEST_MESSAGE_BYTES,
            max_queue=None,
            # Sending never waits: whether the bridge reads fast enough is judged by F14.
            write_limit=_LARGEST_MESSAGE_BYTES,
        )
        small = (socket.SOL_SOCKET, socket.SO_SNDBUF, knobs.send_buffer_bytes)
        connection.transport.get_extra_info("socket").setsockopt(*small)
        return connection
    except TimeoutError as silence:
        raise HandshakeFailed(NO_ANSWER, "no answer to the handshake") from silence
    except ssl.SSLError as fault:
        raise HandshakeFailed(TLS, f"TLS: {fault.reason}") from fault
    except InvalidStatus as answer:
        status = answer.response.status_code
        raise HandshakeFailed(NOT_SWITCHED, f"handshake answered {status}") from answer
    except NegotiationError as answer:
        raise HandshakeFailed(PROTOCOL, f"handshake: {answer}") from answer
    except (InvalidHandshake, InvalidMessage) as answer:
        raise HandshakeFailed(NOT_SWITCHED, f"handshake: {answer}") from answer
    except OSError as refused:
        raise HandshakeFailed(REFUSED, f"connection refused: {refused}") from refused
