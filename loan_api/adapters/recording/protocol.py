"""Messages between deciding processes and the recorder: records in one direction, receipts in the other."""

import re

import msgspec

from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, Record


class Records(msgspec.Struct, frozen=True, array_like=True):
    """Records to be stored together; without any, a query for the state of the log."""

    decisions: list[DecisionRecord]
    batches: list[BatchRecord]

    @classmethod
    def of(cls, records: list[Record]) -> "Records":
        """Group the records by kind."""
        return cls(
            [record for record in records if isinstance(record, DecisionRecord)],
            [record for record in records if isinstance(record, BatchRecord)],
        )

    @property
    def rows(self) -> int:
        """Return the number of applications."""
        return len(self.decisions) + sum(batch.rows for batch in self.batches)


class Receipt(msgspec.Struct, frozen=True):
    """Confirmation that all records were stored within `seconds` or, with a `refusal`, that none was."""

    state: LogState
    seconds: float
    refusal: str | None = None


_encoder = msgspec.msgpack.Encoder()
_records_decoder = msgspec.msgpack.Decoder(Records)
_receipt_decoder = msgspec.msgpack.Decoder(Receipt)

encode = _encoder.encode
decode_records = _records_decoder.decode
decode_receipt = _receipt_decoder.decode

# The first bytes of encoded records: two arrays; the first non-empty one contains arrays of fields.
_MEMBERS = bytes(0x90 | len(msgspec.structs.fields(kind)) for kind in (DecisionRecord, BatchRecord))
BEGINNING = re.compile(rb"(?=\x92\x90?(?:[\x91-\x9f]|\xdc..|\xdd....)[" + re.escape(_MEMBERS) + rb"])", flags=re.DOTALL)
BEGINNING_BYTES = 8
