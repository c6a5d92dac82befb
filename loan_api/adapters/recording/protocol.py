"""What those who decide and the recorder say to each other: records one way, receipts the other."""

import re

import msgspec

from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, Record


class Records(msgspec.Struct, frozen=True, array_like=True):
    """What is to be recorded together; with nothing in it, a question for the state of the log."""

    decisions: list[DecisionRecord]
    batches: list[BatchRecord]

    @classmethod
    def of(cls, records: list[Record]) -> "Records":
        """The records, sorted by kind."""
        return cls(
            [record for record in records if isinstance(record, DecisionRecord)],
            [record for record in records if isinstance(record, BatchRecord)],
        )

    @property
    def rows(self) -> int:
        """How many applications they are about."""
        return len(self.decisions) + sum(batch.rows for batch in self.batches)


class Receipt(msgspec.Struct, frozen=True):
    """All of it is recorded, within `seconds`; or, where there is a `refusal`, nothing of it."""

    state: LogState
    seconds: float
    refusal: str | None = None


_encoder = msgspec.msgpack.Encoder()
_records_decoder = msgspec.msgpack.Decoder(Records)
_receipt_decoder = msgspec.msgpack.Decoder(Receipt)

encode = _encoder.encode
decode_records = _records_decoder.decode
decode_receipt = _receipt_decoder.decode

# How what `encode` makes of records begins: two arrays, the first of which that is not empty has arrays of members.
_MEMBERS = bytes(0x90 | len(msgspec.structs.fields(kind)) for kind in (DecisionRecord, BatchRecord))
BEGINNING = re.compile(rb"(?=\x92\x90?(?:[\x91-\x9f]|\xdc..|\xdd....)[" + re.escape(_MEMBERS) + rb"])", flags=re.DOTALL)
BEGINNING_BYTES = 8
