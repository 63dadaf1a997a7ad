"""Errors say what is wrong and what to do, and each branch has its exit code."""

from __future__ import annotations

import inspect
import pickle

import bfrbench
from bfrbench import errors


def every_error() -> list[type[errors.BfrbenchError]]:
    return [
        thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, errors.BfrbenchError)
    ]


def test_the_docstring_draws_every_error_with_its_exit_code() -> None:
    drawn = {line.split("─")[-1].split()[0]: line.split() for line in errors.__doc__.splitlines() if "  " in line}
    for error in every_error():
        assert error.__name__ in drawn, f"{error.__name__} is not drawn"
        assert str(error.exit_code) in drawn[error.__name__], f"{error.__name__} is drawn with another exit code"


def test_every_error_is_public() -> None:
    for error in every_error():
        assert getattr(bfrbench, error.__name__) is error


def test_an_error_is_one_sentence_with_a_remedy() -> None:
    assert str(errors.InputError("a.png is empty", "delete it")) == "a.png is empty; delete it"


def test_a_misspelt_name_is_met_with_the_nearest_known() -> None:
    assert "did you mean gpen-512?" in str(errors.UnknownName("restorer", "gpen512", ["gpen-512", "bicubic"]))


def test_a_name_like_nothing_is_met_with_all_that_is_known() -> None:
    assert str(errors.UnknownName("board", "zzz", ["b", "a"])).endswith("known are a, b")


def test_errors_survive_the_way_back_from_a_worker_process() -> None:
    for error in (errors.InputError("a", "b"), errors.UnknownName("board", "x", ["y"])):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
