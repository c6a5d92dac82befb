"""`python -m tests.fuzz TARGET [options of libFuzzer]`: looks for bytes that make a reader do what it must not."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["loan_api", "training.data", "fuzz"]):
    from tests.fuzz.targets import targets

    # The modules of the formats are imported here, as what is imported later would not be looked into.
    TARGETS = targets()


def main(name: str, *options: str) -> None:
    """Fuzzes until an option or a finding ends it; a finding is a traceback and a file `crash-…`."""
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
