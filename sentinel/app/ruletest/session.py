"""Runs all tests of some files and folders."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from sentinel.app.ruletest.coverage import Coverage, coverage
from sentinel.app.ruletest.run import Result, run_case
from sentinel.domain.policy.policy import Policy
from sentinel.policies.load import PolicySet, load
from sentinel.policies.mistakes import PolicyError
from sentinel.policies.ruletest.load import load_tests
from sentinel.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """The errors in test and rule files, or every test's result and their coverage.

    Its parts are long, and `asyncio.run` calls `repr` on what it returns (`findings/`).
    """

    errors: tuple[PolicyError, ...]
    results: tuple[Result, ...] = field(default=(), repr=False)
    coverage: tuple[Coverage, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Whether every file could be read and every test came out as expected."""
        return not self.errors and all(result.passed for result in self.results)


async def run_tests(paths: Iterable[Path], *, named: str = "") -> Session:
    """Run the tests of these files and folders whose name contains `named`."""
    files, errors = load_tests(paths)
    loaded: dict[tuple[str, ...], tuple[Policy, ...]] = {}
    for file in files:
        if file.rules in loaded:
            continue
        policies = load(file.rules)
        loaded[file.rules] = policies.policies if isinstance(policies, PolicySet) else ()
        errors.extend(() if isinstance(policies, PolicySet) else policies)
    if errors:
        return Session(tuple(sorted(set(errors))))
    # A thread that only computes is slower than computing: there is no server here that could be waited for.
    asyncio.get_running_loop().set_default_executor(_AtOnce())
    results = [
        await run_case(file.file, case, loaded[file.rules])
        for file in files
        for case in file.cases
        if named in case.name
    ]
    every = {policy.digest: policy for policies in loaded.values() for policy in policies}
    return Session((), tuple(results), coverage(results, every.values()))


class _AtOnce(ThreadPoolExecutor):
    """Runs what it is given at once, in the thread that asks."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """The result, available immediately."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
