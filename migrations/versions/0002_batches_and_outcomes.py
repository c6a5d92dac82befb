"""Batches and outcomes; decisions in the order of their keys."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_PREDICTION = "1 approved, 0 rejected"
_ENDPOINT = "single; those of batches are in batches"
_ENDPOINT_BEFORE = "single or batch"
_THRESHOLD = "approved from this probability on"


def _comment(table: Any, column: str, kind: sa.types.TypeEngine[Any], before: str | None, after: str | None) -> None:
    table.alter_column(column, existing_type=kind, existing_nullable=False, existing_comment=before, comment=after)


def upgrade() -> None:
    op.drop_index("ix_decisions_decided_at", "decisions")
    with op.batch_alter_table("decisions", recreate="always", table_kwargs={"sqlite_with_rowid": False}) as table:
        table.alter_column(
            "prediction",
            type_=sa.SmallInteger(),
            existing_type=sa.Integer(),
            existing_nullable=False,
            existing_comment=_PREDICTION,
        )
        _comment(table, "endpoint", sa.String(16), _ENDPOINT_BEFORE, _ENDPOINT)
        _comment(table, "threshold", sa.Float(), None, _THRESHOLD)
    op.create_table(
        "batches",
        sa.Column("id", sa.String(36), nullable=False, comment="time-ordered UUID, the batch_id of the answer"),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("registry_version", sa.String(32), nullable=False),
        sa.Column("semantic_version", sa.String(32), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False, comment=_THRESHOLD),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="columns, as loan_api.formats.batch_content packs them"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_table(
        "outcomes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="of several outcomes of a decision, the highest is in force",
        ),
        sa.Column("decision_id", sa.String(36), nullable=False, comment="of a single decision, or of a batch"),
        sa.Column("row_id", sa.Integer(), nullable=False, comment="position in the batch; 0 for a single decision"),
        sa.Column("outcome", sa.SmallInteger(), nullable=False, comment="what really happened: 1 good, 0 bad"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_by", sa.String(64), nullable=True, comment="name of the API key, or of the file"),
        sa.PrimaryKeyConstraint("id", name="pk_outcomes"),
    )
    op.create_index("ix_outcomes_decision_id_row_id_id", "outcomes", ["decision_id", "row_id", "id"])


def downgrade() -> None:
    op.drop_table("outcomes")
    op.drop_table("batches")
    with op.batch_alter_table("decisions", recreate="always") as table:
        table.alter_column(
            "prediction",
            type_=sa.Integer(),
            existing_type=sa.SmallInteger(),
            existing_nullable=False,
            existing_comment=_PREDICTION,
        )
        _comment(table, "endpoint", sa.String(16), _ENDPOINT, _ENDPOINT_BEFORE)
        _comment(table, "threshold", sa.Float(), _THRESHOLD, None)
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])
