"""Families on the line and on half lines beyond the elementary ones."""

import mpmath as mp
import numpy as np
import oracle_tails
from family_entry import Family
from oracle_positive import (
    beta_prime,
    cauchy,
    chi_squared,
    exponential,
    gumbel,
    half_cauchy,
    half_normal,
    inverse_gamma,
    log_condition,
    log_normal,
    log_x_condition,
    lomax,
    pareto,
    sum_condition,
    weibull,
    weibull_condition,
)
from scipy import stats

LOC_SCALE = ((0.3, 1.7), (-2.0, 0.05), (40.0, 900.0), (1e3, 1e-3))

BAD_SCALE = ((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf))

ONE_POSITIVE = ((0.0,), (-1.0,), (np.nan,), (np.inf,))

TWO_POSITIVE = ((0.0, 1.0), (1.0, -1.0), (np.nan, 1.0), (1.0, np.inf))

LINE = [
    Family(
        "Gumbel",
        LOC_SCALE,
        gumbel,
        "MVESCQ",
        "explicit",
        frozen=stats.gumbel_r,
        invalid=BAD_SCALE,
    ),
    Family(
        "Cauchy",
        LOC_SCALE,
        cauchy,
        "ESCQ",
        "explicit",
        frozen=stats.cauchy,
        invalid=BAD_SCALE,
    ),
]

HALF_LINE = [
    Family(
        "Exponential",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        exponential,
        "MVESCQX",
        "explicit",
        frozen=lambda rate: stats.expon(scale=1 / rate),
        coordinate="positive",
        edges=(((2.0,), 0.0, np.log(2.0)), ((1.0,), 0.0, 0.0), ((1.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=ONE_POSITIVE,
    ),
    Family(
        "HalfNormal",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        half_normal,
        "MVECQX",
        "explicit",
        frozen=lambda scale: stats.halfnorm(scale=scale),
        coordinate="positive",
        edges=(
            ((1.0,), 0.0, float(half_normal(0, 1))),
            ((0.01,), 0.0, float(half_normal(0, mp.mpf("0.01")))),
            ((1.0,), -1.0, -np.inf),
            ((2.0,), -1e-6, -np.inf),
        ),
        invalid=ONE_POSITIVE,
    ),
    Family(
        "HalfCauchy",
        ((1.5,), (0.01,), (40.0,), (1e6,)),
        half_cauchy,
        "MVECQ",
        "explicit",
        frozen=lambda scale: stats.halfcauchy(scale=scale),
        coordinate="positive",
        edges=(((1.0,), 0.0, float(half_cauchy(0, 1))), ((1.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=ONE_POSITIVE,
    ),
    Family(
        "Weibull",
        ((2.5, 1.5), (0.7, 20.0), (200.0, 3.0), (1e3, 1.001)),
        weibull,
        "MVECQX",
        "explicit",
        frozen=lambda k, scale: stats.weibull_min(k, scale=scale),
        condition=weibull_condition,
        coordinate="positive",
        edges=(
            ((1.0, 2.0), 0.0, -np.log(2.0)),
            ((1.0, 1.0), 0.0, 0.0),
            ((2.0, 1.0), 0.0, -np.inf),
            ((2.0, 1.0), -1e-6, -np.inf),
        ),
        invalid=TWO_POSITIVE,
        natural_context=lambda k, scale: {"concentration": k},
    ),
    Family(
        "LogNormal",
        ((0.3, 0.7), (-2.0, 0.05), (4.0, 2.0), (30.0, 3.0)),
        log_normal,
        "MVECQX",
        "explicit",
        frozen=lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
        condition=log_condition,
        coordinate="positive",
        edges=(((0.3, 0.7), 0.0, -np.inf), ((0.3, 0.7), -1.0, -np.inf)),
        invalid=BAD_SCALE,
        cdf_condition=16.0,
    ),
    Family(
        "Pareto",
        ((1.5, 2.5), (20.0, 0.7), (3.0, 50.0), (1e3, 1e4)),
        pareto,
        "MVECQX",
        "explicit",
        frozen=oracle_tails.pareto,
        condition=lambda x, scale, a: sum_condition(x, a, scale, np.log(x / scale)),
        coordinate="positive",
        edges=(
            ((2.0, 3.0), 2.0, np.log(1.5)),
            ((1.0, 1.0), 1.0, 0.0),
            ((2.0, 3.0), 1.999, -np.inf),
            ((2.0, 1.0), -1.0, -np.inf),
        ),
        invalid=TWO_POSITIVE,
        natural_context=lambda scale, a: {"scale": scale},
    ),
    Family(
        "Lomax",
        ((2.5, 1.5), (0.7, 20.0), (50.0, 3.0), (1e4, 1e3)),
        lomax,
        "MVECQ",
        "explicit",
        frozen=lambda a, scale: stats.lomax(a, scale=scale),
        condition=lambda x, a, scale: sum_condition(x, a, scale, np.log1p(x / scale)),
        coordinate="positive",
        edges=(((3.0, 2.0), 0.0, np.log(1.5)), ((1.0, 1.0), 0.0, 0.0), ((2.0, 3.0), -1e-6, -np.inf)),
        invalid=TWO_POSITIVE,
    ),
    Family(
        "ChiSquared",
        ((5.0,), (0.7,), (100.0,), (2e6,)),
        chi_squared,
        "MVESCQX",
        "implicit",
        frozen=lambda df: oracle_tails.gamma(df / 2, 0.5),
        condition=1.5,
        coordinate="positive",
        edges=(((2.0,), 0.0, -np.log(2.0)), ((3.0,), -1.0, -np.inf), ((2.0,), -1e-6, -np.inf)),
        invalid=ONE_POSITIVE,
    ),
    Family(
        "InverseGamma",
        ((2.5, 1.5), (0.7, 20.0), (50.0, 3.0), (1e6, 1e6)),
        inverse_gamma,
        "MVESCQX",
        "implicit",
        frozen=oracle_tails.inverse_gamma,
        cdf_condition=16.0,  # the rounding of scale / x moves the cdf by eps x p(x), about eps sqrt(a)
        condition=log_x_condition,
        coordinate="positive",
        edges=(((2.5, 1.5), 0.0, -np.inf), ((2.5, 1.5), -1.0, -np.inf)),
        invalid=TWO_POSITIVE,
    ),
    Family(
        "BetaPrime",
        ((2.5, 3.5, 1.5), (0.7, 2.0, 20.0), (50.0, 10.0, 3.0), (1e6, 1e6, 0.1)),
        beta_prime,
        "MVECQ",
        "implicit",
        num_noises=2,
        frozen=lambda a, b, scale: stats.betaprime(a, b, scale=scale),
        cdf_condition=32.0,  # the rounding of x / (x + scale) moves the cdf by eps sqrt(a + b)
        condition=log_x_condition,
        coordinate="positive",
        edges=(
            ((1.0, 3.0, 2.0), 0.0, np.log(1.5)),
            ((2.0, 3.0, 2.0), 0.0, -np.inf),
            ((1.0, 1.0, 1.0), -1e-6, -np.inf),
        ),
        invalid=((0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0), (1.0, 1.0, np.inf)),
    ),
]
