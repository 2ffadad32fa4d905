"""Families on intervals."""

import numpy as np
from family_entry import Family
from oracle_interval import (
    Kumaraswamy,
    OfLogit,
    TruncatedGumbel,
    kumaraswamy,
    kumaraswamy_condition,
    kumaraswamy_moments,
    logit_condition,
    truncated_condition,
    truncated_gumbel,
    truncated_moments,
    truncated_record,
)
from oracle_logit_normal import logit_normal, logit_normal_moments
from registry_positive import BAD_SCALE, TWO_POSITIVE
from scipy import stats

INTERVAL = [
    Family(
        "Kumaraswamy",
        ((2.5, 1.5), (0.3, 2.0), (50.0, 10.0), (30.0, 1e6)),
        kumaraswamy,
        "MVECQ",
        "explicit",
        frozen=Kumaraswamy,
        condition=kumaraswamy_condition,
        moment_oracle=kumaraswamy_moments,
        coordinate="interval",
        edges=(
            ((1.0, 1.0), 0.0, 0.0),
            ((1.0, 1.0), 1.0, 0.0),
            ((2.0, 2.0), 1.5, -np.inf),
            ((2.0, 2.0), -0.5, -np.inf),
        ),
        invalid=TWO_POSITIVE,
    ),
    Family(
        "LogitNormal",
        ((0.3, 1.7), (-2.0, 0.05), (4.0, 3.0), (-1.0, 6.0)),
        logit_normal,
        "MVECQ",
        "explicit",
        frozen=lambda loc, scale: OfLogit(stats.norm(loc, scale)),
        condition=logit_condition,
        moment_oracle=logit_normal_moments,
        coordinate="interval",
        edges=(((0.3, 1.7), 0.0, -np.inf), ((0.3, 1.7), 1.0, -np.inf), ((0.3, 1.7), -0.5, -np.inf)),
        invalid=BAD_SCALE,
        cdf_condition=16.0,
    ),
    Family(
        "Truncated",
        ((0.3, 1.7, -1.0, 2.0), (0.0, 1.0, -2.0, 0.5), (5.0, 2.0, 4.0, 30.0), (0.0, 1.0, 20.0, 21.0)),
        truncated_gumbel,
        "MVECQ",
        "explicit",
        frozen=TruncatedGumbel,
        build=truncated_record,
        condition=truncated_condition,
        moment_oracle=truncated_moments,
        coordinate="interval",
        ends=lambda loc, scale, low, high: (low, high),
        edges=(
            ((0.0, 1.0, -1.0, 1.0), -1.0, float(truncated_gumbel(-1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.0, float(truncated_gumbel(1, 0, 1, -1, 1))),
            ((0.0, 1.0, -1.0, 1.0), 1.001, -np.inf),
            ((0.0, 1.0, 10.0, 11.0), 9.0, -np.inf),
        ),
        invalid=((0.0, -1.0, 0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, 1.0, 1.0, 0.0), (np.nan, 1.0, 0.0, 1.0)),
    ),
]
