"""
Negatives for a two-tower model in PyTorch
==========================================

``AdaptiveSampler`` works on NumPy arrays, so any training loop can draw its negatives from it. Two
small towers learn the keywords of emoji, once with uniform and once with adaptive negatives: the
same initial weights, batches and number of steps.

Needs PyTorch, which the package itself does not: ``pip install ".[torch]"``. The documentation
shows this example without running it.
"""

import numpy as np
import torch
from implicit.evaluation import ranking_metrics_at_k

from vseens_rec import AdaptiveSampler, UniformSampler, VSEens
from vseens_rec.datasets import load_emoji
from vseens_rec.model_selection import leave_one_out_split

WIDTH, BATCH, EPOCHS, LEARNING_RATE = 64, 256, 60, 0.005

# %%
# A tower is an embedding and a layer on top of it.


class Tower(torch.nn.Module):
    """An embedding and a layer on top of it."""

    def __init__(self, n):
        super().__init__()
        self.embedding = torch.nn.Embedding(n, WIDTH)
        torch.nn.init.normal_(self.embedding.weight, std=0.1)
        self.layer = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, ids):
        """Give the outputs of some ids."""
        hidden = self.embedding(ids)
        return hidden + torch.tanh(self.layer(hidden))

    @torch.no_grad()
    def all(self):
        """Outputs for every id, as NumPy."""
        return self(torch.arange(self.embedding.num_embeddings)).numpy()


# %%
# The training loop. The sampler sees what the towers put out: the outputs for all labels when it is
# refreshed, and those for the images of a batch when it draws. ``exclude`` keeps it from the
# positives.


def train(matrix, make_sampler):
    """Train both towers on (image, label, negative) triplets and return their outputs."""
    torch.manual_seed(0)
    images, labels = Tower(matrix.shape[0]), Tower(matrix.shape[1])
    optimiser = torch.optim.Adam(
        [*images.parameters(), *labels.parameters()], lr=LEARNING_RATE, weight_decay=1e-5
    )
    rows, columns = matrix.nonzero()
    sampler = make_sampler(labels.all())
    shuffle = np.random.default_rng(0)
    for _ in range(EPOCHS):
        # once an epoch is often enough for a thousand labels
        sampler.refresh(labels.all())
        for batch in np.array_split(shuffle.permutation(len(rows)), len(rows) // BATCH):
            users = images(torch.from_numpy(rows[batch]))
            negatives = sampler.sample(users.detach().numpy(), size=1, exclude=matrix[rows[batch]])
            positive = labels(torch.from_numpy(columns[batch]))
            negative = labels(torch.from_numpy(negatives[:, 0].astype(np.int64)))
            difference = (users * (positive - negative)).sum(dim=1)
            loss = torch.nn.functional.softplus(-difference).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return images.all(), labels.all()


# %%
# The towers' outputs are factors: a model takes them as they are, and recommends and is measured
# with them.

train_part, test_part = leave_one_out_split(load_emoji().matrix, random_state=0)
samplers = {
    "uniform negatives": lambda factors: UniformSampler(len(factors), random_state=0),
    "adaptive negatives": lambda factors: AdaptiveSampler(factors, rank_scale=0.1, random_state=0),
}
for name, make_sampler in samplers.items():
    model = VSEens()
    model.user_factors, model.item_factors = train(train_part, make_sampler)
    found = ranking_metrics_at_k(model, train_part, test_part, K=10, show_progress=False)
    print(f"{name:20} Recall@10 {found['precision']:.3f}   NDCG@10 {found['ndcg']:.3f}")
