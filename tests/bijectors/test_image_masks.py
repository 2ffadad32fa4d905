"""Masks of image couplings and masked convolutions, and what stacks of them see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.bijectors import (
    channel_mask,
    checkerboard_mask,
    path_counts,
    pixelcnn_mask,
    receptive_extent,
    receptive_field,
)


@pytest.mark.parametrize(("kinds", "count"), [("AA", 9), ("AB", 11), ("BA", 11), ("BB", 12), ("ABB", 21), ("ABBB", 34)])
def test_number_of_inputs_seen(kinds, count):
    for order in ("raster", "reverse"):
        masks = [pixelcnn_mask(3, kind, order=order) for kind in kinds]
        field = receptive_field(masks, (25, 25), (12, 12))
        assert field.sum() == count
        assert field[12, 12] == (kinds == "BB")


def test_blind_spot_at_every_depth():
    for depth in range(1, 12):
        field = receptive_field([pixelcnn_mask(3, "A")] + [pixelcnn_mask(3, "B")] * depth, (15, 31), (12, 12))
        assert not field[11, 14]
        assert field[11, 13]


def test_orders_are_mirror_images():
    masks = [[pixelcnn_mask(3, kind, order=order) for kind in "AB"] for order in ("raster", "reverse")]
    above, below = (receptive_field(m, (9, 9), (4, 4)) for m in masks)
    np.testing.assert_array_equal(above, below[::-1])
    assert not above[5:].any()
    assert not below[:4].any()
    np.testing.assert_array_equal(pixelcnn_mask(3, "A", order="reverse")[:, :, 0, 0], [[0, 0, 0], [1, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(pixelcnn_mask(3, "B")[:, :, 0, 0], [[1, 1, 1], [1, 1, 0], [0, 0, 0]])


def test_colours_follow_their_order():
    a, b = (pixelcnn_mask(3, kind, channels=3)[1, 1] for kind in "AB")
    np.testing.assert_array_equal(a, np.triu(np.ones((3, 3)), 1))
    np.testing.assert_array_equal(b, np.triu(np.ones((3, 3))))
    masks = [pixelcnn_mask(3, "A", channels=3), pixelcnn_mask(3, "B", channels=3)]
    np.testing.assert_array_equal(receptive_field(masks, (5, 5, 3), (2, 2, 1))[2, 2], [True, False, False])


def test_path_counts_are_the_support_of_a_jacobian():
    masks = [pixelcnn_mask(3, "A", channels=2), pixelcnn_mask((5, 3), "B", channels=2)]
    counts = path_counts(masks, (5, 6, 2), (3, 2, 1))

    def network(image):
        for mask in masks:
            kernel = jnp.asarray(mask, image.dtype)
            image = jax.lax.conv_general_dilated(
                image[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )[0]
        return image[3, 2, 1]

    np.testing.assert_array_equal(jax.grad(network)(jnp.ones((5, 6, 2))), counts)
    np.testing.assert_array_equal(counts > 0, receptive_field(masks, (5, 6, 2), (3, 2, 1)))


def test_receptive_extent():
    assert receptive_extent([3, 3, 3]) == 7
    assert receptive_extent([3, 3, 3], [1, 2, 4]) == 15
    assert receptive_extent([3, 3, 3], strides=[2, 2, 1]) == 1 + 2 + 4 + 8
    with pytest.raises(ValueError, match="for each layer"):
        receptive_extent([3, 3], [1])


def test_coupling_masks():
    board = checkerboard_mask(3, 2, channels=2)
    np.testing.assert_array_equal(board[:, :, 0], [[True, False], [False, True], [True, False]])
    np.testing.assert_array_equal(checkerboard_mask(3, 2, 1, channels=2), ~board)
    halves = channel_mask(2, 2, 3)
    assert halves.shape == (2, 2, 3)
    np.testing.assert_array_equal(halves[0, 0], [True, False, False])
    np.testing.assert_array_equal(channel_mask(2, 2, 3, 1), ~halves)


def test_bad_arguments_raise():
    for call, match in (
        (lambda: checkerboard_mask(2, 2, 2), "parity"),
        (lambda: channel_mask(2, 2, 1), "two channels"),
        (lambda: pixelcnn_mask(4), "odd"),
        (lambda: pixelcnn_mask(3, "C"), "kind"),
        (lambda: pixelcnn_mask(3, order="spiral"), "order"),
        (lambda: receptive_field([pixelcnn_mask(3)], (4, 4), (4, 0)), "no pixel"),
        (lambda: receptive_field([pixelcnn_mask(3)], (4, 4, 2), (0, 0, 0)), "expected"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
