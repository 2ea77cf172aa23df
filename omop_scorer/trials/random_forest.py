"""Random forests of the trees of scikit-learn, which is imported only when a forest is grown."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.arrays import Floats
from omop_scorer.trials.participants import Integers

_Task = TypeVar("_Task")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Growth:
    """Settings by which a forest is grown."""

    n_trees: int
    max_features: int
    """Covariates that each split chooses from."""
    min_samples_leaf: int = 1
    min_samples_split: int = 2


@dataclass(frozen=True, eq=False)
class Forest:
    """B trees, grown from N participants."""

    trees: Sequence[Any]
    drawn: Floats
    """(B, N): how often each tree drew each participant."""


def require_scikit_learn() -> None:
    """Raise a ConfigurationError that says what to install, if scikit-learn is missing."""
    try:
        import sklearn.tree  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "random forests need scikit-learn, which is not installed; install it with: "
            "pip install 'omop-scorer[trials]'"
        ) from error


def grow(values: Floats, outcome: Floats, growth: Growth, seed: int) -> Forest:
    """Grow a forest of n participants with k covariates; the same seed gives the same forest."""
    # The forests of scikit-learn change the filters of warnings, which all threads share; its
    # trees do not. Each tree weights the participants by how often it drew them.
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415

    random = np.random.default_rng(seed)
    n, single = len(values), _as_trees_expect(values)
    drawn = np.empty((growth.n_trees, n))
    trees = []
    for counts in drawn:
        counts[:] = np.bincount(random.integers(n, size=n), minlength=n)
        tree = DecisionTreeRegressor(
            max_features=min(growth.max_features, values.shape[1]),
            min_samples_leaf=growth.min_samples_leaf,
            min_samples_split=growth.min_samples_split,
            random_state=int(random.integers(2**31)),
        )
        tree.fit(single, outcome[:, None], sample_weight=counts, check_input=False)
        trees.append(tree)
    return Forest(tuple(trees), drawn)


def _as_trees_expect(values: Floats) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def predict(forest: Forest, values: Floats) -> Floats:
    """Return the mean of the trees for each of n persons, (n,)."""
    total, single = np.zeros(len(values)), _as_trees_expect(values)
    for tree in forest.trees:
        total += tree.predict(single, check_input=False)
    return total / len(forest.trees)


def predict_by_tree(forest: Forest, values: Floats) -> Floats:
    """Return the prediction of each of B trees for each of n persons, (B, n)."""
    single = _as_trees_expect(values)
    return np.array([tree.predict(single, check_input=False) for tree in forest.trees])


def seed_of(*numbers: int) -> int:
    """Return a seed for scikit-learn that belongs to these numbers, whatever else is drawn."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def in_order(
    work: Callable[[_Task], _Answer],
    tasks: Sequence[_Task],
    threads: int,
    advance: Callable[[int], None],
) -> list[_Answer]:
    """Return the answer to each task, in their order, whatever the number of threads.

    Parameters
    ----------
    work
        Function of one task, which depends on the task alone.
    tasks
        The tasks.
    threads
        Tasks that are worked on at once.
    advance
        Called with 1 when a task is done.
    """

    def one(task: _Task) -> _Answer:
        answer = work(task)
        advance(1)
        return answer

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, tasks))


def dealt(n: int, n_folds: int, seed: int) -> Integers:
    """Return the fold of each of n participants, (n,): a permutation, dealt round."""
    fold = np.empty(n, np.int64)
    fold[np.random.default_rng(seed).permutation(n)] = np.arange(n) % n_folds
    return fold
