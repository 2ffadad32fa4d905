"""Evidence bounds of the vi benchmarks in NumPyro and written out by hand."""

import jax
import jax.numpy as jnp
import optax

RATE = 1e-2


def numpyro_fit(model, num_samples, num_steps):
    """A whole fit of NumPyro's independent normal guide, one scan of `SVI.update`."""
    import numpyro
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoNormal

    guide = AutoNormal(model, init_loc_fn=numpyro.infer.init_to_value(values={}), init_scale=0.1)
    svi = SVI(model, guide, numpyro.optim.Adam(RATE), Trace_ELBO(num_particles=num_samples))

    def fit(key, *data):
        state = svi.init(key, *data)
        return jax.lax.scan(lambda s, _: svi.update(s, *data), state, length=num_steps)[1][-1]

    return fit


def blackjax_fit(log_density, dim, num_samples, num_steps):
    """A whole fit of blackjax's independent normal guide, for a log density of one vector and the data."""
    import blackjax

    def fit(key, *data):
        guide = blackjax.meanfield_vi(lambda z: log_density(z, *data), optax.adam(RATE), num_samples)

        def step(state, t):
            state, info = guide.step(jax.random.fold_in(key, t), state)
            return state, info.elbo

        return jax.lax.scan(step, guide.init(jnp.zeros(dim)), jnp.arange(num_steps))[1][-1]

    return fit


def numpyro_gaussian(loc, scale):
    """Independent normal numbers, given by their moments."""
    import numpyro
    import numpyro.distributions as dist

    numpyro.sample("z", dist.Normal(loc, scale).to_event(1))


def numpyro_logistic(x, y):
    """Independent standard normal weights and a Bernoulli for every row."""
    import numpyro
    import numpyro.distributions as dist

    w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    numpyro.sample("y", dist.Bernoulli(logits=x @ w).to_event(1), obs=y)


def numpyro_schools(effects, errors):
    """Eight schools, with standardised effects."""
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    t = numpyro.sample("t", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(mu + tau * t, errors).to_event(1), obs=effects)


def by_hand_fit(log_joint, dim, num_samples, num_steps):
    """The same fit without a library: reparameterised draws, one matrix product for all of them, exact entropy."""
    optimizer = optax.adam(RATE)

    def loss(params, key, data):
        loc, log_scale = params
        z = loc[None] + jnp.exp(log_scale)[None] * jax.random.normal(key, (num_samples, dim))
        return -jnp.mean(log_joint(z, *data)) - jnp.sum(log_scale)

    def fit(key, *data):
        def step(carry, t):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, jax.random.fold_in(key, t), data)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(params, updates), state), value

        params = jnp.zeros(dim), jnp.full(dim, jnp.log(0.1))
        return jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(num_steps))[1][-1]

    return fit


def many_logistic(z, x, y):
    """Log joint of the logistic regression for all draws (S, d) at once, (S,) without the constant."""
    logits = z @ x.T
    return jnp.sum(y[None] * logits - jax.nn.softplus(logits), axis=1) - 0.5 * jnp.sum(z * z, axis=1)


def many_gaussian(z, loc, scale):
    """Log density of independent normal numbers for all draws (S, d) at once, (S,) without the constant."""
    return -0.5 * jnp.sum(((z - loc[None]) / scale[None]) ** 2, axis=1)


def many_schools(z, effects, errors):
    """Log joint of eight schools for all draws (S, 10) of standardised effects, mean and log scale, (S,)."""
    t, mu, log_tau = z[:, :8], z[:, 8], z[:, 9]
    tau = jnp.exp(log_tau)
    residuals = (effects[None] - mu[:, None] - tau[:, None] * t) / errors[None]
    prior = -0.5 * jnp.sum(t * t, axis=1) - 0.5 * (mu / 5) ** 2 - jnp.log1p((tau / 5) ** 2) + log_tau
    return prior - 0.5 * jnp.sum(residuals**2, axis=1)


BATCH, PARTICLES, PIXELS, HIDDEN, LATENTS = 20, 50, 784, 200, 50


def autoencoder(key, discrete):
    """Weights of a 784-200-200-50 autoencoder; the encoder of discrete latents has one head, the other two."""
    heads = LATENTS if discrete else 2 * LATENTS
    sizes = {"encoder": (PIXELS, HIDDEN, HIDDEN, heads), "decoder": (LATENTS, HIDDEN, HIDDEN, PIXELS)}
    keys = dict(zip(sizes, jax.random.split(key), strict=True))

    def layers(key, widths):
        pairs = zip(jax.random.split(key, len(widths) - 1), widths, widths[1:], strict=False)
        return [(jax.random.normal(k, (a, b)) / jnp.sqrt(a), jnp.zeros(b)) for k, a, b in pairs]

    return {name: layers(keys[name], widths) for name, widths in sizes.items()}


def binary_images(key):
    return jax.random.bernoulli(key, 0.3, (BATCH, PIXELS)).astype(jnp.float32)


