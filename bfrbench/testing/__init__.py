"""The conformance kit: what every restorer must do, as named checks for plugin authors.

In a plugin's tests, one line runs them all:

    from bfrbench.testing import conformance_test
    test_my_restorer = conformance_test("my-restorer")
"""

from bfrbench.testing.checks import CHECKS, CheckFailedError, NotApplicable
from bfrbench.testing.conformance import Outcome, check_restorer, conformance_test

__all__ = ["CHECKS", "CheckFailedError", "NotApplicable", "Outcome", "check_restorer", "conformance_test"]
