"""The picows listener of connections whose messages are all read in Python."""

import time
from collections.abc import Callable

from picows import WSFrame, WSListener, WSMsgType, WSTransport

__all__ = ["MessageHandler", "SocketListener"]

MessageHandler = Callable[[bytes, int], None]


class SocketListener(WSListener):
    """Hand every text message to one function, with the time at which it arrived."""

    def __init__(self, on_message: MessageHandler) -> None:
        self._on_message = on_message
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Nothing to do: the connection waits for the handshake itself."""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Nothing to do: the connection waits for the end itself."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        recv_mono_ns = time.monotonic_ns()
        if frame.msg_type == WSMsgType.TEXT or (
            frame.msg_type == WSMsgType.CONTINUATION and self._parts
        ):
            payload = frame.get_payload_as_bytes()
            if self._parts or not frame.fin:
                self._parts.append(payload)
                if not frame.fin:
                    return
                payload = b"".join(self._parts)
                self._parts.clear()
            self._on_message(payload, recv_mono_ns)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
