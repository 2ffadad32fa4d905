"""Laws of values that every family obeys, as plain functions of a registry entry and a dtype.

Each raises `AssertionError` where the law does not hold.
"""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from family_values import LOG_P, evaluate, evaluate_records, of_draw

import depthjax as dj


def law_values(entry, dtype):
    """log_prob is the oracle's within 8 eps max(1, |log_prob|) at the rounded parameters and points."""
    results, eps = evaluate(entry, dtype), np.finfo(dtype).eps
    for i, args in enumerate(entry.draws):
        x = entry.evaluation_points(args, dtype)
        want = entry.oracle(np.asarray(x, np.float64), entry.rounded(args, dtype))
        got = results["log_prob"][i]
        assert np.isfinite(got).all(), (args, x, got)
        error = np.abs(got.astype(np.float64) - want) / np.maximum(1, np.abs(want)) / entry.conditions(x, args)
        worst = int(np.argmax(error))
        assert error[worst] <= 8 * eps, (
            f"{entry.name}{args} at {x[worst]}: got {got[worst]!r}, want {want[worst]!r}, {error[worst] / eps:.1f} eps"
        )


def law_gradients_finite(entry, dtype):
    """Derivatives in x and in every parameter are finite on the support, at own draws too."""
    results = evaluate(entry, dtype)
    for name in ("score", "score_of_sample", "param_grad"):
        for leaf in jax.tree.leaves(results.get(name, ())):
            assert np.isfinite(leaf).all(), f"{entry.name}: {name}"


def law_derivatives(entry, dtype):
    """Derivatives of log_prob in x and in scalar parameters are the oracle's (central differences in mpmath)."""
    if not entry.scalar:
        return
    results = evaluate(entry, dtype)
    for i, args in enumerate(entry.draws):
        exact, x = entry.rounded(args, dtype), np.asarray(entry.evaluation_points(args, dtype), np.float64)
        slopes = [leaf[i] for leaf in jax.tree.leaves(results["param_grad"])]
        if "score" in results:
            slopes = [results["score"][i], *slopes]
        with mpmath.workdps(60):
            for n in range(0, len(x), 3):
                point = [mpmath.mpf(float(v)) for v in (x[n], *exact)]
                shift = 0 if "score" in results else 1
                for which, slope in enumerate(slopes):
                    want = _difference(entry.log_prob, point, which + shift)
                    scale = max(
                        1e-3, abs(want), abs(float(results["log_prob"][i][n])) / max(abs(point[which + shift]), 1)
                    )
                    assert abs(slope[n] - want) <= 1e-7 * scale, (entry.name, args, x[n], which, slope[n], want)


def _difference(fn, point, which):
    step = mpmath.mpf(10) ** -20 * (abs(point[which]) if point[which] else 1)
    up, down = ([v + s * step * (k == which) for k, v in enumerate(point)] for s in (1, -1))
    return float((fn(*up) - fn(*down)) / (2 * step))


def law_normalised(entry, dtype):
    """exp(log_prob) integrates, or sums, to one."""
    evaluated = jax.jit(lambda d, x: d.log_prob(x))
    for args in entry.draws:
        x, weights = entry.quadrature(args)
        total = np.sum(weights * np.exp(np.asarray(evaluated(entry.record(args, dtype), np.asarray(x, dtype)))))
        np.testing.assert_allclose(total, 1.0, rtol=1e-9, err_msg=f"{entry.name}{args}")


def law_moments(entry, dtype):
    """mean, variance, entropy and covariance are those of the oracle's density; the mode maximises log_prob."""
    results, eps = evaluate(entry, dtype), np.finfo(dtype).eps
    tolerance = max(64 * eps * entry.moment_condition, 1e-8)
    for i, args in enumerate(entry.draws):
        exact, got = entry.rounded(args, dtype), of_draw(results, i)
        want = entry.moments(exact)
        for name in ("mean", "variance", "covariance"):
            if name in got:
                size = np.sqrt(np.max(want["variance"])) if name == "mean" else 0.0
                np.testing.assert_allclose(
                    got[name], want[name], rtol=tolerance, atol=tolerance * size, err_msg=f"{entry.name}{args} {name}"
                )
        if "stddev" in got:
            np.testing.assert_allclose(got["stddev"], np.sqrt(got["variance"]), rtol=4 * eps)
        if "entropy" in got:
            np.testing.assert_allclose(
                got["entropy"], want["entropy"], rtol=tolerance, atol=tolerance, err_msg=f"{entry.name}{args} entropy"
            )
        if "mode" in got:
            record = entry.record(args, dtype)
            top = float(record.log_prob(got["mode"]))
            best = max(float(np.max(got["log_prob"])), float(np.max(got["sample_log_prob"])))
            assert top >= best - 16 * eps * max(1, abs(top)), (entry.name, args, top, best)


