"""What a report says of its department, and how its counts are protected besides suppression."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictStr

from omop_scorer.documents import Frozen, whole_number_only

Words = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class Report(Frozen):
    """Texts of the site that every report prints, and its language."""

    title: Words | None = None
    department: Words | None = None
    contact: Words | None = None
    language: Literal["en"] = "en"


class Disclosure(Frozen):
    """Rules for what leaves the warehouse, besides `minimum_cell_count`."""

    rounding: Annotated[Literal[0, 5], BeforeValidator(whole_number_only)] = 0
