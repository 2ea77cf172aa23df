"""Every case of the rule tests in one CDM, for the tests that compare two ways to read it."""

import fcntl
import os
import pickle

import pytest

from tests.support.every_case import Rows, every_case


@pytest.fixture(scope="session")
def every_case_in_one(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Return every case in one CDM, which the first process that asks for it makes for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file = shared / "every_case.pickle"
    with (shared / "every_case.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_bytes(pickle.dumps(every_case(tmp_path_factory.mktemp("cases"))))
        return pickle.loads(file.read_bytes())
