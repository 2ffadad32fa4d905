"""Methods for differential equations: orders, zero-stability, stability regions, and what each of them decides.

The first table gives order, error constant, largest parasitic root and the real interval of multistep methods; the last
two are methods of textbook exercises, consistent and not zero-stable, whose error grows without bound as the step
shrinks. The second table extrapolates Euler's method on the logistic equation to orders two and three.

Run: python examples/ode_methods.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
import numpy as np
from _common import ACCENTS, INK, figure, options, save

from depthjax import ode

# y_{n+3} + 9 (y_{n+2} - y_{n+1}) - y_n = 6 h (f_{n+2} + f_{n+1}), and y_{n+3} - 2 y_{n+1} + y_n = h f_{n+2}
NINE = ode.LMM([-1.0, -9.0, 9.0, 1.0], [0.0, 6.0, 6.0, 0.0])
TWO = ode.LMM([1.0, -2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0])
MULTISTEP = {
    "Adams-Bashforth 2": ode.adams_bashforth(2), "Adams-Bashforth 4": ode.adams_bashforth(4),
    "Adams-Moulton 3": ode.adams_moulton(3), "BDF 2": ode.bdf(2), "BDF 6": ode.bdf(6), "BDF 7": ode.bdf(7),
    "exercise 12.11": NINE, "exercise 12.12": TWO,
}  # fmt: skip
ONE_STEP = {"Heun": ode.HEUN, "RK4": ode.RK4, "Dormand-Prince": ode.DOPRI5, "Gauss 4": ode.GAUSS4}
START, TIME = 0.1, 2.0


def logistic(t, y, rate):
    """Slope of y' = rate y (1 - y)."""
    return rate * y * (1.0 - y)


def last(method, num_steps):
    """The solution at time 2 on a grid of equal steps."""
    ts = np.linspace(0.0, TIME, num_steps + 1)
    return ode.solve_fixed(logistic, jnp.asarray(START), ts, 1.0, method=method, save="last", allow_unstable=True).y1


def describe():
    """Print what algebra says of the multistep methods."""
    print(f"{'':<19}{'order':>6}{'constant':>12}{'parasite':>10}{'stable':>8}  {'real interval'}")
    for name, method in MULTISTEP.items():
        order, roots = ode.lmm_order(method), ode.root_condition(method)
        interval = f"({ode.real_interval(method)[0]:.3g}, 0)" if roots.satisfied else "-"
        print(
            f"{name:<19}{order.order:6d}{order.error_constant!s:>12}{roots.parasitic_radius:10.4f}"
            f"{roots.satisfied!s:>8}  {interval}"
        )


def extrapolate(exact):
    """Print errors of Euler's method on the logistic equation, extrapolated zero, one and two times."""
    print(f"\n{'Euler, steps':<19}{'as it is':>12}{'once':>12}{'twice':>12}")
    for n in (64, 128, 256):
        table = ode.richardson(lambda h: last(ode.EULER, round(TIME / h)), TIME / n, order=1, levels=2).table
        errors = [abs(float(table[i][i]) - exact) for i in range(3)]
        print(f"{n:<19d}" + "".join(f"{error:12.3e}" for error in errors))


def draw_errors(axis, exact, counts):
    """Error against the number of steps."""
    methods = {**ONE_STEP, "exercise 12.11": NINE, "exercise 12.12": TWO}
    for color, (name, method) in zip((*ACCENTS, INK), methods.items(), strict=True):
        errors = np.array([abs(float(last(method, n)) - exact) for n in counts])
        axis.loglog(counts, errors, marker="o", ms=3, label=name, color=color)
    axis.set(xlabel="steps", ylabel="error at time 2", ylim=(1e-16, 1e4), title="zero-stability decides")
    axis.legend(frameon=False, fontsize=7)


def draw_regions(axis, methods, span, resolution):
    """Edges of the regions of absolute stability."""
    re, im = np.linspace(*span[0], resolution), np.linspace(*span[1], resolution)
    for color, (name, method) in zip(ACCENTS, methods.items(), strict=False):
        inside = ode.stability_region(method, re, im)
        axis.contour(re, im, inside.astype(float), levels=[0.5], colors=[color])
        axis.plot([], [], color=color, label=name)
    axis.axhline(0.0, color="#c3cad2", lw=0.6, zorder=0)
    axis.axvline(0.0, color="#c3cad2", lw=0.6, zorder=0)
    axis.set(xlabel="Re z", ylabel="Im z", aspect="equal")
    axis.legend(frameon=False, fontsize=7, loc="upper left")


def main():
    """Print both tables; draw errors and stability regions."""
    chosen = options(__doc__, "ode_methods")
    jax.config.update("jax_enable_x64", val=True)  # errors go down to rounding
    exact = 1.0 / (1.0 + (1.0 / START - 1.0) * np.exp(-TIME))
    describe()
    extrapolate(exact)
    resolution = 81 if chosen.quick else 321
    fig, axes = figure(1, 3, (12.5, 4))
    draw_errors(axes[0, 0], exact, [4, 6, 8, 12, 16, 32, 64, 128][: 6 if chosen.quick else None])
    axes[0, 1].set_title("explicit: inside the curve")
    explicit = {name: ONE_STEP[name] for name in ("Heun", "RK4", "Dormand-Prince")}
    draw_regions(axes[0, 1], {**explicit, "Adams-Bashforth 4": ode.adams_bashforth(4)}, ((-5, 2), (-4, 4)), resolution)
    axes[0, 2].set_title("BDF: outside the curve")
    draw_regions(axes[0, 2], {f"BDF {k}": ode.bdf(k) for k in (2, 3, 4, 6)}, ((-8, 22), (-17, 17)), resolution)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
