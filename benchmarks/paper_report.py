"""The file of fits that paper.py writes, and the tables and pictures that are made of it."""

import csv
import statistics

import numpy as np

BY_RANK = ("VSE-ens", "naive")
COLORS = {"VSE-ens": "tab:blue", "WARP": "tab:orange", "Opt-AUC": "tab:green", "naive": "dimgrey"}
LAMBDAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# where step and penalty are chosen, in the middle of the sweep
FIRST_LAMBDA = 0.03
METRICS = ("precision@5", "precision@10", "recall@5", "recall@10", "map", "auc", "auc@10")
CONVERGED = 0.99
# how a fit can end without anything to measure
FAILED = ("divergence", "no epoch")
# how many times faster VSE-ens converges than the state of the art, by the abstract of the paper
# (arXiv 1801.01632), whose other figures are of data that is not used here
PUBLISHED = {"openimages": 5.02, "nuswide81": 2.06}
SETTING = ("learning_rate", "regularization", "rank_scale")
KEY = ("data", "protocol", "part", "method", "seed", *SETTING)
CURVES = ("validation_by_epoch", "seconds_by_epoch", "trials_by_epoch")
FIELDS = (
    *KEY, "epochs", "best_epoch", "ended", "validation", "converged_epoch", "converged_seconds",
    "seconds", *METRICS, *CURVES,
)  # fmt: skip


