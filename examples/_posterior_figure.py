"""The picture of flow_posterior.py."""

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, ACCENTS = "#22303c", ("#4269d0", "#efb118", "#ff725c", "#3ca951")


def draw_figure(path, energies, logistic, moons, targets, depths):
    """Targets, samples and densities side by side."""
    plt.rcParams.update({"font.size": 9, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK})
    figure = plt.figure(figsize=(14, 8.2), layout="constrained")
    grid = figure.add_gridspec(3, 10)
    _draw_energies(figure, grid, energies, targets)
    _draw_moons(figure, grid, moons)
    _draw_divergence(figure.add_subplot(grid[2, :4]), energies[0], depths)
    _draw_bounds(figure.add_subplot(grid[2, 4:7]), logistic[0])
    _draw_posteriors(figure.add_subplot(grid[2, 7:]), logistic[1])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _bare(axis, title=None):
    axis.set(xticks=[], yticks=[], aspect="equal")
    if title:
        axis.set_title(title, fontsize=10)


def _draw_energies(figure, grid, energies, targets):
    _, fitted = energies
    ticks = np.linspace(-4.5, 4.5, 200, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), -1)
    draw = jax.jit(jax.vmap(lambda flow, key: flow.sample(key, (200_000,))))
    samples = np.asarray(draw(fitted, jax.random.split(jax.random.key(7), 4)))
    for i, target in enumerate(targets):
        density = np.exp(-np.asarray(jax.vmap(jax.vmap(target))(plane)))
        top = figure.add_subplot(grid[0, 2 * i : 2 * i + 2])
        top.imshow(density, extent=(-4.5, 4.5, -4.5, 4.5), origin="lower", cmap="magma")
        _bare(top, f"target U{i + 1}")
        below = figure.add_subplot(grid[1, 2 * i : 2 * i + 2])
        below.hist2d(*samples[i].T, bins=110, range=[(-4.5, 4.5)] * 2, cmap="magma")
        _bare(below, "32 planar layers" if i == 0 else None)


def _draw_moons(figure, grid, moons):
    data, samples, flow = moons
    x, y = np.linspace(-1.6, 2.6, 160, dtype=np.float32), np.linspace(-1.3, 1.8, 120, dtype=np.float32)
    plane = np.stack(np.meshgrid(x, y), -1)
    density = np.exp(np.asarray(jax.jit(lambda d, p: d.log_prob(p))(flow, jnp.asarray(plane))))
    top = figure.add_subplot(grid[0, 8:])
    top.scatter(*data.T, s=1.5, color=ACCENTS[0], alpha=0.5, linewidths=0)
    top.set(xlim=(-1.6, 2.6), ylim=(-1.3, 1.8))
    _bare(top, "two moons, held out")
    below = figure.add_subplot(grid[1, 8:])
    below.imshow(density, extent=(-1.6, 2.6, -1.3, 1.8), origin="lower", cmap="magma")
    below.scatter(*samples[:600].T, s=1.5, color="white", alpha=0.35, linewidths=0)
    below.set(xlim=(-1.6, 2.6), ylim=(-1.3, 1.8))
    _bare(below, "spline flow and samples")


def _draw_divergence(axis, rows, depths):
    planar = np.array([divergence for _, divergence, _ in rows[: len(depths)]])
    for i, color in enumerate(ACCENTS):
        axis.plot(depths, np.maximum(planar[:, i], 1e-4), "o-", color=color, label=f"U{i + 1}")
    axis.axhline(np.log(2), color=INK, lw=0.8, ls=":")
    axis.text(depths[-1], np.log(2) * 1.12, "one of two modes lost: ln 2", fontsize=8, ha="right")
    axis.set(xscale="log", yscale="log", xlabel="planar layers", ylabel="KL to the target (nats)")
    axis.set_xticks(depths, [str(d) for d in depths])
    axis.minorticks_off()
    axis.legend(frameon=False, ncols=4, loc="lower left")
    axis.spines[["top", "right"]].set_visible(False)


def _draw_bounds(axis, rows):
    for i, (_, elbo, bound, khat, *_) in enumerate(rows):
        axis.plot([elbo, bound], [i, i], "-", color=ACCENTS[i], lw=3, alpha=0.4)
        axis.plot(elbo, i, "o", color=ACCENTS[i])
        axis.plot(bound, i, "D", color=ACCENTS[i])
        axis.annotate(rf"$\hat k$ = {khat:.2f}", (bound, i), (6, -3), textcoords="offset points", fontsize=8)
    axis.set_yticks(range(len(rows)), [row[0] for row in rows])
    axis.margins(x=0.25, y=0.3)
    axis.set(xlabel="ELBO (circle) and 64-sample bound (diamond), nats")
    axis.set_title("logistic regression, evidence", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_posteriors(axis, draws):
    """Two strongly correlated weights: what each posterior says of them."""
    correlation = np.corrcoef(draws["full-rank"].T)
    np.fill_diagonal(correlation, 0.0)
    a, b = np.unravel_index(np.argmax(np.abs(correlation)), correlation.shape)
    for color, (name, w) in zip(ACCENTS, draws.items(), strict=False):
        axis.scatter(w[:, a], w[:, b], s=2, alpha=0.35, color=color, label=name, linewidths=0)
    axis.set(xlabel=f"weight {a}", ylabel=f"weight {b}")
    axis.set_title("two weights, posterior draws", fontsize=10)
    axis.legend(frameon=False, markerscale=4, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
