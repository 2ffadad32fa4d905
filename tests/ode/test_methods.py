"""Records of methods, their orders and root conditions against exact values."""

from fractions import Fraction as F

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import ode

X64 = jax.config.jax_enable_x64

ORDERS = {
    "EULER": 1, "MIDPOINT": 2, "HEUN": 2, "RALSTON": 2, "RK4": 4, "BOSH3": 3, "DOPRI5": 5, "TSIT5": 5,
    "IMPLICIT_EULER": 1, "IMPLICIT_MIDPOINT": 2, "GAUSS4": 4, "GAUSS6": 6, "RADAU2A3": 3, "RADAU2A5": 5,
    "LOBATTO3C4": 4,
}  # fmt: skip
EMBEDDED = {"BOSH3": 2, "DOPRI5": 4, "TSIT5": 4}


@pytest.mark.parametrize("name", ORDERS)
def test_order(name):
    tableau = getattr(ode, name)
    assert ode.rk_order(tableau) == ORDERS[name]
    if name in EMBEDDED:
        assert ode.rk_order(tableau, embedded=True) == EMBEDDED[name]


def test_trees_are_counted():
    assert [len(ode.rk_order_residuals(ode.RK4, p)) for p in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


@pytest.mark.parametrize(
    ("name", "want"),
    [("HEUN", 1 / 6), ("RK4", 1 / 80), ("DOPRI5", 1 / 3600), ("GAUSS4", 1 / 180), ("RADAU2A5", 1 / 600)],
)
def test_largest_defect_of_the_first_order_that_fails(name, want):
    defects = [abs(r) for _, r in ode.rk_order_residuals(getattr(ode, name), ORDERS[name] + 1)]
    np.testing.assert_allclose(max(defects), want, rtol=1e-10)


def test_tsit5_is_that_of_diffrax():
    diffrax = pytest.importorskip("diffrax")
    peer = diffrax.Tsit5.tableau
    np.testing.assert_allclose(ode.TSIT5.b, peer.b_sol, rtol=1e-15)
    np.testing.assert_allclose(ode.TSIT5.b_hat, np.asarray(peer.b_sol) - np.asarray(peer.b_error), rtol=1e-9)
    for row, want in zip(ode.TSIT5.a[1:], peer.a_lower, strict=True):
        np.testing.assert_allclose(row[: len(want)], want, rtol=1e-15)


def test_facts_of_tableaus():
    assert ode.RK4.is_explicit
    assert ode.DOPRI5.is_fsal
    assert ode.TSIT5.is_fsal
    assert ode.BOSH3.is_fsal
    assert not ode.RK4.is_fsal
    assert not ode.EULER.is_fsal
    assert not ode.GAUSS4.is_diagonally_implicit
    assert ode.IMPLICIT_MIDPOINT.is_diagonally_implicit
    assert ode.RADAU2A5.is_stiffly_accurate
    assert ode.theta_tableau(0.5).is_stiffly_accurate
    assert not ode.GAUSS4.is_stiffly_accurate
    assert [ode.rk_order(ode.theta_tableau(theta)) for theta in (0.0, 0.3, 0.5, 1.0)] == [1, 1, 2, 1]


def test_tableaus_are_pytrees_of_float64_whatever_the_precision():
    leaves, treedef = jax.tree.flatten(ode.DOPRI5)
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float64 for leaf in leaves)
    assert jax.tree.unflatten(treedef, [object(), None, 1, 2]).c == 1
    assert jax.tree.structure(ode.RK4) == jax.tree.structure(ode.EULER)
    with pytest.raises(AttributeError, match="frozen"):
        ode.RK4.a = 1


LMM_FACTS = [
    (ode.adams_bashforth(1), 1, F(1, 2)),
    (ode.adams_bashforth(2), 2, F(5, 12)),
    (ode.adams_bashforth(3), 3, F(3, 8)),
    (ode.adams_bashforth(4), 4, F(251, 720)),
    (ode.adams_moulton(1), 2, F(-1, 12)),
    (ode.adams_moulton(2), 3, F(-1, 24)),
    (ode.adams_moulton(3), 4, F(-19, 720)),
    (ode.bdf(1), 1, F(-1, 2)),
    (ode.bdf(2), 2, F(-2, 9)),
    (ode.bdf(3), 3, F(-3, 22)),
    (ode.nystrom(2), 2, F(1, 3)),
    (ode.milne_simpson(), 4, F(-1, 90)),
]


