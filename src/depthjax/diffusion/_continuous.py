"""Noise schedules in continuous time, z_t = alpha(t) x + sigma(t) noise."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import constraints, param, record
from depthjax.core._options import at_least
from depthjax.diffusion._arguments import floating
from depthjax.numerics import log1mexp
from depthjax.numerics._arguments import is_concrete
from depthjax.numerics._draws import standard_normal


def _time(schedule, t, least, most):
    """`t` as floats; NaN for traced times outside of [least, most] by more than rounding."""
    values = floating(t)
    slack = 64 * float(jnp.finfo(values.dtype).eps)
    if is_concrete(t):
        host = np.asarray(t, np.float64)
        if not ((host >= least) & (host <= most + slack)).all():
            raise ValueError(
                f"{type(schedule).__name__}: t runs from {host.min():.6g} to {host.max():.6g}, expected times from "
                f"{least:.6g} to {most:.6g}"
            )
    return jnp.where((values >= least) & (values <= most + slack), values, jnp.nan)


class ContinuousSchedule:
    """What schedules in continuous time have in common: dz = drift(t) z dt + sqrt(diffusion_squared(t)) dw.

    A subclass writes `log_alpha`, `log_sigma`, `drift` and `diffusion_squared`, of t of any shape; time runs from data
    to noise. Methods answer in the dtype of t; times before the first or after the last raise `ValueError` where they
    are concrete, and give NaN where they are traced.
    """

    def log_alpha(self, t: ArrayLike) -> jax.Array:
        """Logarithm of the factor of the data."""
        raise NotImplementedError

    def log_sigma(self, t: ArrayLike) -> jax.Array:
        """Logarithm of the factor of the noise."""
        raise NotImplementedError

    def drift(self, t: ArrayLike) -> jax.Array:
        """f(t) = d log alpha/dt."""
        raise NotImplementedError

    def diffusion_squared(self, t: ArrayLike) -> jax.Array:
        """g(t)^2 = d sigma^2/dt - 2 f(t) sigma^2."""
        raise NotImplementedError

    def draw_times(self, key: jax.Array, num: int, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
        """Times (num,) at which a loss looks, and the log of their density, (num,)."""
        t = jax.random.uniform(key, (num,), dtype, 1e-5, 1.0)
        return t, jnp.zeros_like(t)

    def alpha(self, t: ArrayLike) -> jax.Array:
        """Factor of the data."""
        return jnp.exp(self.log_alpha(t))

    def sigma(self, t: ArrayLike) -> jax.Array:
        """Factor of the noise."""
        return jnp.exp(self.log_sigma(t))

    def log_snr(self, t: ArrayLike) -> jax.Array:
        """Logarithm of the signal-to-noise ratio, 2 log alpha - 2 log sigma, in nats."""
        return 2.0 * (self.log_alpha(t) - self.log_sigma(t))


@record
class VPLinear(ContinuousSchedule):
    """Variance preserving, beta(t) = beta_min + (beta_max - beta_min) t on [0, 1]; made by `vp_linear`."""

    beta_min: jax.Array = param(constraints.positive)
    beta_max: jax.Array = param(constraints.positive)

    def _beta(self, t):
        t = _time(self, t, 0.0, 1.0)
        low, high = (v.astype(t.dtype) for v in (self.beta_min, self.beta_max))
        return low + (high - low) * t

    def log_alpha(self, t):
        """-(beta_min t + (beta_max - beta_min) t^2/2)/2."""
        t = _time(self, t, 0.0, 1.0)
        low, high = (v.astype(t.dtype) for v in (self.beta_min, self.beta_max))
        return -0.5 * t * (low + 0.5 * (high - low) * t)

    def log_sigma(self, t):
        """log(1 - alpha^2)/2."""
        return 0.5 * log1mexp(2.0 * self.log_alpha(t))

    def drift(self, t):
        """-beta(t)/2."""
        return -0.5 * self._beta(t)

    def diffusion_squared(self, t):
        """beta(t)."""
        return self._beta(t)


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0) -> VPLinear:
    """Variance preserving schedule with a linear rate, beta(t) = beta_min + (beta_max - beta_min) t for t in [0, 1].

    alpha = exp(-(1/2) int_0^t beta), sigma^2 = 1 - alpha^2, drift -beta/2, diffusion_squared beta.

    Args:
        beta_min: rate at t = 0, positive.
        beta_max: rate at t = 1, at least `beta_min`.

    Raises:
        ValueError: rates that are not positive and ordered.

    Source:
        Song et al., Score-Based Generative Modeling through Stochastic Differential Equations (2021), eq. 32 and 33.
    """
    if not 0 < beta_min <= beta_max:
        raise ValueError(f"vp_linear: beta_min and beta_max are {beta_min} and {beta_max}, expected 0 < min <= max")
    return VPLinear(beta_min, beta_max)


@record
class CosineLogSNR(ContinuousSchedule):
    """Variance preserving, alpha = cos(angle), sigma = sin(angle), angle linear in t; made by `cosine_log_snr`."""

    start: jax.Array = param(constraints.positive)
    stop: jax.Array = param(constraints.positive)

    def _angle(self, t):
        t = _time(self, t, 0.0, 1.0)
        start, stop = (v.astype(t.dtype) for v in (self.start, self.stop))
        return start + (stop - start) * t

    def log_alpha(self, t):
        """Log cos(angle)."""
        return jnp.log(jnp.cos(self._angle(t)))

    def log_sigma(self, t):
        """Log sin(angle)."""
        return jnp.log(jnp.sin(self._angle(t)))

    def drift(self, t):
        """-angle' tan(angle)."""
        angle = self._angle(t)
        return -(self.stop - self.start).astype(angle.dtype) * jnp.tan(angle)

    def diffusion_squared(self, t):
        """2 angle' tan(angle)."""
        return -2.0 * self.drift(t)


