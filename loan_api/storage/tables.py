"""The tables of the decision log."""

from sqlalchemy import JSON, Column, DateTime, Float, Index, Integer, MetaData, String, Table

# Named constraints, so that migrations can change them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", String(36), primary_key=True, comment="time-ordered UUID, the decision_id of the answer"),
    Column("request_id", String(128), nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("endpoint", String(16), nullable=False, comment="single or batch"),
    Column("model_name", String(255), nullable=False),
    Column("registry_version", String(32), nullable=False),
    Column("semantic_version", String(32), nullable=False),
    Column("features", JSON, nullable=False, comment="the application as it was scored"),
    Column("probability", Float, nullable=False, comment="P(approved)"),
    Column("threshold", Float, nullable=False),
    Column("prediction", Integer, nullable=False, comment="1 approved, 0 rejected"),
    Index("ix_decisions_decided_at", "decided_at"),
)
