#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What PyTorch makes of examples/vae_mnist/model_mnist.yaml: elbo.py DATA_DIR [SEED]

The same network, optimiser, batches and number of steps, on the files of MNIST. Printed is the loss of the test set, nats an
image, with one code drawn an image, after the last of ten epochs.
"""
import gzip
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EPOCHS, BATCH = 10, 128


def images(path):
    with gzip.open(path) as f:
        data = np.frombuffer(f.read(), np.uint8, offset=16)
    return torch.tensor(data.reshape(-1, 784).astype(np.float32) / 255)


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.h, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.g, self.logits = nn.Linear(20, 400), nn.Linear(400, 784)

    def loss(self, x):
        h = torch.relu(self.h(x))
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        logits = self.logits(torch.relu(self.g(z)))
        rebuilt = F.binary_cross_entropy_with_logits(logits, x, reduction='none').sum(1)
        divergence = -0.5 * (1 + logvar - mu ** 2 - logvar.exp()).sum(1)
        return (rebuilt + divergence).mean()


def main(folder, seed):
    torch.manual_seed(seed)
    train, test = (images(f'{folder}/mnist/{name}-images-idx3-ubyte.gz') for name in ('train', 't10k'))
    model = Vae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for at in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad()
            model.loss(train[at]).backward()
            optimizer.step()
    with torch.no_grad():
        total = sum(float(model.loss(x)) * len(x) for x in test.split(BATCH))
    print(f'loss: {total / len(test):.4f}')


if __name__ == '__main__':
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 1)
