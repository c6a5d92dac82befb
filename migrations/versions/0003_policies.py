"""Policies and their decisions. Earlier rows are not touched: in them, NULL means the decision of the threshold."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_POLICY = "digest of the policy; NULL: the threshold decided"
_COLUMNS: dict[str, list[tuple[str, Any, str]]] = {
    "decisions": [
        ("decision", sa.String(8), "approve, refer or decline; NULL: that of the prediction"),
        ("rule", sa.String(64), "code of the policy's rule that decided"),
        ("policy", sa.String(64), _POLICY),
    ],
    "batches": [
        ("referred", sa.Integer(), "number of referrals; NULL: none"),
        ("declined", sa.Integer(), "number of declined applications; NULL: all not approved"),
        ("policy", sa.String(64), _POLICY),
    ],
}


def upgrade() -> None:
    # A nullable column without a default changes the catalogue, not the rows.
    for table, columns in _COLUMNS.items():
        for name, kind, comment in columns:
            op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment))
    op.create_table(
        "policies",
        sa.Column("id", sa.String(36), nullable=False, comment="time-ordered UUID of the activation"),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=True, comment="SHA-256 of the text; NULL: from here on no policy"),
        sa.Column("version", sa.String(64), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_policies"),
    )


def downgrade() -> None:
    op.drop_table("policies")
    for table, columns in _COLUMNS.items():
        for name, _, _ in columns:
            op.drop_column(table, name)
