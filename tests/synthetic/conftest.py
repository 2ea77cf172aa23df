"""Made-up CDMs are written many times over, and Python's YAML parser is most of a small one."""

from collections.abc import Iterator

import pytest
import yaml


@pytest.fixture(scope="package", autouse=True)
def fast_yaml() -> Iterator[None]:
    """Read the shipped YAML files with libyaml where PyYAML has it: the documents are the same."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        yield
