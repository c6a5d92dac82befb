"""The review queue: referrals, and the steps of reviewers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_OF = "of a single decision, or of a batch"


def upgrade() -> None:
    undecided = sa.text("undecided > 0")
    op.create_table(
        "referrals",
        sa.Column("id", sa.String(36), nullable=False, comment="of a referred decision, or of a batch with referrals"),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column(
            "undecided", sa.Integer(), nullable=False, comment="number of referrals that no reviewer has settled"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referrals"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_referrals_id", "referrals", ["id"], sqlite_where=undecided, postgresql_where=undecided)
    op.create_table(
        "reviews",
        sa.Column("decision_id", sa.String(36), nullable=False, comment=_OF),
        sa.Column(
            "row_id",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="position in the batch; 0 for a single",
        ),
        sa.Column("endpoint", sa.String(16), nullable=False, comment="single or batch"),
        sa.Column("decided_at", _TIME, nullable=False, comment="time of the referral"),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("rule", sa.String(64), nullable=True),
        sa.Column("policy", sa.String(64), nullable=True),
        sa.Column("semantic_version", sa.String(32), nullable=False),
        sa.Column("is_decided", sa.SmallInteger(), nullable=False, comment="state after the last step in review_steps"),
        sa.Column("claimed_until", _TIME, nullable=True, comment="end of the last claim, unless a decision followed"),
        sa.PrimaryKeyConstraint("decision_id", "row_id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_is_decided_decision_id_row_id", "reviews", ["is_decided", "decision_id", "row_id"])
    op.create_index("ix_reviews_claimed_until", "reviews", ["claimed_until"])
    op.create_table(
        "review_steps",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
            comment="in order of time; steps are never changed",
        ),
        sa.Column("decision_id", sa.String(36), nullable=False, comment=_OF),
        sa.Column("row_id", sa.Integer(), nullable=False, comment="position in the batch; 0 for a single decision"),
        sa.Column("kind", sa.String(8), nullable=False, comment="claim or decide"),
        sa.Column("reviewer", sa.String(64), nullable=False, comment="name of the API key"),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True, comment="end of the claim"),
        sa.Column("decision", sa.String(8), nullable=True, comment="approve or decline"),
        sa.Column("reason", sa.String(64), nullable=True, comment="the reviewer's reason code"),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("is_override", sa.SmallInteger(), nullable=True, comment="1: replaces what was decided before"),
        sa.PrimaryKeyConstraint("id", name="pk_review_steps"),
    )
    op.create_index("ix_review_steps_decision_id_row_id_id", "review_steps", ["decision_id", "row_id", "id"])
    # Without a policy there are no referrals, and a large table need not be read.
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM policies")):
        insert = "INSERT INTO referrals (id, decided_at, undecided) SELECT id, decided_at,"
        op.execute(f"{insert} 1 FROM decisions WHERE decision = 'refer'")
        op.execute(f"{insert} referred FROM batches WHERE referred > 0")


def downgrade() -> None:
    for table in ("review_steps", "reviews", "referrals"):
        op.drop_table(table)
