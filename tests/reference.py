"""A slow, obvious version of the kernel's epoch, on the same random numbers."""

import numpy as np

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
LANES = 16
MAX_REDRAWS = 32
# differences of scores below the margin violate
LOSSES_WITH_MARGIN = ("hinge", "warp")
# the slope is the same up to the margin
LOSSES_THAT_JUMP = ("hinge", "warp")


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Random:
    def __init__(self, seed, epoch, row):
        key = mix((mix((mix(seed) + epoch) & MASK) + row) & MASK)
        self.state = mix(key)
        self.increment = mix((key + GOLDEN) & MASK) | 1

    def next(self):
        self.state = (self.state + self.increment) & MASK
        return mix(self.state)

    def below(self, n):
        return (self.next() * int(n)) >> 64


def alias_draw(table, random):
    product = random.next() * len(table)
    row, fraction = product >> 64, (product >> 32) & 0xFFFFFFFF
    return row if fraction < table[row, 0] else int(table[row, 1])


def rank_table(item_factors, columns):
    """Labels by every factor from the largest, ties by ascending id, and the deviations."""
    order = np.argsort(-item_factors[:, :columns], axis=0, kind="stable").T
    return order, item_factors[:, :columns].astype(np.float64).std(axis=0).astype(np.float32)


class Sampler:
    """The four samplers; refresh() for the rank table, prepare() for each block of a row."""

    def __init__(self, kind, n_labels, columns, law=None, variance=False):
        self.kind, self.n_labels, self.columns, self.law = kind, n_labels, columns, law
        self.variance = variance

    def refresh(self, item_factors):
        self.item_factors = item_factors
        if self.kind == "adaptive":
            self.order, self.spread = rank_table(item_factors, self.columns)
            if self.variance:
                self.spread = self.spread**2

    def prepare(self, user):
        self.user = user.copy()
        if self.kind == "adaptive":
            weights = np.zeros(-(-self.columns // LANES) * LANES, dtype=np.float32)
            weights[: self.columns] = np.abs(user[: self.columns]) * self.spread
            self.running = np.cumsum(weights.reshape(-1, LANES), axis=0, dtype=np.float32)
            self.lanes = np.cumsum(self.running[-1], dtype=np.float32)
        elif self.kind == "exact":
            self.ranking = np.argsort(-(self.item_factors @ user), kind="stable")

    def propose(self, random):
        if self.kind == "uniform" or (self.kind == "adaptive" and not self.lanes[-1] > 0):
            return random.below(self.n_labels)
        outcome = alias_draw(self.law, random)
        if self.kind == "popularity":
            return outcome
        if self.kind == "exact":
            return int(self.ranking[outcome])
        number = random.next()
        across = np.float32(number >> 40) * np.float32(2**-24)
        along = np.float32(number & 0xFFFFFF) * np.float32(2**-24)
        lane = int((self.lanes <= across * self.lanes[-1]).sum())
        column = self.running[:, lane]
        factor = int((column <= along * column[-1]).sum()) * LANES + lane
        rank = outcome if self.user[factor] > 0 else self.n_labels - 1 - outcome
        return int(self.order[factor, rank])

    def propose_negative(self, positives, random, verify=True):
        return self.settle(self.propose(random), positives, random, verify)

    def settle(self, label, positives, random, verify):
        for _ in range(MAX_REDRAWS):
            if not verify or label not in positives:
                return label
            label = self.propose(random)
        if label not in positives:
            return label
        others = [label for label in range(self.n_labels) if label not in positives]
        return others[random.below(len(others))]


def pair_loss(loss, difference, margin=1.0, weight=1.0):
    """Loss and minus its derivative by the difference of the scores."""
    if loss == "logistic":
        return np.logaddexp(0.0, -difference), 1.0 / (1.0 + np.exp(difference))
    if difference >= margin:
        return 0.0, 0.0
    return weight * (margin - difference), weight


def list_loss(loss, positive, negatives, margin, temperature, correction=None):
    """Loss, minus its derivative by the positive's score, and those by the negatives'."""
    if loss == "softmax":
        logits = np.concatenate([[positive], negatives + margin]) / temperature
        if correction is not None:
            logits[1:] += correction
        share = np.exp(logits - logits.max())
        share /= share.sum()
        return -np.log(share[0]), (1 - share[0]) / temperature, share[1:] / temperature
    if loss == "sgns":
        value = np.logaddexp(0, -positive) + np.logaddexp(0, negatives).sum()
        return value, 1 / (1 + np.exp(positive)), 1 / (1 + np.exp(-negatives))
    terms = [pair_loss(loss, positive - negative, margin) for negative in negatives]
    values, slopes = np.array(terms).T / len(negatives)
    return values.sum(), slopes.sum(), slopes


def pairs_drawn_together(candidates):
    """Pairs of a row whose candidates are drawn before the first of them is trained on."""
    return max(1, min(64, 256 // candidates))


def epoch(matrix, users, items, sampler, *, seed, epoch, order, **options):
    """One epoch in place on float32 factors without padding; returns the sum of the losses.

    Options: loss, selection, candidates, group_size, max_trials, margin, temperature,
    learning_rate, decay (of users, positives, negatives), violating_only, verify, bias, interval,
    draws, values, corrected, cosine, damped, in_turn, sweeps, least_steps,
    first_step, mean_negative, unit, learning_rate_user, pairs_of_full_steps, features (a
    `FeatureMap`), decay_own (of what images learn beside features).
    """
    interval = options.get("interval") or float("inf")
    state = _Epoch(matrix, users, items, sampler, options)
    since = interval
    for place, row in enumerate(order):
        if since >= interval or place == 0:
            sampler.refresh(items)
            since = 0
        random = Random(seed, epoch, int(row))
        begin, end = matrix.indptr[row], matrix.indptr[row + 1]
        n_pairs = end - begin if options.get("draws") is None else options["draws"][place]
        sweeps = options.get("sweeps", 0)
        if sweeps:
            key = 0
            for label in matrix.indices[begin:end]:
                key = mix((key + int(label) + 1) % 2**64)
            random = Random(seed, epoch, key)
            learned = slice(None, -1) if options.get("bias") else slice(None)
            start = users[row].copy()
            share = min(1, options.get("pairs_of_full_steps", 0) / n_pairs or 1)
            keep = 1 / (1 + share * options.get("decay_own", 0.0))
            if options.get("anchored"):
                pass
            elif options.get("first_step") is not None:
                apart = items[matrix.indices[begin:end]].mean(axis=0)[learned]
                apart = apart - options["mean_negative"]
                move = options["first_step"] @ apart
                users[row][learned] += options["unit"] * move / 2 / (1 + move @ apart / 4)
            if options.get("cosine"):
                users[row] /= np.linalg.norm(users[row])
            after = []
            sweeps = max(sweeps, options.get("least_steps", 0) // n_pairs)
            for _ in range(sweeps):
                state.row(random, row, begin, end, n_pairs)
                if options.get("anchored"):
                    users[row][learned] = (start + keep * (users[row] - start))[learned]
                after.append(users[row].copy())
            users[row] = np.mean(after[sweeps // 2 :], axis=0)
            if options.get("cosine"):
                users[row] /= np.linalg.norm(users[row])
        elif options.get("features") is not None:
            own, features = users[row].copy(), options["features"]
            kept, values = features.choose(seed, epoch, int(row))
            loaded = own + values @ features.weights[kept]
            users[row] = loaded
            state.row(random, row, begin, end, n_pairs)
            move = users[row] - loaded
            share = state.user_rate / state.full_rate
            learned = slice(None, -1) if options.get("bias") else slice(None)
            users[row] = own
            if features.has_own:
                users[row] += move
                users[row][learned] /= 1 + share * options.get("decay_own", 0.0)
            features.step(kept, values, (move / state.full_rate)[learned])
        else:
            state.row(random, row, begin, end, n_pairs)
        since += n_pairs
    return state.loss


class FeatureMap:
    """Features of images and a matrix that maps them, moved by AdaGrad."""

    def __init__(self, rows, weights, squares, *, rate=0.1, dropout=0.0, penalty=0.0, has_own=True):
        self.rows, self.weights, self.squares = rows, weights, squares
        self.rate, self.dropout, self.penalty, self.has_own = rate, dropout, penalty, has_own

    def choose(self, seed, epoch, row):
        """Features that are not dropped, and their values, which make up for the others."""
        numbers, values = self.rows[row]
        numbers, values = numbers[values != 0], values[values != 0]
        random = Random(mix(seed + 0x44524F50), epoch, row)
        kept = np.ones(len(numbers), dtype=bool)
        if self.dropout:
            drawn = [random.next() for _ in range(-(-len(numbers) // 2))]
            halves = [half for number in drawn for half in (number & 0xFFFFFFFF, number >> 32)]
            kept = np.array(halves[: len(numbers)]) >= int(self.dropout * 2**32)
        return numbers[kept], (values[kept] / (1 - self.dropout)).astype(np.float32)

    def step(self, kept, values, gradient):
        square = (gradient**2).mean()
        if square == 0:
            return
        self.squares[kept] += values**2 * square
        steps = self.rate / np.sqrt(self.squares[kept])
        moved = self.weights[kept]
        moved[:, : len(gradient)] += np.outer(steps * values, gradient)
        self.weights[kept] = moved / (1 + steps * self.penalty)[:, None]


class _Epoch:
    def __init__(self, matrix, users, items, sampler, options):
        self.matrix, self.users, self.items = matrix, users, items
        self.sampler, self.options, self.loss = sampler, options, 0.0
        self.selection = options.get("selection", "first")
        self.candidates = options.get("candidates", 1)
        self.full_rate = np.float32(options.get("learning_rate_user", options["learning_rate"]))
        self.user_rate = self.full_rate

    def row(self, random, row, begin, end, n_pairs):
        full = self.options.get("pairs_of_full_steps", 0)
        self.user_rate = self.full_rate * np.float32(min(1, full / n_pairs) if full else 1)
        labels = self.matrix.indices[begin:end]
        positives = set(labels.tolist())
        verify = self.options.get("verify", True)
        together = pairs_drawn_together(self.candidates)
        for start in range(0, n_pairs, together):
            self.sampler.prepare(self.users[row])
            block = [
                int(labels[i])
                if self.options.get("draws") is None
                else self.draw_positive(random, begin, end)
                for i in range(start, min(n_pairs, start + together))
            ]
            drawn = []
            if self.selection != "violator":
                # positives among them are drawn again after all have been drawn
                n = self.candidates * len(block)
                drawn = [self.sampler.propose(random) for _ in range(n)]
                drawn = [self.sampler.settle(label, positives, random, verify) for label in drawn]
            for i, positive in enumerate(block):
                own = drawn[i * self.candidates : (i + 1) * self.candidates]
                self.step(random, row, positive, own, positives, verify)

    def draw_positive(self, random, begin, end):
        labels = self.matrix.indices[begin:end]
        if self.options.get("values") is None:
            return int(labels[random.below(end - begin)])
        running = np.cumsum(self.options["values"][begin:end])
        target = running[-1] * ((random.next() >> 11) * 2.0**-53)
        return int(labels[np.argmax(running > target)])

    def step(self, random, row, positive, drawn, positives, verify):
        options, user, items = self.options, self.users[row], self.items
        loss, margin = options["loss"], options.get("margin", 1.0)
        score, weight = user @ items[positive], 1.0
        if self.selection == "violator":
            trials = options.get("max_trials") or max(1, len(items) - 1)
            in_order = iter(label for label in range(len(items)) if label not in positives)
            for trial in range(1, trials + 1):  # noqa: B007 - used after the loop
                if options.get("in_turn"):
                    negative = next(in_order, None)
                    if negative is None:
                        return
                else:
                    negative = self.sampler.propose_negative(positives, random, verify)
                if score - user @ items[negative] < margin and negative != positive:
                    break
            else:
                return
            drawn = [negative]
            if loss == "warp":
                weight = (1.0 / np.arange(1, (len(items) - 1) // trial + 1)).sum()
        else:
            drawn = self.choose(user, drawn)
        pairwise = loss not in ("softmax", "sgns")
        if len(drawn) == 1 and pairwise:
            if drawn[0] == positive:
                return
            difference = score - user @ items[drawn[0]]
            value, slope = pair_loss(loss, difference, margin, weight)
            if options.get("damped"):
                slope = self.damped(slope, row, difference, positive, drawn[0])
            positive_slope, slopes = slope, np.array([slope])
        else:
            value, positive_slope, slopes = list_loss(
                loss,
                score,
                items[drawn] @ user,
                margin,
                options.get("temperature", 1.0),
                self.correction(drawn, positives),
            )
            damping = self.list_damping(row, positive, drawn)
            positive_slope, slopes = damping * positive_slope, damping * slopes
        self.loss += value
        highest = max(user @ items[label] for label in drawn)
        violates = not score - highest >= (margin if loss in LOSSES_WITH_MARGIN else 0.0)
        decays = violates or not options.get("violating_only")
        self.update(row, positive, positive_slope, drawn, slopes, decays)

    def damped(self, slope, row, difference, positive, negative):
        """No step may move the difference of the scores past the least loss."""
        gap = self.items[positive] - self.items[negative]
        if self.options.get("bias"):
            gap = gap[:-1]
        user = self.users[row]
        reach = self.user_rate * gap @ gap + 2 * self.options["learning_rate"] * user @ user
        if self.options["loss"] not in LOSSES_THAT_JUMP:
            return slope / (1 + self.curvature() * reach)
        return min(slope, (self.options.get("margin", 1.0) - difference) / reach) if slope else 0.0

    def list_damping(self, row, positive, negatives):
        """No step on a list may be longer than its curvature bears."""
        if not self.options.get("damped"):
            return 1.0
        user = self.users[row]
        of_negatives = (self.items[negatives] ** 2).sum(axis=1)
        gap = of_negatives.sum() if self.options["loss"] == "sgns" else of_negatives.max()
        gap += (self.items[positive] ** 2).sum()
        reach = self.user_rate * gap + 2 * self.options["learning_rate"] * user @ user
        return 1 / (1 + self.curvature() * reach)

    def curvature(self):
        """How much a slope changes at most where scores move against each other by 1."""
        loss = self.options["loss"]
        if loss == "softmax":
            return 0.25 / self.options.get("temperature", 1.0) ** 2
        return 0.25 / (self.options.get("margin", 1.0) if loss in LOSSES_THAT_JUMP else 1)

    def choose(self, user, drawn):
        if self.selection == "first":
            return drawn
        keep = self.options.get("group_size", 1) if self.selection == "group" else 1
        return sorted(drawn, key=lambda label: -float(user @ self.items[label]))[:keep]

    def correction(self, drawn, positives):
        if not self.options.get("corrected"):
            return None
        # the uniform sampler only
        return np.full(len(drawn), -np.log(self.candidates / (len(self.items) - len(positives))))

    def update(self, row, positive, positive_slope, drawn, slopes, decays):
        """Step on a positive and negatives; decays: whether the penalties apply."""
        of_user, of_positive, of_negative = self.options.get("decay", (0.0, 0.0, 0.0))
        rate, items = np.float32(self.options["learning_rate"]), self.items
        user = self.users[row].copy()
        gradient = -np.float32(of_user * decays) * user
        if self.options.get("in_turn"):
            gradient += np.float32(positive_slope) * (items[positive] - items[drawn[0]])
            user = self.users[row] = user + self.user_rate * gradient
            gradient = np.zeros_like(user)
        terms = [
            (positive, positive_slope, of_positive * decays),
            *(
                (label, -slope, of_negative * decays)
                for label, slope in zip(drawn, slopes, strict=True)
            ),
        ]
        for label, slope, shrink in terms:
            # a label drawn twice is moved twice, the second time from where the first left it
            gradient += np.float32(slope) * items[label]
            # in a fold-in the labels stay as they are
            if not self.options.get("sweeps"):
                move = np.float32(slope) * user - np.float32(shrink) * items[label]
                items[label] += rate * move
                if self.options.get("cosine"):
                    items[label] /= np.linalg.norm(items[label])
        if self.options.get("in_turn"):
            return
        learned = slice(None, -1) if self.options.get("bias") else slice(None)
        self.users[row][learned] += (self.user_rate * gradient)[learned]
        if self.options.get("cosine"):
            self.users[row] /= np.linalg.norm(self.users[row])
