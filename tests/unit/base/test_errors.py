"""The table of exit codes, and errors as data."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import saltern
from saltern.base.errors import ExitCode, ModelError, Place, Problem, SalternError


def kinds(base: type[SalternError] = SalternError) -> set[type[SalternError]]:
    direct = set(base.__subclasses__())
    return direct.union(*(kinds(kind) for kind in direct))


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported() -> None:
    for module in pkgutil.walk_packages(saltern.__path__, "saltern."):
        runs_in_salt = module.name.startswith(("saltern.worker", "saltern.salt."))
        if not runs_in_salt and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_exit_codes_differ() -> None:
    assert len(ExitCode.__members__) == len(list(ExitCode)), "an alias: two names for one number"
    assert all(0 <= code < 128 or code == 130 for code in ExitCode)


def test_every_kind_of_error_has_a_code_that_explains_it() -> None:
    unexplained = (ExitCode.OK, ExitCode.BUG, ExitCode.DIFFERENT, ExitCode.INTERRUPTED)
    assert {kind.__name__ for kind in kinds() if kind.code in unexplained} == set()


def test_direct_kinds_share_no_code() -> None:
    codes = [kind.code for kind in SalternError.__subclasses__() if kind.__module__ == SalternError.__module__]
    assert len(codes) == len(set(codes))
    no_errors = (ExitCode.OK, ExitCode.BUG, ExitCode.DIFFERENT, ExitCode.INTERRUPTED)
    assert {*codes, *no_errors} == set(ExitCode)


def test_an_error_takes_one_problem_or_many() -> None:
    one, two = Problem("first"), Problem("second")
    assert ModelError(one).problems == (one,)
    assert ModelError(iter([one, two])).problems == (one, two)
    assert str(ModelError([one, two])) == "first; second"


@pytest.mark.parametrize(
    ("place", "text"),
    [(Place("a.yml"), "a.yml"), (Place("a.yml", 3), "a.yml:3"), (Place("a.yml", 3, 7), "a.yml:3:7")],
)
def test_a_place_shows_what_is_known(place: Place, text: str) -> None:
    assert str(place) == text


def test_a_problem_as_json_has_everything() -> None:
    problem = Problem("what", (Place("f", 1, 2),), "why", "do", "n", ("a", "b"))
    assert problem.as_json() == {
        "brief": "what",
        "places": [{"file": "f", "line": 1, "column": 2}],
        "details": "why",
        "resolution": "do",
        "node": "n",
        "chain": ["a", "b"],
        "kind": "",
    }
