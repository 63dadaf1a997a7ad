"""Run the checks on a restorer: as a list of outcomes, or as one parametrised pytest test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bfrbench.errors import UnknownName
from bfrbench.testing.case import Case
from bfrbench.testing.checks import CHECKS, CheckFailedError, NotApplicable

Verdict: TypeAlias = Literal["passed", "failed", "expected failure", "unexpected pass", "not applicable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check said."""

    check: str
    verdict: Verdict
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.verdict not in ("failed", "unexpected pass")


def check_restorer(ref: str, *, checks: Iterable[str] | None = None, **case: Any) -> list[Outcome]:
    """Run the checks (all by default) on a restorer; `case` takes host, device, precision, ids, options."""
    subject = Case(ref, **case)
    expected = subject.spec.known_failures
    for name in (*expected, *(checks or ())):
        if name not in CHECKS:
            raise UnknownName("conformance check", name, CHECKS)
    return [_run(name, subject, expected.get(name)) for name in checks or CHECKS]


def _run(name: str, subject: Case, excuse: str | None) -> Outcome:
    try:
        CHECKS[name](subject)
    except NotApplicable as reason:
        return Outcome(name, "not applicable", str(reason))
    except Exception as error:
        detail = str(error) if isinstance(error, CheckFailedError) else f"{type(error).__name__}: {error}"
        return Outcome(name, "expected failure", f"{excuse} ({detail})") if excuse else Outcome(name, "failed", detail)
    if excuse:
        return Outcome(name, "unexpected pass", f"declared as failing ({excuse}): remove it from known_failures")
    return Outcome(name, "passed")


def conformance_test(ref: str, **case: Any) -> Callable[[str], None]:
    """A pytest test with one case per check; expected failures are reported as such, with their reason."""
    import pytest

    @pytest.mark.parametrize("check", list(CHECKS))
    def test_conformance(check: str) -> None:
        outcome = check_restorer(ref, checks=[check], **case)[0]
        if outcome.verdict == "not applicable":
            pytest.skip(outcome.detail)
        if outcome.verdict == "expected failure":
            pytest.xfail(outcome.detail)
        assert outcome.good, f"{ref} fails {check}: {outcome.detail}"

    return test_conformance