class Figures:
    """The rows of paper.csv, to which fits are added as they are made."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with open(path, newline="") as file:
                self.rows = list(csv.DictReader(file))

    def find(self, **wanted):
        """Rows with these values."""
        wanted = {name: written(value) for name, value in wanted.items()}
        return [row for row in self.rows if all(row[n] == v for n, v in wanted.items())]

    def once(self, key, make):
        """Return the row with the key, made now if there is none."""
        found = self.find(**key)
        if found:
            return found[0]
        row = dict.fromkeys(FIELDS, "")
        row |= {name: written(value) for name, value in (key | make()).items()}
        fresh = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)
        return row


def written(value):
    """Return a value as it stands in the file."""
    if isinstance(value, (list, np.ndarray)):
        return " ".join(f"{number:.5g}" for number in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def curve(row, name):
    """Return one number an epoch."""
    return np.array([float(number) for number in row[name].split()])


def title_of(name, options):
    """Name a data set, with its scale if it has one."""
    return f"{name} x {options.openimages_scale:g}" if name == "openimages" else name


def protocol(options, limit):
    """Say in one text what a figure depends on besides its setting."""
    return (
        f"{options.factors} factors, {options.threads} threads, {options.epochs} epochs at most, "
        f"patience {options.patience}, {limit:g} s at most"
    )


def seconds_to(row, value):
    """Return the seconds of training until validation first reaches a value."""
    # the curves are written with fewer digits than the best
    reached = curve(row, "validation_by_epoch") >= value * (1 - 1e-4)
    return float(curve(row, "seconds_by_epoch").cumsum()[np.argmax(reached)])


def setting_in(row):
    """Return the parameters that a row was fitted with."""
    return {name: float(row[name]) for name in SETTING if row[name]}


def described(row):
    """Return the parameters of a row in words."""
    text = f"step {row['learning_rate']}, penalty {row['regularization']}"
    return text + (f", lambda {row['rank_scale']}" if row["rank_scale"] else "")


class Results:
    """What the file says of one data set at the settings that were chosen."""

    def __init__(self, figures, name, chosen, options):
        self.name, self.title, self.chosen = name, title_of(name, options), chosen
        self.figures = figures
        self.tuned = {"data": self.title, "protocol": protocol(options, options.limit)}
        self.timed = {"data": self.title, "protocol": protocol(options, options.timed_limit)}
        self.seeds = options.seeds

    def rows(self, part, method):
        """Return one row a seed, without those that diverged."""
        setting = {"rank_scale": ""} | self.chosen[method]
        found = []
        for seed in self.seeds:
            found += self.figures.find(**self.timed, part=part, method=method, seed=seed, **setting)
        return [row for row in found if row["ended"] not in FAILED]

    def mean(self, part, method, field):
        """Mean over the seeds."""
        values = [float(row[field]) for row in self.rows(part, method)]
        return statistics.fmean(values) if values else float("nan")

    def sweep(self, method):
        """Return lambda and best validation MAP of the sweep, which has one step and penalty."""
        first = self.figures.find(
            **self.tuned, part="tuning", method=method, rank_scale=FIRST_LAMBDA
        )
        setting = setting_in(max(first, key=lambda row: float(row["validation"])))
        rows = [
            self.figures.find(
                **self.tuned, part="tuning", method=method, **setting | {"rank_scale": scale}
            )
            for scale in LAMBDAS
        ]
        return [(float(r[0]["rank_scale"]), float(r[0]["validation"])) for r in rows if r]

    def cut(self, method):
        """Tell whether any timed run ended before it was clear that its best was its best."""
        for row in self.rows("convergence", method):
            seconds = curve(row, "seconds_by_epoch")
            to_best = seconds[: int(row["best_epoch"])].sum()
            if row["ended"] != "patience" and to_best > seconds.sum() / 2:
                return True
        return False

    def pairs(self):
        """Return the timed runs of VSE-ens and WARP, one pair a seed."""
        if not {"VSE-ens", "WARP"} <= set(self.chosen):
            return []
        ours, theirs = (
            {row["seed"]: row for row in self.rows("convergence", method)}
            for method in ("VSE-ens", "WARP")
        )
        return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]

    def speedup(self):
        """Return seconds of WARP over those of VSE-ens to convergence, the median over seeds."""
        return statistics.median(
            float(theirs["converged_seconds"]) / float(ours["converged_seconds"])
            for ours, theirs in self.pairs()
        )

    def speedup_to_same(self):
        """Return the same for the MAP at which the lower of the two runs converges."""
        ratios = []
        for ours, theirs in self.pairs():
            value = CONVERGED * min(float(row["validation"]) for row in (ours, theirs))
            ratios.append(seconds_to(theirs, value) / seconds_to(ours, value))
        return statistics.median(ratios)


def table(header, rows):
    """Return a markdown table, its numbers to the right."""
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(line) + " |" for line in (header, ruler, *rows)]


def ranking_table(results):
    """Measures of the test, a method a row."""
    lines = [
        "",
        f"Test, mean of {len(results[0].seeds)} seed(s); auc@10 counts a label that is not among "
        "the first 10 as 1/2, as the AUC of the paper does:",
        "",
    ]
    rows = [
        [f"{result.title}, {method}"]
        + [f"{result.mean('test', method, name):.4f}" for name in METRICS]
        for result in results
        for method in result.chosen
    ]
    return lines + table(["data, method", *METRICS], rows)


def lambda_table(results):
    """Best validation MAP by lambda."""
    lines = ["", "Validation MAP by lambda, a fraction of the number of labels:", ""]
    rows = []
    for result in results:
        for method in [name for name in result.chosen if name in BY_RANK]:
            found = dict(result.sweep(method))
            best = max(found.values())
            cells = [f"{found[scale]:.4f}" if scale in found else "" for scale in LAMBDAS]
            cells = [f"**{cell}**" if cell == f"{best:.4f}" else cell for cell in cells]
            rows.append([f"{result.title}, {method}", *cells])
    return lines + table(["data, method", *(f"{scale:g}" for scale in LAMBDAS)], rows)


def time_table(results):
    """Seconds to convergence."""
    lines = [
        "",
        f"Seconds of training until validation MAP first reaches {CONVERGED:.0%} of its best over "
        "the run (> where the run came to its limit of epochs or seconds with its best in the "
        "later half of its seconds):",
        "",
    ]
    header = ["data, method", "seconds", "epochs", "seconds an epoch", "best MAP", "setting"]
    rows = []
    for result in results:
        for method in result.chosen:
            timed = result.rows("convergence", method)
            if not timed:
                continue
            seconds = result.mean("convergence", method, "converged_seconds")
            epochs = result.mean("convergence", method, "converged_epoch")
            rows.append(
                [
                    f"{result.title}, {method}",
                    f"{'> ' if result.cut(method) else ''}{seconds:.2f}",
                    f"{epochs:.1f}",
                    f"{seconds / epochs:.3f}",
                    f"{result.mean('convergence', method, 'validation'):.4f}",
                    described(timed[0]),
                ]
            )
    return lines + table(header, rows)


def verdict(results):
    """Say plainly whether VSE-ens converges faster than WARP."""
    results = [result for result in results if result.pairs()]
    if not results:
        return ["", "VSE-ens and WARP were not both run."]
    lines = ["", "Is VSE-ens faster than WARP to convergence? The median over seeds:", ""]
    for result in results:
        ratio = result.speedup()
        line = f"- {result.title}: " + (
            f"yes, {ratio:.2f} times faster"
            if ratio > 1
            else f"no, its speed is {ratio:.2f} of that of WARP"
        )
        if result.name in PUBLISHED:
            of = "OpenImages" if result.name == "openimages" else "NUS-WIDE with 5,108 tags"
            line += f" ({PUBLISHED[result.name]} for {of} in the abstract of the paper)"
        bests = [result.mean("convergence", m, "validation") for m in ("VSE-ens", "WARP")]
        line += (
            f". To {CONVERGED:.0%} of the lower of the two best validation MAPs "
            f"({bests[0]:.4f} and {bests[1]:.4f}): {result.speedup_to_same():.2f} times."
        )
        if bests[0] < CONVERGED * bests[1]:
            line += f" VSE-ens does not come to {CONVERGED:.0%} of the best of WARP."
        if result.cut("WARP") or result.cut("VSE-ens"):
            line += " Provisional: a run came to its limit while it still improved."
        lines.append(line)
    ratios = [result.speedup() for result in results]
    faster = sum(ratio > 1 for ratio in ratios)
    as_good = sum(
        result.speedup() > 1
        and result.mean("convergence", "VSE-ens", "validation")
        >= CONVERGED * result.mean("convergence", "WARP", "validation")
        for result in results
    )
    lines += [
        "",
        f"VSE-ens converges faster than WARP on {faster} of {len(results)} data sets ("
        f"{min(ratios):.2f} to {max(ratios):.2f} times its speed), on {as_good} of them to a "
        f"best MAP of at least {CONVERGED:.0%} of that of WARP.",
    ]
    return lines


def draw_measures(results, path):
    """Draw measures of the test beside validation against seconds, a data set a row."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(results),
        2,
        figsize=(12, 3.2 * len(results) + 0.5),
        squeeze=False,
        layout="constrained",
        gridspec_kw={"width_ratios": [1.3, 1]},
    )
    for result, (bars, lines) in zip(results, grid, strict=True):
        width = 0.8 / len(result.chosen)
        bests = {m: max(result.mean("test", name, m) for name in result.chosen) for m in METRICS}
        for place, method in enumerate(result.chosen):
            heights = [result.mean("test", method, m) / best for m, best in bests.items()]
            left = np.arange(len(METRICS)) - 0.4 + width * (place + 0.5)
            bars.bar(left, heights, width * 0.92, color=COLORS[method], label=method)
            for row in result.rows("convergence", method):
                spent = curve(row, "seconds_by_epoch").cumsum()
                values = curve(row, "validation_by_epoch")
                lines.plot(spent, values, color=COLORS[method], lw=1.5)
                at = int(row["converged_epoch"]) - 1
                lines.plot(spent[at], values[at], "o", color=COLORS[method], ms=7)
        names = [f"{name}\n{best:.3f}" for name, best in bests.items()]
        bars.set_xticks(range(len(METRICS)), names, fontsize=8)
        bars.set(title=f"{result.title}: test, relative to the best (named below)", ylim=(0, 1.05))
        lines.set(
            xscale="log",
            xlabel="seconds of training",
            ylabel="validation MAP",
            title=f"{result.title}: dots at {CONVERGED:.0%} of the best",
        )
        lines.set_ylim(bottom=0)
        for axes in (bars, lines):
            axes.spines[["top", "right"]].set_visible(False)
    shown = [method for method in COLORS if any(method in result.chosen for result in results)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[method]) for method in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), frameon=False)
    figure.get_layout_engine().set(w_pad=0.12)
    figure.savefig(path, dpi=75)
    plt.close(figure)


