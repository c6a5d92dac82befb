"""Bodies must arrive in time and in chunks of bounded size; others are refused."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gunicorn.config import Config
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import IterUnreader

from loan_api.entrypoints.server.request_body import RequestBody
from loan_api.errors import SlowBodyError


@dataclass
class FakeRequest:
    """A request with only a body."""

    unreader: Any
    body: Any = None
    must_close: bool = False


def request_with(pieces: Any, length: int | None) -> FakeRequest:
    request = FakeRequest(IterUnreader(pieces))
    reader = ChunkedReader(request, request.unreader) if length is None else LengthReader(request.unreader, length)
    request.body = Body(reader)
    return request


def body_of(pieces: Any, length: int | None = None) -> Any:
    return RequestBody(request_with(pieces, length))


def test_a_body_is_read_in_the_pieces_in_which_it_arrives_and_never_in_larger_ones() -> None:
    body = body_of([b"abc", b"def", b"gh"], length=8)
    assert [body.read(2), body.read(5), body.read(5), body.read(5), body.read(5)] == [b"ab", b"c", b"def", b"gh", b""]


def test_the_next_request_is_left_where_it_is() -> None:
    unreader = IterUnreader([b"abcPOST /", b"predict"])
    request = FakeRequest(unreader, Body(LengthReader(unreader, 3)))
    body = RequestBody(request)
    assert [body.read(10), body.read(10), unreader.read(), unreader.read()] == [b"abc", b"", b"POST /", b"predict"]


def test_a_body_shorter_than_its_length_is_an_error() -> None:
    body = body_of([b"abc"], length=8)
    assert body.read(5) == b"abc"
    with pytest.raises(ConnectionError):
        body.read(5)


@pytest.mark.parametrize(("pieces", "length"), [([b"a"], 8), ([b"1\r\na\r\n", b"zz\r\n"], None)])
def test_nothing_is_read_after_a_broken_body(pieces: Any, length: int | None) -> None:
    request = request_with(pieces, length)
    body = RequestBody(request)
    before = body.read(1), request.must_close
    assert before == (b"a", False)
    with pytest.raises((ConnectionError, InvalidChunkSize)):
        body.read(5)
    assert request.must_close
    body.discard()


def test_a_body_can_be_read_whole_and_by_lines() -> None:
    assert body_of([b"abc", b"def"], length=6).read() == b"abcdef"
    body = body_of([b"a\nb", b"c\n"], length=5)
    assert [body.readline(), body.read(9)] == [b"a\n", b"bc\n"]


def test_chunks_are_put_together() -> None:
    body = body_of([b"3\r\nabc\r\n2;x=y\r\nde\r", b"\n0\r\n\r\n"])
    assert [body.read(10), body.read(10)] == [b"abcde", b""]


def test_a_chunk_head_that_does_not_end_is_refused() -> None:
    with pytest.raises(InvalidChunkSize):
        body_of(b"a" * 10_000 for _ in range(1000)).read(10)


def test_trailers_that_do_not_end_are_refused() -> None:
    def pieces() -> Any:
        yield b"1\r\na\r\n0\r\n"
        while True:
            yield b"x: y\r\n" * 1000

    with pytest.raises(InvalidChunkSize):
        body_of(pieces()).read(10)


def test_invalid_trailers_are_an_error_of_the_connection() -> None:
    """Raise a connection error, to which the application responds with a 400."""
    parser = RequestParser(Config(), [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx}\r\n\r\n"], None)
    with pytest.raises(ConnectionError):
        RequestBody(next(parser)).read(10)


def trickle() -> Iterator[bytes]:
    """Yield a byte in every iteration of the event loop, without an end."""
    while True:
        gevent.idle()
        yield b"x"


def silence() -> Iterator[bytes]:
    """Yield nothing and do not end."""
    Event().wait()
    yield b""


@pytest.mark.parametrize("body", [trickle, silence])
def test_a_body_has_a_deadline_however_small_its_steps(body: Callable[[], Iterator[bytes]]) -> None:
    with pytest.raises(SlowBodyError):
        RequestBody(request_with(body(), 2**40), seconds=0.15).read()


@pytest.mark.parametrize(("pieces", "length"), [([b"abc", b"def"], 6), ([b"3\r\nabc\r\n", b"0\r\n\r\n"], None)])
def test_the_unread_rest_is_discarded(pieces: Any, length: int | None) -> None:
    body = body_of(pieces, length)
    body.discard()
    assert body.read(1) == b""


def test_the_connection_ends_if_a_body_is_shorter_than_its_length() -> None:
    with pytest.raises(StopIteration):
        body_of([b"ab"], 6).discard()


@pytest.mark.parametrize("rest", [b"no chunk\r\n", b"3\r\nabcdef\r\n", b"3\r\na"])
def test_the_connection_ends_if_the_rest_of_a_body_is_broken(rest: bytes) -> None:
    with pytest.raises(StopIteration):
        body_of([b"1\r\na\r\n", rest]).discard()


def test_the_rest_of_a_body_has_the_same_deadline() -> None:
    with pytest.raises(StopIteration):
        RequestBody(request_with(silence(), 6), seconds=0.05).discard()


def test_no_more_than_a_batch_is_discarded() -> None:
    pieces = itertools.repeat(b"x" * 65_536)
    with pytest.raises(StopIteration):
        body_of(pieces, length=2**40).discard()


class FakeConnection:
    """A connection that keeps sent data."""

    def __init__(self) -> None:
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data


def test_a_body_that_is_held_back_is_requested_once_by_the_first_read() -> None:
    request, connection = request_with([b"abc", b"def"], 6), FakeConnection()
    body = RequestBody(request, connection)
    assert (connection.sent, request.must_close) == (b"", True), "a refusal would be the last response"
    assert body.read(3) == b"abc"
    assert body.read(3) == b"def"
    assert (connection.sent, request.must_close) == (b"HTTP/1.1 100 Continue\r\n\r\n", False)


@pytest.mark.parametrize(("pieces", "length"), [([b"abc"], 3), ([b"3\r\nabc\r\n0\r\n\r\n"], None)])
@pytest.mark.parametrize("size", [None, 3])
def test_a_body_is_complete_once_all_of_it_was_read(pieces: Any, length: int | None, size: int | None) -> None:
    body = body_of(pieces, length)
    assert not body.is_complete
    body.read(size)
    body.read(1)
    assert body.is_complete
