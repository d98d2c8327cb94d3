"""The best settings of a program for one row, found by short runs before the rounds.

A space is {factor: [value, ..]}; the first values are where the search begins. "steps" tries every other value of one
factor after the other, keeps what is better, and goes round again until a whole pass has changed nothing; "grid" tries
all combinations; "off" takes the first values. No setting is run twice. What the search measured is kept beside the
result, but only the rounds that follow count.
"""

import itertools

PASSES_MOST = 4
HOW = ("steps", "grid", "off")


def first_of(space):
    return {factor: values[0] for factor, values in space.items()}


def search(space, measure, higher_is_better=True, how="steps"):
    """(best setting, [(setting, value), ..]); measure(setting) gives a value, or None where the program cannot."""
    tried = []

    def value_of(setting):
        for known, value in tried:
            if known == setting:
                return value
        tried.append((setting, measure(setting)))
        return tried[-1][1]

    def is_better(a, b):
        return a is not None and (b is None or (a > b if higher_is_better else a < b))

    best = first_of(space)
    if how == "off" or all(len(values) == 1 for values in space.values()):
        return best, tried
    if how == "grid":
        for values in itertools.product(*space.values()):
            setting = dict(zip(space, values))
            if is_better(value_of(setting), value_of(best)):
                best = setting
        return best, tried
    for _ in range(PASSES_MOST):
        before = best
        for factor, values in space.items():
            for value in values:
                other = {**best, factor: value}
                if other != best and is_better(value_of(other), value_of(best)):
                    best = other
        if best == before:
            break
    return best, tried
