"""One row's run: the search of each peer's best settings, then rounds in which all take part in turn, A B A B.

Each round begins with a short probe of the machine, so that a limit is of the same minute as what is held against it.
What comes out is plain data (the JSON file); report.py makes tables and plots of it and nothing else.
"""

import datetime

import best_of
from programs import Failed


def search(contender, measure, how, say, rest):
    def value_of(setting):
        rest()
        try:
            value = contender.run(setting)[measure.key]
        except Failed as e:
            say(f"  {contender.name} {setting}: {e}")
            return None
        say(f"  {contender.name} {setting}: {value:.2f} {measure.unit}")
        return value

    best, tried = best_of.search(contender.space, value_of, measure.higher_is_better, how)
    return {"setting": best, "tried": [{"setting": s, "value": v} for s, v in tried]}


def different_answers(row, played):
    """A sentence if contenders whose answers must be the same text wrote others."""
    answers = {run["answer"] for name in row.same_answer for run in played[name]}
    return f"{' and '.join(row.same_answer)} wrote different texts" if len(answers) > 1 else None


def limits_of(measure, cost, rates):
    return [measure.limit(cost, r) for r in rates] if measure.limit else []


def run_row(row, contenders, cost, probe_now, rounds, how, say, rest=lambda: None):
    """probe_now(isa) -> {"read", "int8"}. Failed goes through where a contender fails in a round. rest() is called
    before each run: a rented machine takes time away from whoever computed long."""
    found = {c.name: search(c, row.measures[0], how, say, rest) for c in contenders}
    played, rates = {c.name: [] for c in contenders}, []
    for i in range(rounds):
        rest()
        rates.append(probe_now(row.isa))
        for c in contenders:
            rest()
            played[c.name].append(c.run(found[c.name]["setting"]))
            say(f"  round {i + 1} of {rounds}, {c.name}: {played[c.name][-1]}")
    return {
        "key": row.key,
        "title": row.title,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "rounds": rounds,
        "search": how,
        "probe": rates,
        "fault": different_answers(row, played),
        "contenders": [{"name": c.name, **found[c.name], "runs": played[c.name]} for c in contenders],
        "measures": [
            {"key": m.key, "title": m.title, "unit": m.unit, "higher_is_better": m.higher_is_better,
             "limits": limits_of(m, cost, rates)}
            for m in row.measures
        ],
    }
