"""What is said of two programs that ran in turn: medians, the ratio, and when no ratio is said at all.

A round gives one value of each program. Neighbours are the values of one round: they met the same machine, so the
ratio of two programs is the median of the neighbours' ratios, always written so that above 1 the first is better
(faster, or smaller where less is better).

The rule of refusal: the spread of a ratio is the greatest of the neighbours' ratios minus the least, all rounds
counted, none left out. The ratio is said only if at least ROUNDS_LEAST rounds were run and the spread is at most the
difference, |ratio - 1|. Else it is "not decided". As the median lies between least and greatest, a ratio that is said
never has neighbours on both sides of 1.
"""

import statistics

ROUNDS_LEAST = 5


def summary(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def against(first, second, higher_is_better=True):
    """The ratio of two programs' values, one of each a round; "ratio" is None where it is not decided."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} rounds of the one, {len(second)} of the other")
    ratios = [a / b if higher_is_better else b / a for a, b in zip(first, second)]
    ratio = statistics.median(ratios)
    spread = max(ratios) - min(ratios)
    decided = len(ratios) >= ROUNDS_LEAST and spread <= abs(ratio - 1)
    return {
        "decided": decided,
        "ratio": ratio if decided else None,
        "least": min(ratios),
        "most": max(ratios),
        "ahead": sum(r > 1 for r in ratios),
        "rounds": len(ratios),
    }


def percent_of_limit(values, limits, higher_is_better=True):
    """Median of each round's share of that round's limit; None where there is no limit."""
    if not limits:
        return None
    return 100 * statistics.median(v / m if higher_is_better else m / v for v, m in zip(values, limits))
