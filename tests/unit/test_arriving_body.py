"""What the gunicorn worker makes of bodies: they arrive in time and in sensible chunks, or not at all."""

from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import IterUnreader

from loan_api.entrypoints.server import arriving_body
from loan_api.entrypoints.server.arriving_body import ArrivingBody
from loan_api.errors import SlowBodyError


@dataclass
class FakeRequest:
    """A request of which only the body matters."""

    unreader: Any
    body: Any = None
    must_close: bool = False


def request_with(pieces: Any, length: int | None) -> FakeRequest:
    request = FakeRequest(IterUnreader(pieces))
    reader = ChunkedReader(request, request.unreader) if length is None else LengthReader(request.unreader, length)
    request.body = Body(reader)
    return request


def body_of(pieces: Any, length: int | None = None) -> Any:
    return ArrivingBody(request_with(pieces, length))


def test_a_body_is_read_in_the_pieces_that_it_comes_in_and_no_larger_than_they_are_asked_for() -> None:
    body = body_of([b"abc", b"def", b"gh"], length=8)
    assert [body.read(2), body.read(5), body.read(5), body.read(5), body.read(5)] == [b"ab", b"c", b"def", b"gh", b""]


def test_the_next_request_is_left_where_it_is() -> None:
    unreader = IterUnreader([b"abcPOST /", b"predict"])
    request = FakeRequest(unreader, Body(LengthReader(unreader, 3)))
    body = ArrivingBody(request)
    assert [body.read(10), body.read(10), unreader.read(), unreader.read()] == [b"abc", b"", b"POST /", b"predict"]


def test_a_body_that_ends_before_its_length_is_not_taken_for_a_whole_one() -> None:
    body = body_of([b"abc"], length=8)
    assert body.read(5) == b"abc"
    with pytest.raises(ConnectionError):
        body.read(5)


@pytest.mark.parametrize(("pieces", "length"), [([b"a"], 8), ([b"1\r\na\r\n", b"zz\r\n"], None)])
def test_what_follows_a_broken_body_is_no_request(pieces: Any, length: int | None) -> None:
    request = request_with(pieces, length)
    body = ArrivingBody(request)
    before = body.read(1), request.must_close
    assert before == (b"a", False)
    with pytest.raises((ConnectionError, InvalidChunkSize)):
        body.read(5)
    assert request.must_close
    body.pass_over()


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


def test_trailers_that_cannot_be_read_are_an_error_of_the_connection() -> None:
    """As all that is wrong with a body is, which the application answers with a 400."""
    parser = RequestParser(Config(), [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx}\r\n\r\n"], None)
    with pytest.raises(ConnectionError):
        ArrivingBody(next(parser)).read(10)


@pytest.mark.parametrize("pause", [0.03, 10])
def test_a_body_that_takes_too_long_is_not_waited_for(pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the steps are that it comes in."""
    monkeypatch.setattr(arriving_body, "_BODY_SECONDS", 0.15)

    def trickle() -> Any:
        while True:
            gevent.sleep(pause)
            yield b"x"

    with pytest.raises(SlowBodyError):
        body_of(trickle(), length=1000).read()


@pytest.mark.parametrize(("pieces", "length"), [([b"abc", b"def"], 6), ([b"3\r\nabc\r\n", b"0\r\n\r\n"], None)])
def test_what_nobody_read_is_passed_over(pieces: Any, length: int | None) -> None:
    body = body_of(pieces, length)
    body.pass_over()
    assert body.read(1) == b""


def test_a_connection_ends_with_a_client_that_has_not_sent_all_that_it_said() -> None:
    with pytest.raises(StopIteration):
        body_of([b"ab"], 6).pass_over()


@pytest.mark.parametrize("rest", [b"no chunk\r\n", b"3\r\nabcdef\r\n", b"3\r\na"])
def test_a_connection_ends_where_the_rest_of_a_body_has_no_end(rest: bytes) -> None:
    with pytest.raises(StopIteration):
        body_of([b"1\r\na\r\n", rest]).pass_over()


def test_the_rest_of_a_body_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving_body, "_BODY_SECONDS", 0.05)

    def trickle() -> Any:
        while True:
            gevent.sleep(0.01)
            yield b"a"

    with pytest.raises(StopIteration):
        body_of(trickle(), length=1_000_000).pass_over()