def cosine_log_snr(min_log_snr: float = -15.0, max_log_snr: float = 15.0) -> CosineLogSNR:
    """Variance preserving schedule with log SNR = -2 log tan(a + (b - a) t) for t in [0, 1].

    alpha = cos and sigma = sin of the angle, which runs from a = arctan(e^(-max/2)) to b = arctan(e^(-min/2)).

    Args:
        min_log_snr: log SNR at t = 1, nats.
        max_log_snr: log SNR at t = 0, nats.

    Raises:
        ValueError: max_log_snr is not above min_log_snr.

    Source:
        Hoogeboom, Heek and Salimans, Simple Diffusion (2023), sec. 3.1.
    """
    if not min_log_snr < max_log_snr:
        raise ValueError(f"cosine_log_snr: log SNR runs from {max_log_snr} to {min_log_snr}, expected max > min")
    return CosineLogSNR(*(float(np.arctan(np.exp(-0.5 * v))) for v in (max_log_snr, min_log_snr)))


@record
class EDMSchedule(ContinuousSchedule):
    """Variance exploding, alpha = 1 and sigma(t) = t; made by `edm_schedule`."""

    sigma_min: jax.Array = param(constraints.positive)
    sigma_max: jax.Array = param(constraints.positive)
    rho: jax.Array = param(constraints.positive)

    def log_alpha(self, t):
        """Zero."""
        return jnp.zeros_like(floating(t))

    def log_sigma(self, t):
        """Log t."""
        return jnp.log(self.sigma(t))

    def sigma(self, t):
        """The time itself."""
        return _time(self, t, 0.0, math.inf)

    def drift(self, t):
        """Zero."""
        return jnp.zeros_like(floating(t))

    def diffusion_squared(self, t):
        """2 t."""
        return 2.0 * self.sigma(t)

    def draw_times(self, key, num, dtype):
        """Log-normal noise levels, log sigma ~ N(-1.2, 1.2^2), as Karras et al. (2022), table 1."""
        z = standard_normal(key, (num,), dtype)
        log_sigma = 1.2 * z - 1.2
        return jnp.exp(log_sigma), -0.5 * z * z - (0.5 * math.log(2 * math.pi) + math.log(1.2)) - log_sigma


def edm_schedule(sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> EDMSchedule:
    """Variance exploding schedule whose time is the noise level, z = x + sigma noise.

    Args:
        sigma_min: least noise level, positive.
        sigma_max: largest noise level.
        rho: exponent of the grid of levels, see `edm_sigmas`.

    Raises:
        ValueError: levels that are not positive and ordered, or rho not positive.

    Source:
        Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), table 1.
    """
    _check_levels("edm_schedule", sigma_min, sigma_max, rho)
    return EDMSchedule(sigma_min, sigma_max, rho)


def _check_levels(function, sigma_min, sigma_max, rho):
    if not 0 < sigma_min <= sigma_max:
        raise ValueError(
            f"{function}: sigma_min and sigma_max are {sigma_min} and {sigma_max}, expected 0 < min <= max"
        )
    if not rho > 0:
        raise ValueError(f"{function}: rho is {rho}, expected a positive number")


def edm_sigmas(num_steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0) -> jax.Array:
    """Noise levels of a sampler, from `sigma_max` to `sigma_min` and then 0.

    sigma_i = (sigma_max^(1/rho) + i/(n - 1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho for i = 0, ..., n - 1.

    Args:
        num_steps: n, at least 1; one step goes from `sigma_max` to 0.
        sigma_min: last level before 0.
        sigma_max: first level.
        rho: 1 is even spacing; the larger, the finer near `sigma_min`.

    Returns:
        (n + 1,), made on the host in float64.

    Raises:
        ValueError: no steps, or levels or rho out of range.

    Source:
        Karras et al. (2022), eq. 5.
    """
    at_least("edm_sigmas", "num_steps", num_steps, 1)
    _check_levels("edm_sigmas", sigma_min, sigma_max, rho)
    root = np.linspace(sigma_max ** (1 / rho), sigma_min ** (1 / rho), num_steps)
    return jnp.asarray(np.append(root**rho, 0.0), jnp.result_type(float))
