"""What the examples share: options, the look of a figure, where it goes."""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, ACCENTS = "#22303c", ("#4269d0", "#efb118", "#ff725c", "#3ca951", "#a463f2")


def options(doc, name):
    """The options every example has: --quick, --seed, --out."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, to see that everything runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness")
    parser.add_argument("--out", type=Path, default=Path(f"examples/output/{name}.png"), help="the picture")
    return parser.parse_args()


def figure(rows, columns, size):
    """A figure in the house colours and its axes."""
    colors = plt.cycler(color=ACCENTS)
    plt.rcParams.update({"font.size": 9, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK})
    plt.rcParams.update({"axes.prop_cycle": colors, "axes.spines.top": False, "axes.spines.right": False})
    return plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)


def save(fig, path):
    """Write the picture and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)
    print(f"\npicture: {path}")
