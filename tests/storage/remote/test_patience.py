"""How long a busy server is waited for."""

import email.utils
import time

import pytest

from storage.remote.patience import Interrupted, Patience, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-5", None), ("1.5", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None):
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_as_a_date_and_one_that_is_over():
    later = retry_after({"retry-after": email.utils.formatdate(time.time() + 100, usegmt=True)})
    assert later is not None
    assert 90 < later <= 100
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_waits_double_up_to_the_longest_and_end():
    slept: list[float] = []
    patience = Patience(tries=5, first=1.0, longest=3.0, sleep=slept.append)
    assert [patience.wait(tried, Interrupted("cut")) for tried in range(1, 6)] == [True, True, True, True, False]
    assert slept == [1.0, 2.0, 3.0, 3.0]
