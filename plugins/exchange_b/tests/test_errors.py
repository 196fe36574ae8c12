"""What a refusal becomes."""

from __future__ import annotations

import pytest

from venuekit_exchange_b.description import (
    limit_report,
)
from venuekit_exchange_b.dialect.refusals import in_front
from venuekit_exchange_b.errors import BY_LABEL, error_of, failed, raise_for_error
from venuekit_exchange_b.payloads import Failure
from venuekit_spec import (
    HttpResponse,
    LimitReport,
    Outcome,
    RateLimited,
    RefusalKind,
    Refused,
    Rejected,
    Unknown,
    VenueUnavailable,
)


@pytest.mark.parametrize("label", sorted(BY_LABEL))
def test_labels_become_errors(label: str) -> None:
    """Each label is the error that the table says, carries the label, and only what may have happened is unknown."""
    error = error_of(Failure(label, "because"))
    assert type(error) is BY_LABEL[label]
    assert error.code == label
    unknown = label in {"duplicateClient", "overloaded"}
    assert isinstance(failed(error), Unknown if unknown else Rejected)


def test_a_label_nobody_knows() -> None:
    """It is a refusal all the same."""
    assert type(error_of(Failure("mercury"))) is Refused


@pytest.mark.parametrize("kind", RefusalKind)
def test_what_the_proxy_says(kind: RefusalKind) -> None:
    """The proxy's refusals are read by their status: they speak no JSON."""
    response = in_front(kind, 2.5)
    expected = VenueUnavailable if kind is RefusalKind.OVERLOADED else RateLimited
    with pytest.raises(expected) as caught:
        raise_for_error(response, "x")
    banned = kind is RefusalKind.BANNED
    assert caught.value.outcome is (Outcome.REJECTED if banned else Outcome.UNKNOWN)
    report = limit_report(response)
    limited = kind is not RefusalKind.OVERLOADED
    assert report == LimitReport(penalty=3.0 if limited else None, banned=banned)
    assert limit_report(HttpResponse(200, b"")) == LimitReport()
