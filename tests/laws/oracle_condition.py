"""How far rounding of the inputs moves a log density: the factor that a backward stable algorithm is held to."""

import itertools

import numpy as np

STEP = 1e-6


def input_condition(log_prob, weight=1.0):
    """Tolerance factor `(x, *args) ->` 1 + weight * sum_i |d log p/d a_i| |a_i| / max(1, |log p|) over all inputs.

    One unit in the last place of every input moves log p by that many units, so no algorithm that rounds what it reads
    does better; triangular solves and factorisations of size d are backward stable with a factor of the order of d.
    """

    def factor(x, *args):
        inputs = [np.array(x, np.float64), *(np.array(a, np.float64) for a in args)]
        value = max(1.0, abs(float(log_prob(*inputs))))
        return 1.0 + weight * sum(_sensitivities(log_prob, inputs)) / value

    return factor


def _sensitivities(log_prob, inputs):
    for array in inputs:
        for index in itertools.product(*(range(n) for n in array.shape)):
            old, step = array[index], STEP * array[index]
            if not old:
                continue
            values = []
            for sign in (1, -1):
                array[index] = old + sign * step
                values.append(float(log_prob(*inputs)))
            array[index] = old
            difference = abs(values[0] - values[1]) / (2 * STEP)
            yield difference if np.isfinite(difference) else 0.0
