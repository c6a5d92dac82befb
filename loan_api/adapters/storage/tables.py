"""The tables of the decision log.

Ids are UUIDs that begin with the time, so primary keys sort chronologically.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

# Constraints have names, so that migrations can change them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time in UTC: SQLite has no time zones, and PostgreSQL answers in the session's."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert a value for the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert a value from the database."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _decider_columns() -> tuple[Column[Any], ...]:
    return (
        Column("model_name", String(255), nullable=False),
        Column("registry_version", String(32), nullable=False),
        Column("semantic_version", String(32), nullable=False),
        Column("threshold", Float, nullable=False, comment="approved from this probability on"),
    )


decisions = Table(
    "decisions",
    metadata,
    Column("id", String(36), primary_key=True, comment="time-ordered UUID, the decision_id of the answer"),
    Column("request_id", String(128), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("endpoint", String(16), nullable=False, comment="single; those of batches are in batches"),
    *_decider_columns(),
    Column("features", JSON, nullable=False, comment="the application as it was scored"),
    Column("probability", Float, nullable=False, comment="P(approved)"),
    Column("prediction", SmallInteger, nullable=False, comment="1 approved, 0 rejected"),
    Column("decision", String(8), nullable=True, comment="approve, refer or decline; NULL: that of the prediction"),
    Column("rule", String(64), nullable=True, comment="code of the policy's rule that decided"),
    Column("policy", String(64), nullable=True, comment="digest of the policy; NULL: the threshold decided"),
    # Rows are stored in the order of the key, which is the order in which they arrive.
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(36), primary_key=True, comment="time-ordered UUID, the batch_id of the answer"),
    Column("request_id", String(128), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    *_decider_columns(),
    Column("rows", Integer, nullable=False),
    Column("approved", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="columns, as loan_api.formats.batch_content packs them"),
    Column("referred", Integer, nullable=True, comment="number of referrals; NULL: none"),
    Column("declined", Integer, nullable=True, comment="number of declined applications; NULL: all not approved"),
    Column("policy", String(64), nullable=True, comment="digest of the policy; NULL: the threshold decided"),
)

# As a literal, because planners must see that a query asks for nothing else.
IS_UNDECIDED = text("undecided > 0")

referrals = Table(
    "referrals",
    metadata,
    Column("id", String(36), primary_key=True, comment="of a referred decision, or of a batch with referrals"),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("undecided", Integer, nullable=False, comment="number of referrals that no reviewer has settled"),
    # Its size is that of the queue.
    Index(None, "id", sqlite_where=IS_UNDECIDED, postgresql_where=IS_UNDECIDED),
    sqlite_with_rowid=False,
)

reviews = Table(
    "reviews",
    metadata,
    Column("decision_id", String(36), primary_key=True, comment="of a single decision, or of a batch"),
    Column("row_id", Integer, primary_key=True, autoincrement=False, comment="position in the batch; 0 for a single"),
    Column("endpoint", String(16), nullable=False, comment="single or batch"),
    Column("decided_at", UtcDateTime, nullable=False, comment="time of the referral"),
    Column("probability", Float, nullable=False),
    Column("rule", String(64), nullable=True),
    Column("policy", String(64), nullable=True),
    Column("semantic_version", String(32), nullable=False),
    Column("is_decided", SmallInteger, nullable=False, comment="state after the last step in review_steps"),
    Column("claimed_until", UtcDateTime, nullable=True, comment="end of the last claim, unless a decision followed"),
    Index(None, "is_decided", "decision_id", "row_id"),
    Index(None, "claimed_until"),
)

review_steps = Table(
    "review_steps",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="in order of time; steps are never changed",
    ),
    Column("decision_id", String(36), nullable=False, comment="of a single decision, or of a batch"),
    Column("row_id", Integer, nullable=False, comment="position in the batch; 0 for a single decision"),
    Column("kind", String(8), nullable=False, comment="claim or decide"),
    Column("reviewer", String(64), nullable=False, comment="name of the API key"),
    Column("at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True, comment="end of the claim"),
    Column("decision", String(8), nullable=True, comment="approve or decline"),
    Column("reason", String(64), nullable=True, comment="the reviewer's reason code"),
    Column("note", Text, nullable=True),
    Column("is_override", SmallInteger, nullable=True, comment="1: replaces what was decided before"),
    Index(None, "decision_id", "row_id", "id"),
)

policies = Table(
    "policies",
    metadata,
    Column("id", String(36), primary_key=True, comment="time-ordered UUID of the activation"),
    Column("activated_at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=True, comment="SHA-256 of the text; NULL: from here on no policy"),
    Column("version", String(64), nullable=True),
    Column("text", Text, nullable=True),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        comment="of several outcomes of a decision, the highest is in force",
    ),
    Column("decision_id", String(36), nullable=False, comment="of a single decision, or of a batch"),
    Column("row_id", Integer, nullable=False, comment="position in the batch; 0 for a single decision"),
    Column("outcome", SmallInteger, nullable=False, comment="what really happened: 1 good, 0 bad"),
    Column("told_at", UtcDateTime, nullable=False),
    Column("told_by", String(64), nullable=True, comment="name of the API key, or of the file"),
    Index(None, "decision_id", "row_id", "id"),
)