def law_own_draws(entry, dtype):
    """Draws lie in the support with a finite log_prob, the one that sample_and_log_prob reports; noise gives both."""
    results, eps = evaluate(entry, dtype), np.finfo(dtype).eps
    for i, args in enumerate(entry.draws):
        got = of_draw(results, i)
        assert np.isfinite(got["log_prob_of_sample"]).all(), f"{entry.name}{args}"
        assert np.isfinite(got["sample_log_prob"]).all(), f"{entry.name}{args}"
        assert got["sample_inside"].all(), f"{entry.name}{args}: a draw outside the support"
        slack = 16 * eps * entry.draw_slack(args)
        error = np.abs(got["log_prob_of_sample"] - got["sample_log_prob"]) / np.maximum(
            1, np.abs(got["sample_log_prob"])
        )
        assert error.max() <= slack, (entry.name, args, error.max() / eps)
        if "from_noise" in got:
            x, log_prob = got["from_noise"]
            assert x.shape == (64, *got["sample"].shape[1:])
            assert log_prob.shape == (64,)
            assert np.isfinite(log_prob).all()


def law_sampler(entry, dtype):
    """Draws follow the oracle's law: Kolmogorov-Smirnov on each projection, randomised where there are atoms."""
    from scipy import stats

    results, random = evaluate(entry, dtype), np.random.default_rng(0)
    for i, args in enumerate(entry.draws):
        exact = entry.rounded(args, dtype)
        sample = results["sample"][i].astype(np.float64)
        for project, frozen in entry.projected(exact):
            x = project(sample)
            if hasattr(frozen.dist, "pmf") or isinstance(frozen.dist, stats.rv_discrete):
                u = frozen.cdf(x - 1) + random.uniform(size=x.shape) * frozen.pmf(x)
            else:
                u = frozen.cdf(x)
            p = stats.kstest(u, "uniform").pvalue
            assert p > 1e-4, (entry.name, args, p)


def law_cdf(entry, dtype):
    """cdf, survival and their logs are the oracle's, relative, in both tails."""
    if "C" not in entry.offers:
        return
    results, eps = evaluate(entry, dtype), np.finfo(dtype).eps
    for i, args in enumerate(entry.draws):
        frozen = entry.frozen(*entry.rounded(args, dtype))
        x = np.asarray(entry.evaluation_points(args, dtype), np.float64)
        for name, oracle in (("log_cdf", frozen.logcdf), ("log_survival", frozen.logsf)):
            with np.errstate(all="ignore"):
                want = oracle(x)
            known = np.isfinite(want)
            slack = (64 * eps + 1e-10) * entry.cdf_condition * np.maximum(1, np.abs(want))
            # near zero the log of a cdf is minus the other tail
            got = results[name][i]
            assert not np.isnan(got).any(), (entry.name, args, name)
            error = np.abs(got[known] - want[known]) / slack[known]
            assert (error <= 1).all(), (
                entry.name,
                args,
                name,
                x[known][error.argmax()],
                got[known][error.argmax()],
                want[known][error.argmax()],
            )
            plain = {"log_cdf": "cdf", "log_survival": "survival"}[name]
            error = np.abs(results[plain][i] - np.exp(want))[~np.isnan(want)]
            assert (error <= (64 * eps + 1e-10) * entry.cdf_condition).all(), (entry.name, args, plain, error.max())


def law_quantile(entry, dtype):
    """quantile inverts cdf up to backward error, and its log forms reach where exp underflows."""
    if "Q" not in entry.offers:
        return
    results, eps = evaluate(entry, dtype), np.finfo(dtype).eps
    log_p = np.asarray(LOG_P, dtype).astype(np.float64)
    for i, args in enumerate(entry.draws):
        frozen = entry.frozen(*entry.rounded(args, dtype))
        spread = abs(frozen.ppf(0.5)) + frozen.ppf(0.9) - frozen.ppf(0.1)
        for name, oracle, density in (
            ("quantile_from_log", frozen.logcdf, frozen.logpdf),
            ("quantile_from_log_survival", frozen.logsf, frozen.logpdf),
        ):
            x = results[name][i].astype(np.float64)
            assert not np.isnan(x).any(), (entry.name, args, name)
            with np.errstate(all="ignore"):
                got, log_density = oracle(x), density(x)
                reach = np.exp(log_density - log_p) * (np.abs(x) + spread) * entry.cdf_condition
                slack = 64 * eps * (np.abs(log_p) + 1 + reach) + 1e-9 * np.maximum(1, np.abs(log_p))
                tight = np.isfinite(got) & np.isfinite(slack) & (np.abs(got - log_p) <= slack)
                ends = np.sort(oracle(_neighbours(x, dtype)), axis=0)
            between = (ends[0] <= log_p) & (log_p <= ends[1])
            bad = ~(tight | between)
            assert not bad.any(), (entry.name, args, name, log_p[bad][:3], x[bad][:3], got[bad][:3])
        assert (np.diff(results["quantile_from_log"][i][:16]) >= 0).all(), f"{entry.name}{args}: not monotone"


