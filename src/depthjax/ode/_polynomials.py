"""Polynomials with exact or float coefficients, ascending, on the host."""

from fractions import Fraction

import numpy as np


def trimmed(p: list) -> list:
    """`p` without leading zeros; the zero polynomial is empty."""
    p = list(p)
    while p and p[-1] == 0:
        p.pop()
    return p


def derivative(p: list) -> list:
    """Coefficients of p'."""
    return [i * c for i, c in enumerate(p)][1:]


def divided(p: list[Fraction], q: list[Fraction]) -> tuple[list[Fraction], list[Fraction]]:
    """Quotient and remainder of p / q."""
    rest, q = trimmed(p), trimmed(q)
    quotient = [Fraction(0)] * max(len(rest) - len(q) + 1, 0)
    while len(rest) >= len(q):
        shift, factor = len(rest) - len(q), rest[-1] / q[-1]
        quotient[shift] = factor
        rest = trimmed([c - factor * q[i - shift] if i >= shift else c for i, c in enumerate(rest)][:-1])
    return quotient, rest


def gcd(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    """Monic greatest common divisor."""
    p, q = trimmed(p), trimmed(q)
    while q:
        p, q = q, divided(p, q)[1]
    return [c / p[-1] for c in p]


def square_free_factors(p: list[Fraction]) -> list[tuple[int, list[Fraction]]]:
    """(multiplicity, square-free factor) of p by Yun's algorithm; factors of degree 0 are left out."""
    p = trimmed(p)
    common = gcd(p, derivative(p)) if len(p) > 1 else [Fraction(1)]
    b, c = divided(p, common)[0], divided(derivative(p), common)[0]
    found, multiplicity = [], 1
    while len(b) > 1:
        slope = derivative(b)
        width = max(len(c), len(slope))
        d = trimmed([_at(c, i) - _at(slope, i) for i in range(width)])
        factor = gcd(b, d)
        if len(factor) > 1:
            found.append((multiplicity, factor))
        b, c, multiplicity = divided(b, factor)[0], divided(d, factor)[0], multiplicity + 1
    return found


def _at(p, i):
    return p[i] if i < len(p) else Fraction(0)


def roots(p: list) -> np.ndarray:
    """Complex roots of p, complex128."""
    return np.roots([float(c) for c in reversed(trimmed(p))]).astype(np.complex128)