def draw_trials(results, path):
    """Draw the mean trials of WARP by epoch, the one draw of VSE-ens beside them."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
    longest = 2
    for result in results:
        rows = result.rows("convergence", "WARP") if "WARP" in result.chosen else []
        if rows:
            trials = curve(rows[0], "trials_by_epoch")
            axes.plot(range(1, len(trials) + 1), trials, marker=".", label=f"WARP, {result.title}")
            longest = max(longest, len(trials))
    axes.plot([1, longest], [1, 1], color="black", ls="--", label="VSE-ens, any data")
    axes.set(
        xlabel="epoch",
        ylabel="labels drawn for a positive (mean)",
        yscale="log",
        title="What it takes to find a negative (Figure 1 of the paper)",
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_lambda(results, path):
    """Draw validation by lambda, relative to the best of each line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
    for number, result in enumerate(results):
        for method in [name for name in result.chosen if name in BY_RANK]:
            scales, values = zip(*result.sweep(method), strict=True)
            axes.plot(
                scales,
                np.array(values) / max(values),
                marker="o",
                color=f"C{number}",
                ls="-" if method == "VSE-ens" else ":",
                label=f"{method}, {result.title}",
            )
    axes.set(
        xscale="log",
        ylim=(0, 1.05),
        xlabel="lambda, as a fraction of the number of labels",
        ylabel="validation MAP, relative to the best",
        title="How hard negatives should be",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
