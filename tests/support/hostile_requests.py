"""Hostile requests as raw bytes, as client libraries would correct them.

Attacks may declare the allowed statuses; otherwise the service's OpenAPI document decides.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET
from tests.support.applications import application
from tests.support.bombs import arrow_bomb, lengths_made_up, parquet_bomb, saying_small_sizes
from tests.support.forms import SHIPPED

# Stands in for an applicant's value and must never be returned.
CANARY = "hunter2canary"
# Takes the place of a status if the connection was closed without a response.
CLOSED = 0
# Statuses for an invalid request head, before any view is called (docs/api.md#errors).
HEAD = frozenset({400, 417, 431, 501})
NO_OPERATION = frozenset({404, 405}) | HEAD
PAGES = ("/docs", "/openapi.json")
# Both lead to /docs.
REDIRECTS = frozenset({"/", "/docs/"})
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW")
# Exceeds the permitted memory growth of a process.
BOMB_BYTES = 120_000_000
VALID = json.dumps(application()).encode()


@dataclass(frozen=True)
class Attack:
    """A hostile request: `content` is sent in pieces, and every response must have a status in `allowed`."""

    name: str
    content: Sequence[bytes]
    allowed: frozenset[int]


class Documented:
    """The statuses that an OpenAPI document lists."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        operations = [
            (method.upper(), path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        ]
        self._statuses = {
            (method, path): frozenset(map(int, operation["responses"])) - {500}
            for method, path, operation in operations
        }
        self.paths = tuple(_filled(path) for path in document["paths"])
        self.with_body = [
            (method, _filled(path)) for method, path, operation in operations if "requestBody" in operation
        ]

    def of(self, method: str, target: str) -> frozenset[int]:
        """Return the statuses allowed for the request, however broken it is."""
        path = target.partition("?")[0]
        there = {
            known: statuses
            for (known, template), statuses in self._statuses.items()
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        }
        if path in PAGES:
            there["GET"] = frozenset({200})
        if path in REDIRECTS:
            there["GET"] = frozenset({302})
        if method == "OPTIONS" and there:
            return HEAD | {200}
        return HEAD | there.get("GET" if method == "HEAD" else method, NO_OPERATION)

    def refusals(self, method: str, path: str) -> frozenset[int]:
        """Return the documented statuses except those of success."""
        return frozenset(status for status in self.of(method, path) if status >= 400)

    @property
    def everything(self) -> frozenset[int]:
        """Return the statuses allowed if the operation is unknown."""
        return NO_OPERATION.union([200, 302, CLOSED], *self._statuses.values())


def _filled(path: str) -> str:
    return path.format(decision_id="x")


