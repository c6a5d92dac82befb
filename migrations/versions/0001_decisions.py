"""The decision log's first table."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(36), nullable=False, comment="time-ordered UUID, the decision_id of the answer"),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("endpoint", sa.String(16), nullable=False, comment="single or batch"),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("registry_version", sa.String(32), nullable=False),
        sa.Column("semantic_version", sa.String(32), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False, comment="the application as it was scored"),
        sa.Column("probability", sa.Float(), nullable=False, comment="P(approved)"),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("prediction", sa.Integer(), nullable=False, comment="1 approved, 0 rejected"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])


def downgrade() -> None:
    op.drop_index("ix_decisions_decided_at", "decisions")
    op.drop_table("decisions")
