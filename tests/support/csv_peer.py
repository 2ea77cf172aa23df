"""The peer of `score_csv`: the csv module, and one row at a time."""

import csv
import io
import math
import re

import numpy as np

from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.contradictions import ends
from omop_scorer.model.subgroups import first_group
from omop_scorer.scoring.patient import read_patient


def score(content, model, batch_rows, delimiter=","):
    """Return the bytes of the output, or the problems without the name of the file.

    The header must be one that is accepted.
    """
    text = content.decode("utf-8-sig", "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = next(reader)
    names = [name.strip().lower() for name in header]
    good, bad = [], []
    for line, record in numbered(reader):
        if isinstance(record, csv.Error):
            bad.append(f"line {line}: not CSV: {record}")
        elif len(record) != len(header):
            bad.append(f"line {line}: {len(record)} fields, but the header has {len(header)}")
        elif re.search("[\udc80-\udcff]", "".join(record)):
            bad.append(f"line {line}: not UTF-8 text")
        else:
            values, recorded, refusals = read_patient(
                (each, record[names.index(each.csv_column)], ends(each.plausible_range))
                for each in model.card.covariates
            )
            outside = [text.split(":")[0] for text in refusals if ": outside " in text]
            if len(refusals) > len(outside):
                bad.append(f"line {line}: {'; '.join(refusals)}")
            good.append((record, values, recorded, " ".join(outside)))
    if bad:
        more = [f"and {len(bad) - 50} more"] if len(bad) > 50 else []
        names = {"\t": "tab", ";": "semicolon", "|": "vertical bar"}
        note = f"; its delimiter is a {names[delimiter]}" if delimiter in names else ""
        return [f"{len(bad)} invalid row(s); nothing was written{note}", *bad[:50], *more]
    output = io.StringIO(newline="")
    writer = csv.writer(output, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*header, *new_names(model)])
    try:
        for start in range(0, len(good), batch_rows):
            writer.writerows(scored(good[start : start + batch_rows], model))
    except ScoringError as error:
        return list(error.problems)
    return output.getvalue().encode()


def numbered(reader):
    """Yield each record, or the error in its place, with the line on which it starts."""
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = error
        if record != []:
            yield line, record


def new_names(model):
    """Return the names of the columns that are added."""
    kinds = ("effect", "standard_error", "response_probability")
    return [
        "placebo_effect",
        *(f"{each.key}_{kind}" for each in model.card.classes for kind in kinds),
        *("subgroup", "first_class", "second_class", "third_class"),
        *("p_first_second", "p_second_third", "p_first_third", "worst_class_ruled_out"),
        *("n_imputed", "within_trial_range", "on_top", "out_of_range"),
    ]


def scored(batch, model):
    """Yield the cells of each row. The csv module writes all digits of a float, None as a blank."""
    inside = [row for row in batch if not row[3]]
    shape = (len(inside), len(model.card.covariates))
    values = np.array([values for _, values, *_ in inside], np.float64).reshape(shape)
    recorded = np.array([recorded for _, _, recorded, _ in inside], np.bool_).reshape(shape)
    scores = kernel.score(values, model.arrays)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    by_class = (scores.attributable_effect, scores.standard_error, scores.response_probability)
    p_values = (scores.p_first_second, scores.p_second_third, scores.p_first_third)
    keys = [*(each.key for each in model.card.classes), None]
    n_scored = 0
    for record, _, is_recorded, outside in batch:
        if outside:
            yield [*record, *[None] * (len(new_names(model)) - 1), outside]
            continue
        i, n_scored = n_scored, n_scored + 1
        label = scores.subgroups()[i]
        yield [
            *record,
            float(scores.placebo_effect[i]),
            *(float(array[i, j]) for j in range(len(model.card.classes)) for array in by_class),
            label,
            *([keys[j] for j in scores.ranking[i]] + [None])[:3],
            *(None if math.isnan(p[i]) else float(p[i]) for p in p_values),
            "true" if scores.worst_class_ruled_out[i] else "false",
            is_recorded.count(False),
            {kernel.WITHIN: "true", kernel.OUTSIDE: "false", kernel.UNKNOWN: None}[within[i]],
            first_group(label),
            None,
        ]
