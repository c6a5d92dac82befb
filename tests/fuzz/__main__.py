"""Search for bytes that make a parser misbehave: `python -m tests.fuzz TARGET [libFuzzer options]`."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["loan_api", "training.data", "tests.fuzz"]):
    from tests.fuzz.targets import targets

    # Import all format modules here, as modules imported later would not be instrumented.
    TARGETS = targets()


def main(name: str, *options: str) -> None:
    """Fuzz until an option or a finding ends the run; a finding prints a traceback and writes a file `crash-…`."""
    target = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup(
        [sys.argv[0], "-rss_limit_mb=1024", "-timeout=10", "-max_len=65536", *options, str(corpus)], target.read
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
