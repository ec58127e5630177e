"""The words of WebSocket and venues that the load generator speaks between two runs."""

import base64
import hashlib
import json

__all__ = [
    "OPCODE_CLOSE", "OPCODE_PING", "OPCODE_TEXT", "answer_of", "client_texts", "switched",
    "text_frame",
]  # fmt: skip

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPCODE_TEXT, OPCODE_CLOSE, OPCODE_PING = 1, 8, 9


def switched(request: bytes) -> bytes:
    """Return the answer to a client's opening handshake."""
    lines = [line.partition(b":") for line in request.split(b"\r\n")]
    key = next(text.strip() for name, _, text in lines if name.lower() == b"sec-websocket-key")
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def client_texts(data: bytearray) -> list[tuple[int, bytes]]:
    """Take the whole frames a client sent from the front of `data`: (opcode, payload)."""
    found = []
    while len(data) >= 6:
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + 4 + size:
            break
        mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
        found.append((data[0] & 15, bytes(b ^ mask[i & 3] for i, b in enumerate(body))))
        del data[: at + 4 + size]
    return found


def answer_of(venue: int, text: bytes) -> bytes | None:
    """Return what the venue answers to a request of a public connection."""
    if text == b"ping":
        return b"pong"
    request = json.loads(text)
    if venue == 0:
        word = "pong" if request["op"] == "ping" else ""
        said = {"success": True, "ret_msg": word, "conn_id": "load", "op": request["op"]}
        return json.dumps(said | {"req_id": request.get("req_id", "")}).encode()
    if request["op"] == "subscribe":
        said = {"event": "subscribe", "arg": request["args"][0], "connId": "load"}
        return json.dumps(said).encode()
    return None


def text_frame(payload: bytes, opcode: int = OPCODE_TEXT) -> bytes:
    """Return a short unmasked frame."""
    assert len(payload) < 65536
    if len(payload) < 126:
        return bytes([0x80 | opcode, len(payload)]) + payload
    return bytes([0x80 | opcode, 126]) + len(payload).to_bytes(2, "big") + payload
