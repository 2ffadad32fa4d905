"""Noise schedules in discrete steps: tables made on the host in float64."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import constraints, param, record, require_rank, require_shape
from depthjax.core._options import at_least
from depthjax.diffusion._arguments import descending, floating, like, step_index
from depthjax.numerics._arguments import is_concrete


@record
class DiscreteSchedule:
    """Noise schedule of a diffusion model in T steps, z_t = sqrt(ab_t) x + sqrt(1 - ab_t) noise.

    ab_t = prod_{i <= t} (1 - beta_i), ab_0 = 1.

    Args:
        betas: (T,), in [0, 1).
        log_alpha_bar: (T + 1,) log ab_0, ..., log ab_T; worked out from `betas` where it is not given.
        log_noise: (T + 1,) log(1 - ab_0), ..., log(1 - ab_T); likewise.

    Raises:
        ValueError: shapes, or concrete betas outside [0, 1) without tables.

    Numerics:
        A product of 1 - beta in float32 loses 1 - ab at the start and ab at the end; the tables are sums of log1p on
        the host in float64 (traced betas: in their own dtype), and every difference, 1 - ab_t/ab_s say, is an expm1 of
        a difference of logarithms.

    Source:
        Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models (2020), eq. 4.
    """

    betas: jax.Array = param(constraints.unit_interval)
    log_alpha_bar: Any = param(None, default=None)
    log_noise: Any = param(None, default=None)

    @classmethod
    def _complete(cls, fields):
        betas = fields["betas"]
        require_rank(cls.__name__, "betas", betas, 1)
        at_least(cls.__name__, "the number of betas", betas.size, 1)
        if (fields["log_alpha_bar"] is None) != (fields["log_noise"] is None):
            raise ValueError(f"{cls.__name__}: log_alpha_bar and log_noise are given together or not at all")
        if fields["log_alpha_bar"] is None:
            if is_concrete(betas):
                host = np.asarray(betas, np.float64)
                if not ((host >= 0) & (host < 1)).all():
                    worst = host[~((host >= 0) & (host < 1))][0]
                    raise ValueError(f"{cls.__name__}: betas has an entry {worst:.6g}, expected entries in [0, 1)")
                tables = _tables(host, np)
            else:
                tables = _tables(betas, jnp)
            fields = {**fields, **{k: jnp.asarray(v, betas.dtype) for k, v in tables.items()}}
        for name in ("log_alpha_bar", "log_noise"):
            require_shape(cls.__name__, name, fields[name], (betas.size + 1,))
        return fields

    @property
    def num_steps(self) -> int:
        """T."""
        return self.betas.shape[-1]

    @property
    def alpha_bar(self) -> jax.Array:
        """ab_0 = 1, ab_1, ..., ab_T, (T + 1,)."""
        return jnp.exp(self.log_alpha_bar)

    def alpha(self, t: ArrayLike) -> jax.Array:
        """Factor of the data, sqrt(ab_t), for integer steps t in 0..T."""
        return jnp.exp(0.5 * self._at("alpha", self.log_alpha_bar, t))

    def sigma(self, t: ArrayLike) -> jax.Array:
        """Factor of the noise, sqrt(1 - ab_t), for integer steps t in 0..T."""
        return jnp.exp(0.5 * self._at("sigma", self.log_noise, t))

    def log_snr(self, t: ArrayLike) -> jax.Array:
        """Logarithm of the signal-to-noise ratio, log ab_t - log(1 - ab_t), in nats; inf at t = 0."""
        return self._at("log_snr", self.log_alpha_bar - self.log_noise, t)

    def _at(self, method, table, t):
        """Entries of a table; NaN beyond its ends where t is traced."""
        t = step_index(f"DiscreteSchedule.{method}", "t", t, self.num_steps)
        inside = (t >= 0) & (t <= self.num_steps)
        return jnp.where(inside, table[jnp.clip(t, 0, self.num_steps)], jnp.nan)

    def posterior_terms(self, t: ArrayLike, s: ArrayLike) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Factors of z_t and of x in the mean of q(z_s | z_t, x), and its variance, each of the shape of t and s.

        NaN for traced steps that are not s < t.

        Raises:
            TypeError: t or s is not an integer.
            ValueError: concrete steps without 0 <= s < t <= T.
        """
        name = "DiscreteSchedule.posterior"
        t_index = step_index(name, "t", t, self.num_steps, 1)
        s_index = step_index(name, "s", s, self.num_steps)
        if is_concrete(t) and is_concrete(s) and (np.asarray(t) <= np.asarray(s)).any():
            raise ValueError(f"{name}: t is {t} and s is {s}, expected s < t: the posterior goes back from t to s")
        later = t_index > s_index
        log_signal = [self._at("posterior", self.log_alpha_bar, i) for i in (t_index, s_index)]
        log_noise = [self._at("posterior", self.log_noise, i) for i in (t_index, s_index)]
        log_r = log_signal[0] - log_signal[1]
        noiseless = jnp.isneginf(log_noise[0])
        log_noise_t = jnp.where(noiseless, 0.0, log_noise[0])
        ratio = jnp.where(noiseless, 0.0, jnp.exp(log_noise[1] - log_noise_t))
        step = -jnp.expm1(log_r)
        of_x = jnp.where(noiseless, 1.0, jnp.exp(0.5 * log_signal[1] - log_noise_t) * step)
        ratio, of_x = (jnp.where(later, factor, jnp.nan) for factor in (ratio, of_x))
        return jnp.exp(0.5 * log_r) * ratio, of_x, step * ratio

    def posterior(self, x: ArrayLike, z_t: ArrayLike, t: ArrayLike, s: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Normal law of z_s given z_t and the data, for s < t.

        With r = ab_t/ab_s: mean sqrt(r) (1 - ab_s)/(1 - ab_t) z_t + sqrt(ab_s) (1 - r)/(1 - ab_t) x and variance
        (1 - r) (1 - ab_s)/(1 - ab_t) of every coordinate.

        Args:
            x: (*batch, *event) data.
            z_t: like x.
            t: integer step in 1..T, () or the leading axes of x.
            s: integer step in 0..t - 1, like t.

        Returns:
            Mean, like x, and variance, like t, exactly 0 at s = 0.

        Raises:
            TypeError: t or s is not an integer.
            ValueError: concrete steps without 0 <= s < t <= T, or shapes that do not fit.

        Source:
            Ho, Jain and Abbeel (2020), eq. 7, for any pair of steps as in Kingma et al. (2021), eq. 26 and 27.
        """
        x, z_t = floating(x), floating(z_t)
        require_shape("DiscreteSchedule.posterior", "z_t", z_t, x.shape)
        of_z, of_x, variance = self.posterior_terms(t, s)
        return like(of_z, x) * z_t.astype(x.dtype) + like(of_x, x) * x, variance.astype(x.dtype)


def _tables(betas, xp):
    log_alpha_bar = xp.concatenate([xp.zeros(1, betas.dtype), xp.cumsum(xp.log1p(-betas))])
    rest = -xp.expm1(log_alpha_bar)
    log_noise = xp.where(rest > 0, xp.log(xp.where(rest > 0, rest, 1.0)), -xp.inf)
    return {"log_alpha_bar": log_alpha_bar, "log_noise": log_noise}


def _from_host(betas):
    tables = _tables(betas, np)
    return DiscreteSchedule(betas, tables["log_alpha_bar"], tables["log_noise"])


def linear_schedule(num_steps: int, beta_min: float = 1e-4, beta_max: float = 0.02) -> DiscreteSchedule:
    """Betas evenly spaced from `beta_min` to `beta_max`, both in [0, 1).

    Args:
        num_steps: T, at least 1.
        beta_min: first beta.
        beta_max: last beta.

    Raises:
        ValueError: no steps, or betas outside [0, 1).

    Source:
        Ho, Jain and Abbeel (2020), sec. 4.
    """
    at_least("linear_schedule", "num_steps", num_steps, 1)
    for name, value in (("beta_min", beta_min), ("beta_max", beta_max)):
        if not 0 <= value < 1:
            raise ValueError(f"linear_schedule: {name} is {value}, expected a number in [0, 1)")
    return _from_host(np.linspace(beta_min, beta_max, num_steps))


def cosine_schedule(num_steps: int, *, offset: float = 0.008, beta_clip: float = 0.999) -> DiscreteSchedule:
    """Signal that falls as a squared cosine, ab_t = f(t)/f(0), f(t) = cos^2((t/T + offset)/(1 + offset) pi/2).

    Args:
        num_steps: T, at least 1.
        offset: keeps the first betas from vanishing, not negative.
        beta_clip: largest beta, in [0, 1).

    Raises:
        ValueError: an option out of range.

    Source:
        Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models (2021), eq. 17.
    """
    at_least("cosine_schedule", "num_steps", num_steps, 1)
    if not 0 <= beta_clip < 1:
        raise ValueError(f"cosine_schedule: beta_clip is {beta_clip}, expected a number in [0, 1)")
    if not offset >= 0:
        raise ValueError(f"cosine_schedule: offset is {offset}, expected a nonnegative number")
    angle = (np.arange(num_steps + 1) / num_steps + offset) / (1 + offset) * (np.pi / 2)
    # cos(b)^2/cos(a)^2 = 1 - sin(b - a) sin(b + a)/cos(a)^2 keeps the digits of small betas
    fall = np.sin(np.diff(angle)) * np.sin(angle[1:] + angle[:-1]) / np.cos(angle[:-1]) ** 2
    return _from_host(np.minimum(fall, beta_clip))


def zero_terminal_snr(schedule: DiscreteSchedule) -> DiscreteSchedule:
    """Schedule whose last step has no signal left, sqrt(ab'_t) = (a_t - a_T) a_1/(a_1 - a_T), a_t = sqrt(ab_t).

    Args:
        schedule: of concrete tables and at least two steps.

    Returns:
        A schedule with ab_T = 0 and ab_1 unchanged. At T the noise says nothing about the data: use predictions "data"
        or "velocity".

    Raises:
        ValueError: one step only.

    Source:
        Lin et al., Common Diffusion Noise Schedules and Sample Steps are Flawed (2024), algorithm 1.
    """
    at_least("zero_terminal_snr", "the number of steps of schedule", schedule.num_steps, 2)
    old = np.exp(0.5 * np.asarray(schedule.log_alpha_bar, np.float64))
    signal = old.copy()
    signal[1:] = (old[1:] - old[-1]) * (old[1] / (old[1] - old[-1]))
    log_alpha_bar = 2 * np.log(signal, out=np.full_like(signal, -np.inf), where=signal > 0)
    log_alpha_bar[1] = float(schedule.log_alpha_bar[1])
    return _from_log_alpha_bar(schedule, log_alpha_bar)


def _from_log_alpha_bar(schedule, log_alpha_bar):
    dtype = schedule.betas.dtype
    rest = -np.expm1(log_alpha_bar)
    log_noise = np.log(rest, out=np.full_like(rest, -np.inf), where=rest > 0)
    betas = -np.expm1(np.diff(log_alpha_bar))
    return DiscreteSchedule(*(jnp.asarray(v, dtype) for v in (betas, log_alpha_bar, log_noise)))


def respace(schedule: DiscreteSchedule, timesteps: Sequence[int]) -> DiscreteSchedule:
    """The schedule of a shorter chain through some of the steps, with the same signal there.

    Args:
        schedule: of concrete tables and T steps.
        timesteps: strictly decreasing integers in 1..T. Step i of the result is step timesteps[-i] of `schedule`, which
            is what a network trained on `schedule` has to be given.

    Returns:
        A schedule of len(timesteps) steps.

    Raises:
        ValueError: timesteps that are not strictly decreasing within 1..T.

    Source:
        Nichol and Dhariwal (2021), sec. 4.
    """
    steps = descending("respace", timesteps, schedule.num_steps)[::-1]
    table = np.asarray(schedule.log_alpha_bar, np.float64)
    return _from_log_alpha_bar(schedule, table[np.concatenate([[0], steps])])
