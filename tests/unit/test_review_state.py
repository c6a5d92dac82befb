"""The life of a review, step by step."""

from datetime import timedelta

import pytest

from loan_api.errors import ReviewConflictError
from loan_api.services.review_state import (
    LEASE,
    LONGEST_NOTE,
    Opinion,
    Review,
    ReviewDecision,
    ReviewStep,
    is_note,
    is_reason,
)
from tests.support.fakes import NOW

YES, NO = Opinion("approve", "income_verified", "seen"), Opinion("decline", "too_risky")
MINUTE = timedelta(minutes=1)


def after(review: Review, step: ReviewStep | None) -> Review:
    assert step is not None
    return Review(review.reviewers, (*review.steps, step))


def claimed(review: Review, by: str, minutes: int = 0) -> Review:
    return after(review, review.claimed(by, NOW + minutes * MINUTE))


def decided(review: Review, by: str, opinion: Opinion, minutes: int = 0) -> Review:
    at = NOW + minutes * MINUTE
    return after(review, claimed(review, by, minutes).decided(by, opinion, at))


def override(decision: ReviewDecision) -> Opinion:
    return Opinion(decision, "corrected", override=True)


def test_a_referral_is_open_until_someone_claims_it() -> None:
    state = Review().state(NOW)
    assert (state.status, state.decision, state.needs, state.claimed_by) == ("open", None, "decision", None)
    state = claimed(Review(), "ann").state(NOW)
    assert (state.status, state.needs, state.claimed_by, state.expires_at) == (
        "claimed",
        "decision",
        "ann",
        NOW + LEASE,
    )


def test_a_claim_keeps_others_away_until_it_expires() -> None:
    review = claimed(Review(), "ann")
    last = NOW + LEASE - MINUTE
    with pytest.raises(ReviewConflictError, match="claimed by ann"):
        review.claimed("bob", last)
    with pytest.raises(ReviewConflictError, match="claimed by ann"):
        review.decided("bob", YES, last)
    assert review.state(NOW + LEASE).status == "open"
    assert review.claimed("bob", NOW + LEASE).expires_at == NOW + 2 * LEASE


def test_a_claim_is_extended_by_its_holder() -> None:
    review = claimed(claimed(Review(), "ann"), "ann", 10)
    assert review.state(NOW + LEASE).status == "claimed"
    assert review.state(NOW + LEASE + 10 * MINUTE).status == "open"
    assert len(review.steps) == 2


def test_deciding_requires_a_claim_in_force() -> None:
    with pytest.raises(ReviewConflictError, match="not claimed, or its claim has expired"):
        Review().decided("ann", YES, NOW)
    with pytest.raises(ReviewConflictError, match="not claimed, or its claim has expired"):
        claimed(Review(), "ann").decided("ann", YES, NOW + LEASE)
    state = decided(Review(), "ann", YES).state(NOW)
    assert (state.status, state.decision, state.needs, state.claimed_by) == ("decided", "approve", None, None)


def test_a_decided_referral_can_only_be_overridden() -> None:
    review = decided(Review(), "ann", YES)
    with pytest.raises(ReviewConflictError, match="already been decided"):
        review.claimed("bob", NOW)
    for by, opinion in (("bob", YES), ("ann", NO)):
        with pytest.raises(ReviewConflictError, match="already been decided"):
            review.decided(by, opinion, NOW)
    review = after(review, review.decided("bob", override("decline"), NOW))
    assert review.state(NOW).decision == "decline"
    assert [step.opinion for step in review.decisions] == [YES, override("decline")]
    review = after(review, review.decided("ann", override("approve"), NOW))
    assert review.state(NOW).decision == "approve"


def test_there_is_nothing_to_override_before_a_decision() -> None:
    with pytest.raises(ReviewConflictError, match="nothing to override"):
        claimed(Review(), "ann").decided("ann", override("approve"), NOW)
    first = decided(Review(2), "ann", YES)
    with pytest.raises(ReviewConflictError, match="nothing to override"):
        claimed(first, "bob").decided("bob", override("decline"), NOW)


def test_a_repeated_decision_changes_nothing() -> None:
    review = decided(Review(), "ann", YES)
    assert review.decided("ann", YES, NOW) is None
    review = after(review, review.decided("bob", override("decline"), NOW))
    assert review.decided("ann", YES, NOW) is None
    assert review.decided("bob", override("decline"), NOW) is None
    review = after(review, review.decided("ann", override("approve"), NOW))
    # This one does not repeat the last decision: it reverses it.
    assert review.decided("bob", override("decline"), NOW) is not None


def test_two_reviewers_must_agree() -> None:
    first = decided(Review(2), "ann", YES)
    state = first.state(NOW)
    assert (state.status, state.decision, state.needs) == ("open", None, "second_decision")
    with pytest.raises(ReviewConflictError, match="another key must decide next"):
        first.claimed("ann", NOW)
    assert first.decided("ann", YES, NOW) is None
    state = decided(first, "bob", Opinion("approve", "guarantor")).state(NOW)
    assert (state.status, state.decision, state.needs) == ("decided", "approve", None)


def test_two_who_disagree_are_overridden_by_a_third() -> None:
    review = decided(decided(Review(2), "ann", YES), "bob", NO)
    state = review.state(NOW)
    assert (state.status, state.decision, state.needs) == ("open", None, "override")
    for by in ("ann", "bob"):
        with pytest.raises(ReviewConflictError, match="another key must decide next"):
            review.claimed(by, NOW)
    by_cid = claimed(review, "cid")
    with pytest.raises(ReviewConflictError, match="Only an override can decide"):
        by_cid.decided("cid", NO, NOW)
    settled = after(by_cid, by_cid.decided("cid", override("decline"), NOW))
    assert settled.state(NOW).decision == "decline"
    assert len(settled.decisions) == 3


def test_only_a_third_key_overrides_what_two_have_decided() -> None:
    review = decided(decided(Review(2), "ann", YES), "bob", YES)
    for by in ("ann", "bob"):
        with pytest.raises(ReviewConflictError, match="another key must override it"):
            review.decided(by, override("decline"), NOW)
    assert after(review, review.decided("cid", override("decline"), NOW)).state(NOW).decision == "decline"


def test_steps_are_in_order_of_time_though_clocks_differ() -> None:
    review = claimed(Review(), "ann", 5)
    step = review.decided("ann", YES, NOW)
    assert step is not None
    assert step.at == NOW + 5 * MINUTE


@pytest.mark.parametrize("reason", ["a", "Income_verified_2", "x" * 64])
def test_a_reason_is_a_code(reason: str) -> None:
    assert is_reason(reason)


@pytest.mark.parametrize("reason", ["", "two words", "größe", "a-b", "x" * 65, "a\n", "٣"])
def test_no_other_text_is_a_reason(reason: str) -> None:
    assert not is_reason(reason)


def test_a_note_is_a_text_that_every_database_can_store() -> None:
    assert is_note("")
    assert is_note("ä\n" * (LONGEST_NOTE // 2))
    for text in ("x" * (LONGEST_NOTE + 1), "\0", "\ud800"):
        assert not is_note(text)
