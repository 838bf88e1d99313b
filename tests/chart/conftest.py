"""Helm for the tests of the chart."""

import pytest

from tests.support.helm import Helm, find_helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real program."""
    return find_helm(tmp_path_factory.mktemp("helm"))
