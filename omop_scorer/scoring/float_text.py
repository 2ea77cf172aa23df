"""Text of floats as the csv module writes it, with the digits of `repr`, but much faster."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omop_scorer.model.arrays import Floats

# pyarrow and Python find the same shortest digits, but write other exponents and whole numbers
# differently. In between, both write plain decimals.
_SMALLEST, _LARGEST = 1e-4, 1e10


def float_text(values: Floats) -> pa.Array:
    """Return the `repr` of n floats as an array of strings, and null for NaN."""
    magnitude = np.abs(values)
    is_same = (magnitude >= _SMALLEST) & (magnitude < _LARGEST) & (values != np.rint(values))
    text = pa.array(values, from_pandas=True).cast(pa.string())
    is_other = ~is_same & ~np.isnan(values)
    if not is_other.any():
        return text
    others = [repr(value) for value in values[is_other].tolist()]
    return pc.replace_with_mask(text, pa.array(is_other), pa.array(others, pa.string()))