def _neighbours(x, dtype):
    """The numbers of the dtype just below and just above x, subnormal ones left out."""
    x, tiny = np.asarray(x, dtype), np.finfo(dtype).tiny
    below, above = np.nextafter(x, dtype(-np.inf)), np.nextafter(x, dtype(np.inf))
    return np.stack([np.where(np.abs(x) < tiny, -tiny, below), np.where(np.abs(x) < tiny, tiny, above)]).astype(
        np.float64
    )


def law_edges(entry, dtype):
    """At the ends of the support log_prob is the limit; outside it is -inf; derivatives are never NaN, zero outside."""
    for group in [entry.edges[k : k + 4] for k in range(0, len(entry.edges), 4)]:
        records = [entry.record(args, dtype) for args, _, _ in group]
        points = [np.full_like(entry.evaluation_points(args, dtype), x) for args, x, _ in group]
        results = evaluate_records(records, points)
        for i, (args, x, want) in enumerate(group):
            got, label = of_draw(results, i), f"{entry.name}{args} at {x}"
            np.testing.assert_allclose(
                got["log_prob"][0], want, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps, err_msg=label
            )
            slopes = jax.tree.leaves((got.get("score", ()), got["param_grad"]))
            if not bool(getattr(records[i], "_density_support", records[i].support).check(points[i][0])):
                assert all((leaf == 0).all() for leaf in slopes), label
            else:
                assert not any(np.isnan(leaf).any() for leaf in slopes), label
                assert want == -np.inf or all(np.isfinite(leaf).all() for leaf in slopes), label


def law_exponential_family(entry, dtype):
    """log_prob = <T, eta> - A + log h; grad A = E T; Hessian A = cov T; both parameterisations round trip."""
    if "X" not in entry.offers:
        return
    results = evaluate(entry, dtype)
    for i, args in enumerate(entry.draws):
        got, family = of_draw(results, i), of_draw(results, i)["family"]
        label = f"{entry.name}{args}"
        np.testing.assert_allclose(
            family["rebuilt"], got["log_prob"], rtol=1e-8, atol=1e-8 * _largest(family), err_msg=label
        )
        _check_mean_and_fisher(entry, args, family, dtype, label)
        cls, context = type(entry.record(args, dtype)), entry.natural_context(*args)
        again = cls.from_natural(family["eta"], **context)
        x = entry.evaluation_points(args, dtype)
        np.testing.assert_allclose(again.log_prob(x), got["log_prob"], rtol=1e-8, atol=1e-8, err_msg=label)
        if args is entry.draws[-1]:
            continue  # where the spread is below the rounding of the mean, mean parameters do not hold it
        from_mean = cls.from_mean_parameters(family["mean_parameters"], **context)
        np.testing.assert_allclose(from_mean.log_prob(x), got["log_prob"], rtol=1e-5, atol=1e-5, err_msg=label)


def _largest(family):
    parts = [np.max(np.abs(family["statistics"][k])) * np.max(np.abs(family["eta"][k])) for k in family["eta"]]
    return max(1.0, *map(float, parts))


def _check_mean_and_fisher(entry, args, family, dtype, label):
    nodes, weights = entry.quadrature(args)
    record = entry.record(args, dtype)
    statistics, log_prob = jax.jit(lambda x: (jax.vmap(record.sufficient_statistics)(x), record.log_prob(x)))(
        np.asarray(nodes, dtype)
    )
    mass = np.asarray(weights * np.exp(np.asarray(log_prob)))
    flat = np.concatenate([np.asarray(statistics[k]).reshape(len(mass), -1) for k in sorted(statistics)], axis=1)
    mean = mass @ flat
    got = np.concatenate([np.ravel(family["mean_parameters"][k]) for k in sorted(statistics)])
    size = np.sqrt(mass @ flat**2)
    assert (np.abs(got - mean) <= 1e-7 * np.maximum(size, 1e-12)).all(), (label, got, mean)
    centered = flat - mean
    covariance = (centered * mass[:, None]).T @ centered
    spread = np.sqrt(np.diagonal(covariance))
    slack = 1e-5 * np.outer(spread, spread) + 1e-13 * np.outer(size, size)
    assert (np.abs(family["fisher"] - covariance) <= slack).all(), (label, family["fisher"], covariance)


def law_random_parameters(entry, dtype, seed):
    """log_prob is the oracle's at parameters drawn at random in unconstrained coordinates."""
    vector, unravel = dj.ravel(entry.record(entry.draws[0], dtype))
    random = np.random.default_rng(seed)
    records = [unravel(jnp.asarray(random.uniform(-3, 3, vector.shape), dtype)) for _ in range(4)]
    arguments = [tuple(np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(record)) for record in records]
    points = [entry.evaluation_points(args, dtype) for args in arguments]
    results, eps = evaluate_records(records, points), np.finfo(dtype).eps
    for i, (args, x) in enumerate(zip(arguments, points, strict=True)):
        want = entry.oracle(np.asarray(x, np.float64), args)
        error = np.abs(results["log_prob"][i] - want) / np.maximum(1, np.abs(want)) / entry.conditions(x, args)
        assert error.max() <= 8 * eps, (entry.name, args, x[error.argmax()], error.max() / eps)