@pytest.mark.parametrize(("method", "order", "constant"), LMM_FACTS)
def test_error_constants_are_exact(method, order, constant):
    got = ode.lmm_order(method)
    assert (got.order, got.error_constant) == (order, constant)
    assert isinstance(got.error_constant, F)
    assert ode.is_consistent(method)


def test_orders_of_the_families():
    for k in range(1, 8):
        assert ode.lmm_order(ode.adams_bashforth(k)).order == k
        assert ode.lmm_order(ode.adams_moulton(k)).order == k + 1
        assert ode.lmm_order(ode.bdf(k)).order == k


def test_coefficients_of_the_families():
    np.testing.assert_array_equal(ode.adams_bashforth(3).beta, [5 / 12, -16 / 12, 23 / 12, 0.0])
    np.testing.assert_array_equal(ode.adams_moulton(2).beta, [-1 / 12, 8 / 12, 5 / 12])
    np.testing.assert_array_equal(ode.bdf(2).alpha, [1 / 3, -4 / 3, 1.0])
    np.testing.assert_array_equal(ode.bdf(2).beta, [0.0, 0.0, 2 / 3])
    np.testing.assert_array_equal(ode.nystrom(2).beta, [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(ode.milne_simpson().beta, [1 / 3, 4 / 3, 1 / 3])
    assert ode.adams_bashforth(2).is_explicit
    assert not ode.bdf(2).is_explicit
    assert ode.bdf(4).num_steps_back == 4


def test_parasitic_radii_of_backward_differentiation():
    got = [ode.root_condition(ode.bdf(k)) for k in range(1, 8)]
    assert [r.satisfied for r in got] == [True] * 6 + [False]
    assert all(r.strongly_stable for r in got[:6])
    radii = [0.0, 0.3333, 0.4264, 0.5609, 0.7087, 0.8634, 1.0222]
    np.testing.assert_allclose([r.parasitic_radius for r in got], radii, atol=5e-5)


def test_weakly_stable_and_doubled_roots():
    leapfrog = ode.root_condition(ode.nystrom(2))
    assert leapfrog.satisfied
    assert not leapfrog.strongly_stable
    double = ode.root_condition(ode.LMM([1.0, -2.0, 1.0], [0.0, 0.0, 1.0]))
    assert not double.satisfied
    np.testing.assert_array_equal(double.roots, [1.0, 1.0])
    assert ode.root_condition(ode.LMM([0.0, 0.0, -1.0, 1.0], [0.0, 0.0, 1.0, 0.0])).satisfied  # double root 0
    triple = np.polynomial.polynomial.polyfromroots([1.0, 0.5, 0.5, 0.5])
    report = ode.root_condition(ode.LMM(triple, [0.0] * 4 + [1.0]))
    assert report.strongly_stable
    np.testing.assert_allclose(report.parasitic_radius, 0.5, rtol=1e-14)


def test_irrational_coefficients_fall_back_to_floats():
    root = np.cos(1.0)
    method = ode.LMM([root, -1 - root, 1.0], [0.0, 1 - root, 0.0])
    got = ode.lmm_order(method)
    assert got.order == 1
    assert isinstance(got.error_constant, float)
    np.testing.assert_allclose(ode.root_condition(method).parasitic_radius, root, rtol=1e-12)


def test_dahlquist_barriers():
    """Zero-stable k-step methods of highest order for random rational rho stay below k + 1 (odd) or k + 2 (even)."""
    rng = np.random.default_rng(0)
    highest = {}
    for _ in range(60):
        k = int(rng.integers(1, 5))
        parasitic = [F(int(n), 8) for n in rng.integers(-8, 9, size=k - 1)]
        if k % 2 == 0 and rng.random() < 0.3:  # roots 1, -1 and pairs +-i reach the bound
            parasitic[0] = F(-1)
            if k == 4:
                parasitic[1:] = [F(0), F(0)]
        alpha = [F(1)]
        for root in [F(1), *parasitic]:
            alpha = [
                (alpha[i - 1] if i else 0) - root * (alpha[i] if i < len(alpha) else 0) for i in range(len(alpha) + 1)
            ]
        nodes = np.array([[F(j) ** q for j in range(k + 1)] for q in range(k + 1)])
        moments = [sum(a * F(j) ** (q + 1) for j, a in enumerate(alpha)) / (q + 1) for q in range(k + 1)]
        method = ode.LMM([float(a) for a in alpha], [float(b) for b in solve_exactly(nodes, moments)])
        report, order = ode.root_condition(method), ode.lmm_order(method).order
        assert order >= k + 1
        if report.satisfied:
            highest[k] = max(order, highest.get(k, 0))
            assert order <= (k + 1 if k % 2 else k + 2)
            if order > 2:
                assert not ode.is_a_stable(method)
    assert highest[2] == 4


def solve_exactly(matrix, right):
    """Gauss-Jordan elimination over the rationals."""
    rows = [[F(v) for v in row] + [r] for row, r in zip(matrix, right, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = next(r for r in range(i, n) if rows[r][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(n):
            if r != i:
                rows[r] = [v - rows[r][i] * w for v, w in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def test_richardson_on_the_logistic_equation():
    if not X64:
        pytest.skip("errors down to 1e-9")
    exact = 0.1 * np.exp(2) / (0.9 + 0.1 * np.exp(2))

    def euler(h):
        y = 0.1
        for _ in range(round(2 / h)):
            y = y + h * y * (1 - y)
        return jnp.asarray(y)

    for levels, wants in {
        1: [3.868e-6, 9.174e-7, 2.231e-7],
        2: [6.63e-8, 8.36e-9, 1.05e-9],
    }.items():
        got = [ode.richardson(euler, 2 / n, order=1, levels=levels) for n in (64, 128, 256)]
        np.testing.assert_allclose([abs(r.value - exact) for r in got], wants, rtol=6e-3)
        assert all(float(r.error_estimate) > abs(r.value - exact) for r in got)
    errors = [abs(euler(2 / n) - exact) for n in (64, 128, 256)]
    np.testing.assert_allclose(errors, [3.907e-3, 1.956e-3, 9.782e-4], rtol=3e-4)
    np.testing.assert_allclose(ode.convergence_orders([4.0, 2.0, 1.0], np.array(errors)), [1, 1], atol=0.01)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: ode.Tableau([[0.0]], [0.5, 0.5], [0.0, 1.0]), ValueError, r"a has shape \(1, 1\), expected \(2, 2\)"),
        (lambda: ode.Tableau([[0.5]], [1.0], [0.4]), ValueError, "row sum"),
        (lambda: ode.Tableau([[0.5]], [0.9], [0.5]), ValueError, "b sums to 0.9"),
        (lambda: ode.LMM([1.0, 0.0], [0.0, 1.0]), ValueError, r"alpha\[k\] is 0"),
        (lambda: ode.LMM([1.0, 1.0], [0.0]), ValueError, "one shape"),
        (lambda: ode.adams_bashforth(0), ValueError, "k is 0"),
        (lambda: ode.adams_moulton(0), ValueError, "k is 0"),
        (lambda: ode.bdf(0), ValueError, "k is 0"),
        (lambda: ode.nystrom(1), ValueError, "at least 2"),
        (lambda: ode.theta_tableau(1.5), ValueError, r"theta is 1.5, expected a number in \[0, 1\]"),
        (lambda: ode.rk_order(ode.RK4, embedded=True), ValueError, "no b_hat"),
        (lambda: ode.richardson(lambda h: h, 0.1, order=1, levels=0), ValueError, "levels is 0"),
        (lambda: ode.lmm_order(ode.RK4), TypeError, "expected an LMM"),
        (lambda: ode.real_interval(3), TypeError, "expected a Tableau or an LMM"),
        (lambda: jax.jit(lambda t: ode.rk_order(t))(ode.RK4), TypeError, "traced"),
        (lambda: jax.jit(ode.lmm_order)(ode.bdf(2)), TypeError, "traced"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
