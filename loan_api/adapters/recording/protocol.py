"""Messages between deciding processes and the recorder: records in one direction, receipts in the other."""

import re

import msgspec

from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, PolicyActivation, Record


class Records(msgspec.Struct, frozen=True, array_like=True):
    """Records to be stored together; without any, a query for the state of the log."""

    decisions: list[DecisionRecord]
    batches: list[BatchRecord]
    policies: list[PolicyActivation] = []

    @classmethod
    def of(cls, records: list[Record]) -> "Records":
        """Group the records by kind."""
        return cls(
            [record for record in records if isinstance(record, DecisionRecord)],
            [record for record in records if isinstance(record, BatchRecord)],
            [record for record in records if isinstance(record, PolicyActivation)],
        )

    @property
    def is_query(self) -> bool:
        """Return whether there is nothing to store."""
        return not (self.decisions or self.batches or self.policies)

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

# The first bytes of encoded records: three arrays, or two in earlier versions; the first non-empty one contains arrays
# of fields, of which earlier versions had fewer.
_MEMBERS = bytes(
    0x90 | count
    for fields in [msgspec.structs.fields(kind) for kind in (DecisionRecord, BatchRecord, PolicyActivation)]
    for count in range(sum(field.required for field in fields), len(fields) + 1)
)
BEGINNING = re.compile(
    rb"(?=[\x92\x93]\x90{0,2}(?:[\x91-\x9f]|\xdc..|\xdd....)[" + re.escape(_MEMBERS) + rb"])", flags=re.DOTALL
)
BEGINNING_BYTES = 9
