"""Bootstraps of the models of all drug classes, each with a stream of random numbers of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from omop_scorer.trials.bootstrap import REFITS, SEED, BootstrapTrials, Moments, bootstrap
from omop_scorer.trials.srs import Models

#: First number of a stream. The models of all participants use (place of the class,) alone.
OF_VARIANTS, OF_ALL_PATIENTS, OF_PLACEBO_ONCE = 1001, 1002, 1003


@dataclass(frozen=True)
class Refitting:
    """Settings of the bootstrap of models."""

    refits: int = REFITS
    seed: int = SEED
    threads: int = 1
    trials: BootstrapTrials = "held"
    advance: Callable[[int], None] = lambda _: None
    """Called with a number of refits when they are done, from any thread."""

    def moments(self, models: Models, stream: tuple[int, ...] = ()) -> dict[str, Moments]:
        """Return the moments of each class; `stream` is one that no other models use."""
        return {
            key: bootstrap(
                fit,
                refits=self.refits,
                seed=self.seed,
                stream=(*stream, place),
                threads=self.threads,
                trials=self.trials,
                advance=self.advance,
            )
            for place, (key, fit) in enumerate(models.classes.items())
        }
