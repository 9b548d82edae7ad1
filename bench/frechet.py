#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far two sets of pictures are from each other: frechet.py FEATURES.npy REFERENCE.npy

Each file holds a row of features a picture, as a network that tells the pictures' classes sees them. Printed is the Fréchet
distance of the two normal distributions that have the sets' means and covariances (Heusel et al. 2017):
|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).
"""
import sys

import numpy as np


def root(c):
    """The symmetric square root of a covariance; what rounding makes negative is 0."""
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def frechet(a, b):
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    half = root(c1)
    between = np.trace(root(half @ c2 @ half))  # of the same eigenvalues as C1 C2
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * between)


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    a, b = (np.load(name).astype(np.float64) for name in sys.argv[1:])
    print(f'{frechet(a, b):.4f}')
