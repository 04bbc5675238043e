"""How often somebody may knock, with the time told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.rates import OTHERS, Bucket, Buckets, Rate, Sieve, Unwritten

RATE = Rate(per_second=10, burst=5)


def test_bucket_gives_its_burst_at_once_and_then_says_how_long_to_wait() -> None:
    bucket = Bucket(RATE, 100.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.05) == pytest.approx(0.05)
    assert bucket.take(100.1) == 0.0


def test_bucket_that_rests_fills_up_to_its_burst_and_no_further() -> None:
    bucket = Bucket(RATE, 0.0)
    for _ in range(5):
        bucket.take(0.0)
    assert [bool(bucket.take(1000.0)) for _ in range(6)] == [False] * 5 + [True]


def test_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(Rate(1, 1), 50.0)
    assert bucket.take(50.0) == 0.0
    assert bucket.take(10.0) > 0
    assert bucket.take(51.0) == 0.0


@given(st.lists(st.floats(min_value=0, max_value=0.5), min_size=1, max_size=200))
def test_bucket_never_gives_more_than_its_rate(pauses: list[float]) -> None:
    bucket, at, given_out = Bucket(RATE, 0.0), 0.0, 0
    for pause in pauses:
        at += pause
        given_out += bucket.take(at) == 0.0
    assert given_out <= RATE.burst + at * RATE.per_second + 1e-6


def test_what_is_known_of_afterwards_leaves_a_debt_that_has_an_end() -> None:
    buckets = Buckets(Rate(per_second=10, burst=5))
    for _ in range(8):
        buckets.charge("a", 0.0)
    assert buckets.wait("a", 0.0) == pytest.approx(0.4)
    for _ in range(1000):
        buckets.charge("a", 0.0)
    assert buckets.wait("a", 0.0) == pytest.approx(0.6)
    assert buckets.wait("a", 0.61) == 0.0


def test_peers_do_not_use_up_one_anothers_rate() -> None:
    buckets = Buckets(Rate(1, 1))
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("a", 0.0) == 1.0
    assert buckets.wait("a", 0.0) == 1.0
    assert buckets.wait("b", 0.0) == 0.0
    assert buckets.take("b", 0.0) == 0.0


def test_table_of_peers_has_a_bound_and_forgets_whom_it_has_not_heard_for_longest() -> None:
    buckets = Buckets(Rate(1, 1), peers_max=3)
    for peer in ("a", "b", "c", "a", "d"):
        buckets.take(peer, 0.0)
    assert len(buckets) == 3
    assert buckets.wait("a", 0.0) > 0
    assert buckets.wait("b", 0.0) == 0.0


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_rate_that_lets_nobody_in_is_refused(per_second: float, burst: float) -> None:
    with pytest.raises(ValueError):
        Rate(per_second, burst)


def test_flood_of_one_peer_is_written_down_to_a_rate_and_counted_beyond() -> None:
    sieve = Sieve(Rate(10, 10), Rate(100, 100), at=0.0)
    written = sum(sieve.passes("main", "a", "bad_signature", 400, 0.0) for _ in range(1000))
    assert written == 10
    assert sieve.drained() == [Unwritten("main", "a", "bad_signature", 400, 990)]
    assert sieve.drained() == []


def test_other_reason_and_other_peer_are_still_written() -> None:
    sieve = Sieve(Rate(1, 1), Rate(100, 100), at=0.0)
    assert sieve.passes("main", "a", "bad_signature", 400, 0.0)
    assert not sieve.passes("main", "a", "bad_signature", 400, 0.0)
    assert sieve.passes("main", "a", "missing_header", 400, 0.0)
    assert sieve.passes("main", "b", "bad_signature", 400, 0.0)


def test_flood_of_many_peers_is_bounded_in_records_and_in_kinds() -> None:
    sieve = Sieve(Rate(1, 1), Rate(20, 20), at=0.0, peers_max=50)
    written = sum(sieve.passes("main", str(n), "bad_signature", 400, 0.0) for n in range(1000))
    assert written == 20
    told = sieve.drained()
    assert len(told) == 51
    assert sum(each.count for each in told) == 980
    assert told[-1] == Unwritten("main", OTHERS, "bad_signature", 400, 930)