def mlp(layers, h):
    for kernel, bias in layers[:-1]:
        h = jnp.tanh(h @ kernel + bias)
    kernel, bias = layers[-1]
    return h @ kernel + bias


def guide_of(kind):
    """Encoder as a guide of the library."""
    from depthjax import distributions

    def guide(params, x):
        out = mlp(params["encoder"], x)
        if kind == "vimco":
            return distributions.Bernoulli(out)
        return distributions.MultivariateNormalDiag(out[:LATENTS], jnp.exp(out[LATENTS:]))

    return guide


def log_joint_of(kind):
    """Log joint of one datum in the library's terms."""
    from depthjax import distributions

    def log_joint(params, z, x):
        if kind == "vimco":
            prior = distributions.Bernoulli(jnp.zeros(LATENTS)).log_prob(z)
        else:
            prior = distributions.MultivariateNormalDiag(jnp.zeros(LATENTS), jnp.ones(LATENTS)).log_prob(z)
        return prior + distributions.Bernoulli(mlp(params["decoder"], z.astype(x.dtype))).log_prob(x)

    return log_joint


def multi_sample_by_hand(kind):
    """The same gradient for (key, params, x) with whole-batch arrays, (B, K, ...)."""

    def likelihood(params, z, x):
        logits = mlp(params["decoder"], z)
        return jnp.sum(jax.nn.log_sigmoid((2 * x - 1)[:, None] * logits), axis=-1)

    def normal_terms(params, x, noise):
        out = mlp(params["encoder"], x)
        loc, log_scale = out[:, None, :LATENTS], out[:, None, LATENTS:]
        return loc, log_scale, loc + jnp.exp(log_scale) * noise

    def log_normal(z, loc, log_scale):
        return jnp.sum(-0.5 * ((z - loc) * jnp.exp(-log_scale)) ** 2 - log_scale, axis=-1)

    def iwae(params, x, noise):
        loc, log_scale, z = normal_terms(params, x, noise)
        log_w = likelihood(params, z, x) + log_normal(z, 0.0, jnp.zeros(())) - log_normal(z, loc, log_scale)
        return jnp.mean(jax.nn.logsumexp(log_w, axis=1))

    def dreg(params, x, noise):
        fixed = jax.lax.stop_gradient
        loc, log_scale, z = normal_terms(params, x, noise)

        def log_w(p, z):
            return likelihood(p, z, x) + log_normal(z, 0.0, jnp.zeros(())) - log_normal(z, fixed(loc), fixed(log_scale))

        explicit = log_w(params, fixed(z))
        weights = fixed(jax.nn.softmax(explicit, axis=1))
        return jnp.mean(jnp.sum(weights**2 * log_w(fixed(params), z) + weights * explicit, axis=1))

    def vimco(params, x, z):
        logits = mlp(params["encoder"], x)[:, None]
        log_q = jnp.sum(jax.nn.log_sigmoid((2 * z - 1) * logits), axis=-1)
        log_w = likelihood(params, z, x) - log_q
        fixed = jax.lax.stop_gradient(log_w)
        bound = jax.nn.logsumexp(log_w, axis=1, keepdims=True)
        others = (jnp.sum(fixed, axis=1, keepdims=True) - fixed) / (PARTICLES - 1)
        replaced = fixed[:, None] + (others - fixed)[:, :, None] * jnp.eye(PARTICLES)[None]
        signal = jax.lax.stop_gradient(bound) - jax.nn.logsumexp(replaced, axis=2)
        return jnp.mean(jnp.sum(signal * log_q, axis=1) + bound[:, 0])

    def gradient(key, params, x):
        shape = (x.shape[0], PARTICLES, LATENTS)
        if kind == "vimco":
            probs = jax.nn.sigmoid(mlp(params["encoder"], x))[:, None]
            return jax.grad(vimco)(params, x, jax.random.bernoulli(key, probs, shape).astype(x.dtype))
        return jax.grad({"iwae": iwae, "dreg": dreg}[kind])(params, x, jax.random.normal(key, shape))

    return gradient


def sklearn_mixture(k, num_sweeps):
    """Coordinate ascent of scikit-learn, from random responsibilities; it works in the precision of the data."""
    import warnings

    import numpy as np
    from sklearn.mixture import BayesianGaussianMixture

    def fit(x):
        peer = BayesianGaussianMixture(
            n_components=k,
            tol=0.0,
            max_iter=num_sweeps,
            init_params="random_from_data",
            weight_concentration_prior_type="dirichlet_distribution",
            weight_concentration_prior=1.0,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jnp.asarray(peer.fit(np.asarray(x)).means_)

    return fit


def blackjax_pathfinder(log_density):
    """Multi-path Pathfinder of blackjax, path by path."""
    import blackjax

    def run(key, inits):
        keys = jax.random.split(key, inits.shape[0])
        return jax.vmap(lambda k, start: blackjax.vi.pathfinder.approximate(k, log_density, start)[0].position)(
            keys, inits
        )

    return run