def request(
    method: str, path: str, body: bytes = b"", headers: Sequence[str] = (), *, length: int | None = None
) -> bytes:
    """Return a request with `Connection: close`, so that the end of the response is visible."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers]
    if not any(header.lower().startswith("transfer-encoding") for header in headers) or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("latin1") + b"\r\n\r\n" + body


def posted(path: str, body: bytes, media_type: str = JSON, *headers: str, method: str = "POST") -> bytes:
    """Return a request with a body."""
    return request(method, path, body, [f"Content-Type: {media_type}", *headers])


def catalogue(documented: Documented, key: str) -> Iterator[Attack]:
    """Return every known attack once; `key` grants every scope, so that attacks get past authentication."""
    keyed = partial(_with_key, key)
    for attacks in (_json, _tables, _compressed, _media_types, _framing, _paths_and_methods, _header_values, _heads):
        yield from map(keyed, attacks(documented))
    yield from _not_http()


def _with_key(key: str, attack: Attack) -> Attack:
    first, *rest = attack.content
    return Attack(attack.name, [first.replace(b"\r\n", f"\r\nX-API-Key: {key}\r\n".encode(), 1), *rest], attack.allowed)


def _json(documented: Documented) -> Iterator[Attack]:
    text = VALID.decode()
    broken = {
        "in EBCDIC": text.encode("cp500"),
        "not UTF-8": VALID.replace(b"Graduate", b"\xff\xfe" + CANARY.encode()),
        "a surrogate in UTF-8": VALID.replace(b"Graduate", b"\xed\xa0\x80"),
        "a lone surrogate": text.replace("Graduate", "\\ud800").encode(),
        "deep lists": b"[" * 16_000,
        "deep objects": b'{"a":' * 3_000,
        "deep instances": b'{"instances":' + b"[" * 15_000,
        "deep and closed": b'{"loan_term":' + b"[" * 7_000 + b"]" * 7_000 + b"}",
        "null bytes": b"\0" * 100,
        "a wrong value": text.replace("Graduate", CANARY).encode(),
        "a long value": text.replace("Graduate", CANARY * 1_000).encode(),
        "cut off": VALID.replace(b"Graduate", CANARY.encode())[:-20],
        "a long number": b"1" * 16_000,
        "a long exponent": b"1e" + b"9" * 1_000,
        "a long name": b'{"' + b"k" * 15_000 + b'": 1}',
        "thousands of names": json.dumps(dict.fromkeys(map(str, range(2_000)), 1)).encode()[:16_000],
    }
    for literal in ("1e400", "-1e400", "NaN", "-Infinity", "1" * 5_000, "0x1", "1_0", "٣", "true", '"12"', "null"):
        for number in SHIPPED.numbers[:2]:
            value = f'"{number.name}": {application()[number.name]}'
            broken[f"{literal[:9]} as {number.name}"] = text.replace(value, f'"{number.name}": {literal}').encode()
    for method, path in documented.with_body:
        refusals = documented.refusals(method, path)
        for name, body in broken.items():
            yield Attack(f"{name} to {path}", [posted(path, body, method=method)], refusals)
            rows = b'{"instances": [' + body + b"]}"
            if path == "/predict/batch":
                yield Attack(f"{name} in a batch", [posted(path, rows)], refusals)
        huge = [request(method, path, b"", ["Content-Type: application/json"], length=10**9), *[b" " * 65_536] * 300]
        yield Attack(f"a huge body to {path}", huge, frozenset({413, CLOSED}))
    twice = text[:-1] + ', "cibil_score": 400}'
    yield Attack("a duplicate name: the last one counts", [posted("/predict", twice.encode())], frozenset({200}))
    odd = {f"in {encoding}": text.encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32")}
    for name, body in {**odd, "minus zero": text.replace(": 2,", ": -0,").encode()}.items():
        yield Attack(name, [posted("/predict", body)], frozenset({200}))


def _tables(documented: Documented) -> Iterator[Attack]:
    head = ",".join(SHIPPED.names).encode() + b"\n"
    bomb = parquet_bomb(BOMB_BYTES)
    bodies = [
        (CSV, "a long cell", head + b"x" * 200_000),
        (CSV, "an unclosed quote", head + b'"' + b'"" ,' * 50_000),
        (CSV, "thousands of cells", head + b"," * 100_000),
        (CSV, "thousands of columns", b"a," * 100_000),
        (CSV, "too few cells", head + CANARY.encode() + b",1" * 5),
        (CSV, "wrong cells", head + CANARY.encode() + b",1" * 10),
        (CSV, "values instead of a header", (CANARY.encode() + b",1" * 10 + b"\n") * 2),
        (CSV, "byte order marks", "\ufeff".encode() * 3 + head),
        (CSV, "a null byte", head + b"\0\n"),
        (NDJSON, "a long line", b"x" * 1_000_000),
        (NDJSON, "a long text", b'"' + CANARY.encode() * 50_000 + b'"'),
        (NDJSON, "thousands of empty objects", b"{}\n" * 20_000),
        (NDJSON, "a million empty lines", b"\n" * 1_000_000),
        (ARROW, "a dictionary with a false length", lengths_made_up()),
        (ARROW, "a bomb", arrow_bomb(BOMB_BYTES)),
        (PARQUET, "a bomb", bomb),
        (PARQUET, "a bomb with false sizes", saying_small_sizes(bomb)),
        *(
            (media_type, name, junk)
            for media_type in MEDIA_TYPES
            for name, junk in (
                ("nothing", b""),
                ("many Parquet footers", b"PAR1" * 1_000),
                ("high bytes", b"\xff" * 100),
                ("an Arrow header", b"ARROW1\0\0" + b"\xff" * 64),
                ("an archive", b"PK\x03\x04" + b"\0" * 99),
            )
        ),
    ]
    for media_type, name, body in bodies:
        refusals = documented.refusals("POST", "/predict/batch")
        yield Attack(f"{name} as {media_type}", [posted("/predict/batch", body, media_type)], refusals)


def _compressed(documented: Documented) -> Iterator[Attack]:
    bomb = b" " * 10_000_000
    encodings = {"gzip": gzip.compress(bomb), "deflate": zlib.compress(bomb), "br": b"\xff" * 99, "gzip, x": b"1"}
    for method, path in documented.with_body:
        for encoding, body in encodings.items():
            content = posted(path, body, JSON, f"Content-Encoding: {encoding}", method=method)
            # Bodies larger than any application are refused for their size first.
            yield Attack(f"{encoding} to {path}", [content], frozenset({413, 415}))


def _media_types(documented: Documented) -> Iterator[Attack]:
    for media_type in (
        "text/json", "*/*", "multipart/form-data; boundary=", "\xff", CANARY * 300, "application/json, text/csv", "",
        "application/json; charset=utf-16", "application/json; charset=" + "x" * 500, "application/json;;;=",
        "application/vnd.a+json",
    ):  # fmt: skip
        for method, path in documented.with_body:
            content = posted(path, VALID, media_type, method=method)
            yield Attack(f"{media_type[:40]!r} to {path}", [content], documented.of(method, path))
    for accept in ("x", CANARY, "text/html", "*/*;q=0", "a/b;q=" + "9" * 1_000, "application/json;q=nan", ",,,"):
        content = posted("/predict/batch", b'{"instances": [' + VALID + b"]}", JSON, f"Accept: {accept}")
        yield Attack(f"accepting {accept[:40]}", [content], documented.of("POST", "/predict/batch"))


def _framing(documented: Documented) -> Iterator[Attack]:
    kind, chunked = "Content-Type: application/json", "Transfer-Encoding: chunked"
    whole = f"{len(VALID):x}\r\n".encode() + VALID + b"\r\n0\r\n\r\n"
    for method, path in documented.with_body:
        send = partial(request, method, path)
        refused = frozenset({400, CLOSED})
        lengths = [f"Content-Length: {length}" for length in ("-1", "+7", "0x7", "7, 7", "\xb2", "1" * 5_000)]
        yield from (
            Attack(f"{name} to {path}", [content], allowed)
            for name, content, allowed in (
                ("a length with chunks", send(whole, [kind, chunked], length=5), refused),
                ("chunked twice", send(whole, [kind, "Transfer-Encoding: chunked, chunked"]), HEAD),
                ("chunked and identity", send(whole, [kind, chunked, "Transfer-Encoding: identity"]), HEAD),
                (
                    "an unsupported coding",
                    send(whole, [kind, "Transfer-Encoding: gzip, chunked"]),
                    frozenset({415}),
                ),
                ("an unknown coding", send(whole, [kind, f"Transfer-Encoding: {CANARY}"]), frozenset({501})),
                ("a negative chunk length", send(b"-1\r\n" + VALID, [kind, chunked]), refused),
                ("a long extension", send(b"5;" + b"x" * 100_000 + b"\r\n12345\r\n", [kind, chunked]), refused),
                ("long trailers", send(b"0\r\n" + b"a: b\r\n" * 50_000 + b"\r\n", [kind, chunked]), refused | {422}),
                ("invalid trailers", send(b"0\r\nx}\r\n\r\n", [kind, chunked]), refused),
                ("tiny chunks", send(b"1\r\n{\r\n" * 10_000 + b"0\r\n\r\n", [kind, chunked]), refused | {413}),
                *((name, send(VALID, [kind, name]), refused) for name in lengths),
            )
        )
        endless = [send(b"", [kind, chunked]), *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 300]
        yield Attack(f"endless chunks to {path}", endless, frozenset({413, CLOSED}))
    lines = (VALID + b"\n") * 3
    cells = (",".join(application()) + "\n" + ",".join(map(str, application().values()))).encode()
    for path, media_type, body in (
        ("/predict", JSON, VALID[:50]),
        ("/predict", JSON, VALID),
        ("/predict/batch", NDJSON, lines),
        ("/predict/batch", CSV, cells),
    ):
        cut = request("POST", path, body, [f"Content-Type: {media_type}"], length=len(body) + 2)
        yield Attack(f"an incomplete body to {path}", [cut], frozenset({400}))
    after = [request("POST", "/predict", b"zz\r\n", [kind, chunked]), request("GET", "/health/live")]
    kept = [piece.replace(b"Connection: close\r\n", b"") for piece in after]
    yield Attack("a request after broken chunks", kept, frozenset({400, CLOSED}))
    long = request("POST", "/predict", b"f" * 5_000 + b"\r\n" + VALID, [kind, chunked])
    yield Attack("an impossible chunk length", [long], frozenset({400, 413}))
    many = posted("/predict", VALID).replace(b"Connection: close\r\n", b"") * 20
    yield Attack("pipelined requests, the last one broken", [many + posted("/predict", b"{")], frozenset({200, 400}))
    unread = posted("/predict", f"{CANARY}\r\n".encode(), "text/plain", chunked).replace(b"Connection: close\r\n", b"")
    yield Attack("a broken rest of a refused body", [unread], frozenset({415}))
    hidden = request("POST", "/predict", VALID, [kind], length=5) + request("GET", "/keys")
    yield Attack("a request smuggled after a body", [hidden], frozenset({400}))


def _paths_and_methods(documented: Documented) -> Iterator[Attack]:
    for path in (*documented.paths, *PAGES, "/", "*", "example.com:443"):
        for method in METHODS:
            yield Attack(f"{method} {path}", [request(method, path)], documented.of(method, path))
    for target in (
        "/%2e%2e/%2e%2e/etc/passwd", "//predict", "/docs/../../etc/passwd", "/docs/%2e%2e%2fapp.py", "/%00", "/a%00b",
        "/docs/..%5c..%5capp.py", "/docs//etc/passwd", "/\\..\\..", "/;/metrics", "/predict/", "/HEALTH", "/docs/",
        "/" + "a" * 3_900, "/" + CANARY * 10_000, "/health?" + "a=1&" * 900, "/decisions/%ff%fe",
        "/decisions/" + "9" * 3_000, "/decisions/%2e%2e", "/decisions/..%2fkeys", f"/decisions/{CANARY}",
        "/decisions?cursor=" + "A" * 3_000, "/decisions?cursor=%ff", "/decisions?limit=-1", "/decisions?limit=%D9%A3",
        "/decisions?limit=" + "9" * 4_000, "/decisions?limit=1&limit=2", f"/decisions?limit={CANARY}",
        "/decisions?from=" + "0" * 999, "/decisions?from=9999-12-31T23:59:59-24:00", f"/decisions?from={CANARY}",
        "/decisions?from=0001-01-01T00:00:00%2B23:59", "/decisions?x=1", "/decisions?cursor=\xff",
    ):  # fmt: skip
        yield Attack(f"GET {target[:40]}", [request("GET", target)], documented.of("GET", target) | NO_OPERATION)
    for header in ("SCRIPT_NAME: /x", "PATH_INFO: /keys"):
        yield Attack(f"another path by {header}", [request("GET", "/x/keys", b"", [header])], frozenset({404}))
    yield Attack("a double slash", [posted("/predict//batch?x=1", VALID)], frozenset({404}))
    for target in ("/health#x", "http://evil/health", f"http://{CANARY}:80/health?{CANARY}"):
        yield Attack(f"GET {target}", [request("GET", target)], documented.of("GET", "/health"))


def _header_values(documented: Documented) -> Iterator[Attack]:
    for name in ("X-Request-ID", "Authorization", "X-API-Key", "Accept", "Expect", "X-Forwarded-For", "Host", "Cookie"):
        for value in (
            "", "\xff" * 50, "a" * 7_000, "Basic %%%", "Basic \xc3\xa9", "Basic Og==", "Bearer", f"{CANARY}\t{{}}",
            f"Bearer {CANARY}",
            "%0d%0a", "\x7f", "{}" * 100,
        ):  # fmt: skip
            for method, path in (("GET", "/metrics"), ("GET", "/decisions?limit=1"), ("POST", "/predict")):
                content = request(method, path, b"", [f"{name}: {value}"])
                yield Attack(f"{name}: {value[:40]!r} to {path}", [content], documented.of(method, path))


def _heads(documented: Documented) -> Iterator[Attack]:
    for path in documented.paths:
        for count, allowed in ((80, documented.of("GET", path)), (200, {431}), (5_000, {431, CLOSED})):
            flood = request("GET", path, b"", [f"X-{number}: {CANARY}" for number in range(count)])
            yield Attack(f"{count} headers to {path}", [flood], frozenset(allowed))
        for size, allowed in ((9_000, {431}), (10_000_000, {431, CLOSED})):
            long = request("GET", path, b"", [f"X: {CANARY}{'x' * size}"])
            yield Attack(f"a header of {size} bytes to {path}", [long], frozenset(allowed))


def _not_http() -> Iterable[Attack]:
    nothing = {"nothing": b"", "an incomplete method": b"GE", "an incomplete head": b"GET / HTTP/1.1\r\nHost:"}
    yield from (Attack(name, [content], frozenset({CLOSED, 400})) for name, content in nothing.items())
    for name, content in {
        "empty lines": b"\r\n" * 5_000,
        "a TLS handshake": b"\x16\x03\x01" + b"\0" * 500 + b"\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/0.9": b"GET /health\r\n\r\n",
        "a control character": request("GET", f"/{CANARY}\x01"),
        "a folded header": f"GET / HTTP/1.1\r\nX: a\r\n {CANARY}\r\n\r\n".encode(),
        "a name with a space": f"GET / HTTP/1.1\r\nX {CANARY}: a\r\n\r\n".encode(),
        "random": bytes(range(256)) * 40,
    }.items():
        yield Attack(name, [content], frozenset({400, 404, 431, CLOSED}))


def drawn(documented: Documented, key: str) -> st.SearchStrategy[Attack]:
    """Return a random variation of a known request; every second one has corrupted bytes."""
    names = ["Content-Type", "Transfer-Encoding", "Content-Length", "Accept", "Authorization", "Expect"]
    values = st.sampled_from([*MEDIA_TYPES, "chunked", "5", "", CANARY]) | st.text(
        st.characters(min_codepoint=32, max_codepoint=255), max_size=30
    )
    query = st.just("") | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20).map(
        "?limit={}".format
    )
    made = st.builds(
        _made,
        st.just(documented),
        st.just(key),
        st.sampled_from(METHODS),
        st.tuples(st.sampled_from((*documented.paths, *PAGES, "/")), query).map("".join),
        st.sampled_from([VALID, b"[" * 5_000, b"1e400", VALID.replace(b"Graduate", CANARY.encode())])
        | st.binary(max_size=200),
        st.lists(st.tuples(st.sampled_from(names), values).map(": ".join), max_size=3),
    )
    return made | st.builds(
        _broken, st.just(documented.everything), made, st.integers(0, 400), st.integers(0, 4), st.binary(max_size=4)
    )


def _made(documented: Documented, key: str, method: str, target: str, body: bytes, headers: Sequence[str]) -> Attack:
    # Drawn headers may frame the body so that no request is complete; then no response is expected.
    content = request(method, target, body, [f"X-API-Key: {key}", *headers])
    return Attack(f"{method} {target}", [content], documented.of(method, target) | {CLOSED})


def _broken(allowed: frozenset[int], attack: Attack, place: int, cut: int, put: bytes) -> Attack:
    (whole,) = attack.content
    at = place % len(whole)
    return Attack(f"{attack.name}, broken", [whole[:at] + put + whole[at + cut :]], allowed)
