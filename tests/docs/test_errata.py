"""Every row of docs/errata.md: the right form holds numerically, and the printed form does not."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from doc_blocks import ROOT

import depthjax as dj
from depthjax import bijectors, distributions, flows, vi
from depthjax.numerics import gauss_hermite_rule, integrate

X64 = jax.config.jax_enable_x64
TOL = 1e-9 if X64 else 2e-5
Normal = distributions.Normal


def close(got, want, tol=TOL):
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=tol, atol=tol, equal_nan=False)


def differs(got, want):
    assert abs(float(got) - float(want)) > 0.05


def mean_under(normal, fn):
    """E fn(x) for scalar normal x by Gauss-Hermite nodes."""
    nodes, weights = gauss_hermite_rule(40)
    z = jnp.asarray(nodes, normal.loc.dtype)
    return jnp.sum(jnp.asarray(weights, z.dtype) * jax.vmap(fn)(normal.loc + normal.scale * z))


def kl(p, q):
    return mean_under(p, lambda x: p.log_prob(x) - q.log_prob(x))


def test_every_row_names_a_test():
    rows = [row for row in (ROOT / "docs" / "errata.md").read_text().splitlines() if row.startswith("| ")]
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    named = [names[-1] for names in named if names]
    here = set()
    for file in ("test_errata.py", "test_errata_inference.py", "test_errata_ode.py", "test_errata_stein.py"):
        here |= set(re.findall(r"^def (test_\w+)", (ROOT / "tests" / "docs" / file).read_text(), re.MULTILINE))
    here -= {"test_every_row_names_a_test"}
    assert len(named) == len(set(named))
    assert set(named) == here


def test_pixelcnn_opens_the_row_above():
    printed_a, printed_b = (np.array([[0, 0, 0], [1, own, 0], [1, 1, 1]]) for own in (0, 1))
    for kind, printed in (("A", printed_a), ("B", printed_b)):
        np.testing.assert_array_equal(bijectors.pixelcnn_mask(3, kind, order="reverse")[:, :, 0, 0], printed)
    for order, unseen in (("raster", slice(3, 5)), ("reverse", slice(0, 2))):
        masks = [bijectors.pixelcnn_mask(3, kind, order=order) for kind in "AB"]
        field = bijectors.receptive_field(masks, (5, 5), (2, 3))
        assert not field[unseen].any()
        assert field.any()
        assert not field[2, 3:].any()


def test_affine_scale_sign():
    close(bijectors.Affine(0.0, -2.0).forward_log_det(1.0), np.log(2.0))
    assert np.isnan(np.asarray(jnp.log(jnp.asarray(-2.0))))


def test_sigmoid_mixture_weights_nonnegative():
    def slope(weights, z):
        def level(v):
            return jnp.sum(weights * jax.nn.sigmoid(jnp.array([1.0, 5.0]) * v))

        return jax.grad(lambda v: bijectors.Logit().forward(level(v)))(z)

    close(slope(jnp.array([1.5, -0.5]), 0.0), -1.0)
    parts = jax.vmap(distributions.Logistic)(jnp.zeros(2), jnp.array([1.0, 0.2]))
    mixture = distributions.MixtureSameFamily(jnp.log(jnp.array([0.7, 0.3])), parts)
    slopes = jax.vmap(jax.grad(lambda z: bijectors.Logit().forward(mixture.cdf(z))))(jnp.linspace(-3.0, 3.0, 13))
    assert (np.asarray(slopes) > 0).all()
    close(slopes[6], slope(jnp.array([0.7, 0.3]), 0.0))


@dj.record
class _Bounded(dj.Bijector):
    """x + (arctan(x) - x): injective with slope 1/(1 + x^2) > 0, and bounded."""

    event_shape: tuple[int, ...] = dj.static(default=())
    elementwise = True

    def _forward_and_log_det(self, x):
        return jnp.arctan(x), -jnp.log1p(x * x)

    def _inverse_and_log_det(self, y):
        raise NotImplementedError


def test_positive_slope_does_not_make_it_onto():
    solver = bijectors.NumericalInverse(_Bounded())
    assert np.isfinite(np.asarray(solver.inverse(1.5)))
    assert np.isnan(np.asarray(solver.inverse(2.0)))


def test_radial_strict_inequality():
    at_equality = (2.0 - 1.0) * np.log(np.float64(1e-300)) + np.log(np.float64(1e-300))
    assert at_equality < -1000
    near = bijectors.Radial.from_values(jnp.zeros(2), 1.0, -1.0 + 1e-3)
    close(near.forward_log_det(jnp.zeros(2)), 2 * np.log(1e-3), tol=1e-4)
    equal = bijectors.Radial.from_values(jnp.zeros(2), 1.0, -1.0)
    assert not np.isfinite(np.asarray(equal.forward_log_det(jnp.zeros(2))))


def test_jacobian_at_the_preimage():
    slope = jnp.exp(bijectors.Exp().inverse_log_det(2.0))
    close(slope, 0.5)
    close(slope, jnp.exp(-bijectors.Exp().forward_log_det(jnp.log(2.0))))
    differs(slope, jnp.exp(-bijectors.Exp().forward_log_det(2.0)))


def test_inverse_log_det_sign():
    flow = bijectors.Chain(bijectors.Affine(0.5, 3.0), bijectors.Exp())
    u = flow.inverse(2.0)
    close(flow.inverse_log_det(2.0), -flow.forward_log_det(u))
    differs(flow.inverse_log_det(2.0), flow.forward_log_det(u))


def test_pulled_back_divergence_is_the_forward_one():
    standard, flow = Normal(0.0, 1.0), bijectors.Affine(0.5, 3.0)
    model = distributions.Transformed(standard, flow)
    forward = mean_under(standard, lambda x: standard.log_prob(x) - model.log_prob(x))
    pulled_back = kl(Normal(flow.inverse(0.0), 1.0 / 3.0), standard)
    reverse = mean_under(
        standard, lambda u: standard.log_prob(u) - flow.forward_log_det(u) - standard.log_prob(flow.forward(u))
    )
    close(forward, 0.6680567331, tol=max(TOL, 1e-9))
    close(pulled_back, forward)
    close(reverse, 3.0263877113, tol=max(TOL, 1e-9))


def test_maximiser_without_the_posterior():
    x, start, q = 1.7, -0.4, Normal(0.9, 0.3)
    ignored = jax.grad(lambda t: mean_under(q, lambda z: Normal(t, 1.0).log_prob(x) + 0.0 * z))
    close(ignored(x), 0.0)
    posterior = Normal((x - start) / 2, 0.5**0.5)
    expected = jax.grad(lambda t: mean_under(posterior, lambda z: Normal(z + t, 1.0).log_prob(x)))
    close(expected((x + start) / 2), 0.0)
    differs(expected(x), 0.0)


def test_max_of_a_sum():
    t = np.linspace(-2, 3, 5001)
    a, b = -(t**2), -((t - 1) ** 2)
    close((a + b).max(), -0.5)
    close(a.max() + b.max(), 0.0)


def test_binary_cross_entropy_sign():
    loss = -distributions.Bernoulli(1.3).log_prob(1)
    close(loss, -np.log(1 / (1 + np.exp(-1.3))))
    assert float(loss) > 0 > -float(loss)


def test_mixture_component_normaliser():
    weight, scales = 0.3, np.array([0.5, 2.0])
    parts = jax.vmap(Normal)(jnp.array([-1.0, 2.0]), jnp.asarray(scales, jnp.result_type(float)))
    mixture = distributions.MixtureSameFamily(jnp.log(jnp.array([weight, 1 - weight])), parts)
    total = jax.jit(lambda d: integrate(lambda x: jnp.exp(d.log_prob(x)), -20.0, 24.0, num_points=400))(mixture)
    close(total, 1.0, tol=max(TOL, 1e-8))
    differs(weight + (1 - weight) * scales[1] / scales[0], 1.0)


def test_poisson_is_a_mass_function():
    poisson = distributions.poisson_from_rate(3.5)
    log_mass = np.asarray(jax.jit(lambda d, x: d.log_prob(x))(poisson, jnp.arange(0.0, 60.0, 0.5)))
    close(np.sum(np.exp(log_mass[::2])), 1.0)
    assert (log_mass[1::2] == -np.inf).all()


def test_normal_normaliser():
    normal = distributions.MultivariateNormal(jnp.array([0.3, -0.2]), jnp.array([[1.0, 0.0], [0.5, 0.8]]))
    grid = jnp.linspace(-10.0, 10.0, 161)
    points = jnp.stack(jnp.meshgrid(grid, grid), axis=-1)
    density, cell = jax.jit(lambda d, x: jnp.exp(d.log_prob(x)))(normal, points), (grid[1] - grid[0]) ** 2
    close(jnp.sum(density) * cell, 1.0, tol=max(TOL, 1e-8))
    z = np.linalg.solve(np.array([[1.0, 0.0], [0.5, 0.8]]), (np.asarray(points, np.float64) - [0.3, -0.2])[..., None])
    printed = np.exp(-0.5 * np.sum(z[..., 0] ** 2, axis=-1)) / (0.8 * np.pi)
    close(np.sum(printed) * float(cell), 2.0, tol=max(TOL, 1e-8))


def test_square_root_bins_do_not_fill_the_unit_interval():
    phi = np.array([0.1, 0.2, 0.5, 0.1, 0.1])
    spline = bijectors.SqrtBin(jnp.asarray(phi, jnp.result_type(float)))
    y = jax.jit(spline.forward)(jnp.array([0.0, 0.2, 1.0]))
    close(y, [0.0, np.sqrt(0.1), np.sqrt(phi).sum()])
    differs(y[2], 1.0)
    assert int(np.floor(5 * 1.0)) + 1 > len(phi)
    assert float(spline.forward_log_det(0.0)) == np.inf
    close(bijectors.SqrtBin(spline.phi, normalize=True).forward(1.0), 1.0)


def test_reverse_loss_needs_the_log_det():
    def losses(affine):
        value = mean_under(Normal(0.0, 1.0), lambda z: Normal(2.0, 3.0).log_prob(affine.forward(z)))
        return -value, -value - affine.forward_log_det(0.0)

    right = bijectors.Affine(2.0, 3.0)
    exact = jax.grad(lambda f: losses(f)[1])(right)
    close(exact.shift, 0.0)
    close(exact.scale, 0.0)
    printed = [losses(bijectors.Affine(2.0, scale))[0] for scale in (3.0, 1.0, 0.1, 0.001)]
    assert (np.diff(np.asarray(printed)) < 0).all()


def test_mixture_parameter_count():
    parts = jax.vmap(Normal)(jnp.array([-6.0, -3.0, 0.0, 3.0, 6.0]), jnp.ones(5))
    vector, unravel = dj.ravel(distributions.MixtureSameFamily(jnp.zeros(5), parts))
    assert vector.shape == (15,)
    jacobian = jax.jit(jax.jacfwd(lambda v: unravel(v).log_prob(jnp.linspace(-9.0, 9.0, 60))))(vector)
    singular = np.linalg.svd(np.asarray(jacobian, np.float64), compute_uv=False)
    assert singular[-1] < 1e-5 * singular[0] < 1e-3 * singular[0] < singular[-2]


def test_divergence_is_not_a_distance():
    p, q, r = Normal(0.0, 1.0), Normal(0.0, 2.0), Normal(0.0, 4.0)
    differs(kl(p, q), kl(q, p))
    assert float(kl(r, p)) > float(kl(r, q)) + float(kl(q, p))
    close(kl(p, p), 0.0)


def test_score_estimator_is_a_mean():
    logit, values = float(np.log(3 / 7)), jnp.array([1.7, -0.4])
    score = jax.vmap(lambda b: jax.grad(lambda t: distributions.Bernoulli(t).log_prob(b))(logit))(jnp.arange(2))
    mass = np.exp(np.asarray(distributions.Bernoulli(logit).log_prob(jnp.arange(2)), np.float64))
    terms = np.asarray(values * score, np.float64)
    outcomes = [(np.prod(mass[list(b)]), terms[list(b)]) for b in itertools.product((0, 1), repeat=4)]
    close(sum(m * t.mean() for m, t in outcomes), 0.3 * 0.7 * (-0.4 - 1.7))
    close(sum(m * t.sum() for m, t in outcomes), 4 * 0.3 * 0.7 * (-0.4 - 1.7))


def test_density_of_a_scaled_variable():
    normal = Normal(0.4, 1.0)
    scaled = distributions.Transformed(normal, bijectors.Affine(0.0, -2.0))
    density = jnp.exp(scaled.log_prob(0.8))
    close(density, jnp.exp(normal.log_prob(0.8 / -2.0)) / 2.0)
    differs(density, jnp.exp(normal.log_prob(0.8 / -2.0)) / -2.0)


def test_gamma_moment_generating_function():
    gamma, t = distributions.Gamma(3.0, 2.0), 0.4

    def cumulant(s):
        return 3.0 * (jnp.log(2.0) - jnp.log(2.0 - s))

    got = jax.jit(lambda d: integrate(lambda x: jnp.exp(t * x + d.log_prob(x)), 1e-6, 40.0, num_points=200))(gamma)
    close(got, jnp.exp(cumulant(t)), tol=max(TOL, 1e-8))
    close(jax.grad(cumulant)(0.0), gamma.mean())
    close(jax.grad(jax.grad(cumulant))(0.0), gamma.variance())
    differs(got, 1.0 / ((3.0 - 2.0 * t) * 3.0))


def test_precision_form_sign():
    precision = jnp.array([[2.0, 0.6], [0.6, 1.0]])
    normal, x = distributions.mvn_from_precision(jnp.array([1.0, -1.0]), precision), jnp.array([0.2, 0.5])
    centred = x - normal.mean()
    change = normal.log_prob(x) - normal.log_prob(normal.mean())
    close(change, -0.5 * centred @ precision @ centred)
    assert float(change) < 0


def test_covariance_estimate_is_an_outer_product():
    x = np.random.default_rng(0).normal(size=(50, 3)) @ np.array([[1, 0, 0], [0.5, 1, 0], [0, 0.3, 2]]).T
    centred = (x - x.mean(0)).astype(np.float64 if X64 else np.float32)
    outer = np.einsum("ni,nj->ij", centred, centred) / 50
    fitted = distributions.mvn_from_covariance(jnp.zeros(3), jnp.asarray(outer))
    close(fitted.covariance(), outer)
    slope = jax.jit(jax.grad(lambda d: jnp.mean(d.log_prob(jnp.asarray(centred)))))(fitted)
    close(jnp.tril(slope.scale_tril), np.zeros((3, 3)), tol=max(TOL, 1e-8))
    assert fitted.covariance().shape != centred.sum(0).shape


def test_cauchy_schwarz():
    x = y = np.array([1.0, -1.0])
    assert (x @ y) ** 2 <= (x @ x) * (y @ y)
    assert not (x @ y) ** 2 <= (x @ x) * y.sum() ** 2


def test_additive_couplings_preserve_volume():
    weights, x = jnp.array([[1.5], [-0.7]]), jnp.array([0.4, 1.2])
    additive = bijectors.AdditiveCoupling(flows.Apply(weights[:1], lambda w, h: w @ h), mask=(True, False))
    close(additive.forward_log_det(x), 0.0)
    affine = bijectors.AffineCoupling(flows.Apply(weights, lambda w, h: w @ h), mask=(True, False))
    differs(affine.forward_log_det(x), 0.0)
    assert (np.exp(np.maximum(np.linspace(-3, 3, 7), 0)) >= 1).all()


def test_annealing_weighs_the_log_joint():
    q, log_joint = Normal(0.2, 0.7), lambda _, z: Normal(1.0, 2.0).log_prob(z)
    plain, z = vi.elbo_objective(log_joint), jnp.asarray(0.3)
    hot, half = (vi.Objective(log_joint, plain.combine, inverse_temperature=b) for b in (1.0, 0.5))
    close(hot.integrand(None, q, z), plain.integrand(None, q, z))
    close(half.integrand(None, q, z), 0.5 * Normal(1.0, 2.0).log_prob(z) - q.log_prob(z))
    differs(half.integrand(None, q, z), plain.integrand(None, q, z))


def test_pathwise_needs_a_continuous_latent():
    q = distributions.Bernoulli(0.3)
    step = vi.value_and_grad(vi.pathwise(num_samples=2), vi.elbo_objective(lambda _, z: 0.0 * z), q)
    with pytest.raises(TypeError, match="pathwise"):
        step(jax.random.key(0), q, ())


def test_importance_weighted_bound_grows():
    joint, q = np.array([0.2, 0.05, 0.15]), np.array([0.5, 0.2, 0.3])
    log_w, bounds = np.log(joint / q), []
    for size in (1, 2, 3):
        draws = np.array(list(itertools.product(range(3), repeat=size)))
        mass = np.prod(q[draws], axis=1)
        values = vi.iwae_bound(jnp.asarray(log_w[draws], jnp.result_type(float)))
        bounds.append(float(np.sum(mass * np.asarray(values, np.float64))))
    close(bounds[0], -0.9433483934, tol=max(TOL, 1e-8))
    close(bounds[2], -0.9245164878, tol=1e-5)
    assert bounds[0] < bounds[1] < bounds[2] < np.log(0.4)
    close(np.sum(q * log_w), bounds[0])
