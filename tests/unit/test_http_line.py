"""HTTP as a venue may speak it: whole answers, lines used again, only questions sent twice."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from arbitrage.runtime.threads import new_event_loop
from arbitrage.venues.http_line import BrokenAnswerError, HttpLines, NoLineError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Lines = list[list[bytes]]  # what was asked, by connection


def ask(
    answers: list[list[bytes]], talk: Callable[[HttpLines], Awaitable[Any]]
) -> tuple[Any, Lines]:
    """Talk to a host that gives these answers, by connection, and then closes it."""

    async def main() -> tuple[Any, Lines]:
        heard: Lines = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked: list[bytes] = []
            heard.append(asked)
            for answer in answers[len(heard) - 1]:
                head = await reader.readuntil(b"\r\n\r\n")
                size = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                asked.append(head + await reader.readexactly(int(size or 0)))
                for piece in answer.split(b"|"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        lines = HttpLines(f"http://127.0.0.1:{port}/pre", None)
        try:
            async with asyncio.timeout(20):
                return await talk(lines), heard
        finally:
            lines.close()
            server.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:  # the trader's: uvloop if there
        return runner.run(main())


async def get(lines: HttpLines) -> Any:
    return await lines.ask("GET", "/v5/time?a=%2C", {"X-Key": "k"}, b"")


def test_a_request_is_sent_as_it_was_signed() -> None:
    async def talk(lines: HttpLines) -> Any:
        return await lines.ask("POST", "/v5/order?x=1", {"Sign": "s"}, b'{"a":1}')

    (status, headers, body), ((asked,),) = ask([[OK]], talk)
    assert (status, headers, body) == (200, {"content-length": "2"}, b"ok")
    assert asked.startswith(b"POST /pre/v5/order?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nSign: s\r\n" in asked
    assert asked.endswith(b'Content-Length: 7\r\n\r\n{"a":1}')


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            CHUNKED + b"2\r\nab\r\n|1;x=y\r\nc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 200|OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall |of it", b"all of it"),
        (b"HTTP/1.0 200 OK\r\ncontent-LENGTH: 3\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_answers_are_read_whole(answer: bytes, body: bytes) -> None:
    (status, _, found), _ = ask([[answer]], get)
    assert (status // 100, found) == (2, body)


def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b"x" * 100_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    (_, _, body), _ = ask([[head + packed]], get)
    assert body == b"x" * 100_000


async def get_twice(lines: HttpLines) -> Any:
    first = await get(lines)
    return first, await get(lines)


def test_a_line_serves_again_while_the_host_keeps_it() -> None:
    _, heard = ask([[OK, OK]], get_twice)
    assert [len(asked) for asked in heard] == [2]


def test_a_line_that_is_to_close_serves_once() -> None:
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    _, heard = ask([[closing], [OK]], get_twice)
    assert [len(asked) for asked in heard] == [1, 1]


def test_a_line_with_more_than_was_asked_for_is_not_used_again() -> None:
    """Else the next question would get the answer of nobody knows which."""
    _, heard = ask([[OK + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"], [OK]], get_twice)
    assert [len(asked) for asked in heard] == [1, 1]


def test_a_question_on_a_line_that_was_closed_is_asked_again() -> None:
    """The host reads it and closes without a word, as one does whose patience has just ended."""
    (_, (status, _, _)), heard = ask([[OK, b""], [OK]], get_twice)
    assert status == 200
    assert [len(asked) for asked in heard] == [2, 1]


def test_an_order_on_a_line_that_was_closed_is_not_sent_again() -> None:
    async def talk(lines: HttpLines) -> None:
        await get(lines)
        with pytest.raises(BrokenAnswerError, match="closed before it was answered"):
            await lines.ask("POST", "/order", {}, b"{}")

    _, heard = ask([[OK, b""], [OK]], talk)
    assert [len(asked) for asked in heard] == [2]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "size was '-1'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "at most 64 MB"),
        (CHUNKED + b"zz\r\n", "size was 'zz'"),
        (
            CHUNKED + b"1\r\nabc\r\n",
            "longer than it said",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "'gzip' is not known"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", "'br' was not"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxy", "unpacked"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "header that is none"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "without an end"),
    ],
)
def test_what_is_no_answer_is_told(answer: bytes, says: str) -> None:
    async def talk(lines: HttpLines) -> None:
        with pytest.raises(BrokenAnswerError, match=says):
            await get(lines)

    ask([[answer]], talk)


def test_a_host_that_is_not_there_is_told_apart_from_one_that_does_not_answer() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(NoLineError, match=f"cannot connect to 127.0.0.1:{port}"):
            await get(HttpLines(f"http://127.0.0.1:{port}", None))

    asyncio.run(main())


def test_a_question_that_is_given_up_leaves_no_line() -> None:
    async def talk(lines: HttpLines) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await get(lines)
        return await get(lines)

    async def main() -> None:
        heard = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            heard += 1
            await reader.readuntil(b"\r\n\r\n")
            if heard == 1:
                await reader.read()  # never answers
            else:
                writer.write(OK)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        lines = HttpLines(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None)
        async with asyncio.timeout(20):
            assert (await talk(lines))[0] == 200
        lines.close()
        server.close()

    asyncio.run(main())


def test_a_line_break_in_a_header_is_refused() -> None:
    async def talk(lines: HttpLines) -> None:
        with pytest.raises(ValueError, match="line break"):
            await lines.ask("GET", "/", {"X": "a\r\nHost: elsewhere"}, b"")

    ask([], talk)
