"""What a stack of masked convolutions sees: receptive fields in both raster orders, and the blind spot.

A PixelCNN must not see the pixel that it predicts, nor any after it. The first layer's mask "A" hides the centre, later
masks "B" show it. The pictures count the paths from every input pixel to one output; zero is unseen.

Run: python examples/pixelcnn_fields.py [--quick] [--seed 0]
"""

import numpy as np
from _common import figure, options, save

from depthjax import bijectors

SIZE, CENTRE = 15, (7, 7)


def stack(kinds, order):
    """Masks of a stack of 3x3 convolutions."""
    return [bijectors.pixelcnn_mask(3, kind, order=order) for kind in kinds]


def main():
    """Print how many pixels each stack sees, draw path counts."""
    chosen = options(__doc__, "pixelcnn_fields")
    kinds = ("AB", "ABB", "ABBBBB")
    print(f"{'layers':<10}{'order':<10}{'pixels seen':>12}{'before the target':>19}{'blind among those above':>25}\n")
    fig, axes = figure(2, 3, (9, 6))
    for row, order in enumerate(("raster", "reverse")):
        for column, layers in enumerate(kinds):
            masks = stack(layers, order)
            seen = bijectors.receptive_field(masks, (SIZE, SIZE), CENTRE)
            paths = bijectors.path_counts(masks, (SIZE, SIZE), CENTRE)
            reach = len(layers)
            index = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)
            place = index[CENTRE]
            rows, columns = np.indices((SIZE, SIZE))
            near = (abs(rows - CENTRE[0]) <= reach) & (abs(columns - CENTRE[1]) <= reach)
            # "reverse" takes rows from the bottom up, within a row still from left to right.
            flipped = index[::-1]
            before = (index < place) if order == "raster" else (flipped < flipped[CENTRE])
            assert not np.any(seen & ~before), "a masked stack saw the future"
            blind = int(np.sum(near & before & ~seen))
            print(f"{layers:<10}{order:<10}{int(seen.sum()):>12}{int(np.sum(near & before)):>19}{blind:>25}")
            axis = axes[row, column]
            axis.imshow(np.where(paths > 0, np.log1p(paths), np.nan), cmap="viridis")
            axis.plot(*CENTRE[::-1], "s", color="#ff725c", markersize=5)
            axis.set_title(f"{layers}, {order}", fontsize=9)
            axis.set(xticks=[], yticks=[])
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
