"""Points at which the registries of bijectors look."""

import numpy as np

RANDOM = np.random.default_rng(7)
LINE = np.concatenate([np.linspace(-6, 6, 49), [-20, -12, 12, 20], [-1e-3, 1e-3], np.linspace(-3, 3, 9)])
HALF_LINE = np.concatenate([np.logspace(-6, 4, 48), np.linspace(0.1, 5, 16)])
UNIT = np.concatenate([np.linspace(0.02, 0.98, 48), [1e-6, 1e-3, 0.999], np.linspace(0.3, 0.7, 13)])
CLOUD = 1.5 * RANDOM.normal(size=(64, 2))
CLOUD3 = 1.5 * RANDOM.normal(size=(64, 3))
FAR = np.array([-1e4, -300.0, -100.0, -40.0, 0.0, 40.0, 100.0, 300.0, 1e4])
FAR3 = np.concatenate([1e2 * RANDOM.normal(size=(32, 3)), 1e3 * RANDOM.normal(size=(32, 3))])


def vector(x):
    """Scalars as events of shape (3,), coordinates out of step."""
    return np.stack([x, np.roll(x, 5), x[::-1]], axis=-1)
