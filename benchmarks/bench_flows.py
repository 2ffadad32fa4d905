"""Flows beside FlowJAX and distrax: gradient step, compile time and memory over depth, sampling.

Run with `--quick` for a run of about two minutes with fewer rounds, sizes and peers.
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp

import depthjax as dj
from _peers import available, distrax_coupling, flowjax_autoregressive, flowjax_coupling, gradient_step
from depthjax import bijectors, flows
from harness import Comparison, compare, growth, save

DIM, BATCH = 8, 512
HIDDEN = (64, 64)


def coupling_step(num_layers, *, backward="stored"):
    """Adam step of the spline coupling recipe and its first two arguments."""
    flow = flows.nsf_coupling(jax.random.key(0), DIM, num_layers=num_layers, hidden=HIDDEN)
    if backward != "stored":
        flow = _map_scans(flow, lambda scan: bijectors.Scan(scan.layers, backward=backward))
    return gradient_step(dj.unconstrain(flow), lambda raw, x: -jnp.mean(dj.constrain(raw).log_prob(x)))


def steps_of(num_layers: int, *, peers: tuple[str, ...]) -> tuple[dict, dict]:
    """Candidates and their arguments for `compare`: ours first."""
    x = jax.random.normal(jax.random.key(1), (BATCH, DIM))
    makers = {
        "depthjax": coupling_step,
        "flowjax": partial(flowjax_coupling, dim=DIM),
        "distrax": partial(distrax_coupling, dim=DIM),
    }
    names = [name for name in ("depthjax", *peers) if name == "depthjax" or available(name)]
    built = {name: makers[name](num_layers) for name in names}
    return {n: step for n, (step, _) in built.items()}, {n: (*args, x) for n, (_, args) in built.items()}


def sampling(kind: str, scale: float, *, seconds: float) -> Comparison:
    """Base to data of an autoregressive flow: incremental evaluation against a sequential scan."""
    dim, batch, layers, width = 64, 256, 4, 128
    recipe = flows.maf if kind == "affine" else flows.nsf_autoregressive
    options = {} if kind == "spline" else {"transformer": bijectors.AffineTransformer(min_scale=1e-2)}
    flow = recipe(jax.random.key(0), dim, num_layers=layers, hidden=(width, width), activation=jax.nn.relu, **options)
    leaves, treedef = jax.tree.flatten(flow.bijector)
    keys = jax.random.split(jax.random.key(3), len(leaves))
    leaves = [
        scale * jax.random.uniform(k, a.shape, minval=-1.0, maxval=1.0) / jnp.sqrt(a.shape[-1]) if a.ndim > 2 else a
        for k, a in zip(keys, leaves, strict=True)
    ]
    z = jax.random.normal(jax.random.key(2), (batch, dim))
    candidates = {"depthjax": lambda b, z: jax.vmap(b.forward_and_log_det)(z)}
    args = {"depthjax": (jax.tree.unflatten(treedef, leaves), z)}
    if available("flowjax"):
        candidates["flowjax"], own = flowjax_autoregressive(layers, dim, width, kind, scale)
        args["flowjax"] = (*own, z)
    return compare(candidates, args, title=f"sampling, {kind}, weights x{scale:g}", seconds=seconds, rounds=200)


def backward_modes(num_layers: int) -> tuple[dict, dict]:
    """The three reverse passes of `Scan` on the same stack of pairs."""
    x = jax.random.normal(jax.random.key(1), (BATCH, DIM))
    built = {mode: coupling_step(num_layers, backward=mode) for mode in ("stored", "recompute", "reversible")}
    return {m: step for m, (step, _) in built.items()}, {m: (*args, x) for m, (_, args) in built.items()}


def _map_scans(tree, change):
    def visit(node):
        return change(node) if isinstance(node, bijectors.Scan) else node

    return jax.tree.map(visit, tree, is_leaf=lambda node: isinstance(node, bijectors.Scan))


def main() -> None:
    """Print every table and write `results/flows.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    seconds = 2.0 if quick else 10.0
    peers = ("flowjax",) if quick else ("flowjax", "distrax")
    tables = []
    for depth in (8,) if quick else (8, 32):
        step = f"gradient step, spline coupling, {depth} layers"
        tables.append(compare(*steps_of(depth, peers=peers), title=step, seconds=seconds, rounds=400))
    sizes = (8, 32) if quick else (8, 32, 64)
    few = {"seconds": 0.5 if quick else 3.0, "rounds": 20}
    tables += growth(lambda n: steps_of(n, peers=()), sizes, title="depth of the spline coupling", **few)
    tables += growth(backward_modes, (8, 32) if quick else (8, 16, 32), title="reverse passes of Scan", **few)
    for kind in ("affine", "spline"):
        for scale in (1.0,) if quick else (1.0, 3.0):
            tables.append(sampling(kind, scale, seconds=seconds))
    save("flows_quick" if quick else "flows", tables)


if __name__ == "__main__":
    main()
