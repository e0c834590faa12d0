"""The gradient step of ``soft_actor_critic.py`` as one compiled function, for a CPU.

The networks are so small that torch spends more time between its operations than in them. Here all between two matrix
products is one loop, compiled by numba, which keeps the result beside this file for the next process. Both steps work
on the same tensors, and the tests hold them to the same numbers.

B rows are a batch, A is the size of an action.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = Any  # of numpy, float32 where nothing else is said; numba knows the types, mypy does not know numba

INPUTS, OUTPUTS, WEIGHT, BIAS, SCALE, SHIFT = range(6)
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
LOG_DENSITY = np.float32(math.log(2 * math.pi) / 2 + 2 * math.log(2))

# Strict arithmetic: a fast one leaves the order of sums to the compiler, whose code after compiling is not the one that
# the next process loads, and a resumed run would not be exact. So sums along a row are products with a vector, and all
# other loops fill the registers as they are. Division by zero is numpy's, because Python's is a branch in every loop.
# What was compiled is kept until this file changes, whatever else does: so the numbers of other files are arguments.
compiled = njit(error_model="numpy")


class Network(NamedTuple):
    """Perceptrons of one shape, learned together, and room for a batch in one of them.

    Attributes:
        members: how many.
        weights: (P,), all parameters; what no layer owns, such as the temperature, comes last.
        gradient: (P,), of a loss by them.
        mean: (P,), first moment of Adam.
        square: (P,), second moment.
        steps: (1,), how many Adam made.
        adam: float64 (4,), its step, the decays of its two moments and its epsilon.
        table: int64 (layers, 6), of each linear layer its inputs and outputs, and where member 0 has its weight, bias,
            scale and shift (those of the normalization that follows; -1 after the last). Member m's lie m sizes on.
        by_outputs: whether a weight is (outputs, inputs), as in ``torch.nn.Linear``, or (inputs, outputs).
        normals: (B * hidden,), the normalized values of every hidden layer of the last pass.
        hiddens: (B * hidden,), its outputs.
        rates: (layers, B), one over its standard deviations.
        epsilon: float64, of the normalization.
    """

    members: int
    weights: Array
    gradient: Array
    mean: Array
    square: Array
    steps: Array
    adam: Array
    table: Array
    by_outputs: bool
    normals: Array
    hiddens: Array
    rates: Array
    epsilon: float


@njit(error_model="numpy", cache=True)
def gradient_step(
    rows: Array,
    noises: Array,
    actor: Network,
    critics: Network,
    targets: Array,
    bounds: tuple[float, float],
    discount: float,
    target_rate: float,
    target_entropy: float,
) -> Array:
    """Critics, their targets, then actor and temperature: all in place.

    Args:
        rows: (B, columns): observations, actions, next observations, rewards and continuations.
        noises: (2, B, A) from N(0, 1).
        actor: its last weight is the logarithm of the temperature.
        critics: two or more.
        targets: (P,), as the critics' weights.
        bounds: of the logarithms of the standard deviations.
        discount: gamma.
        target_rate: tau.
        target_entropy: of a whole action.

    Returns:
        (5,): critics' loss, mean value, actor's loss, entropy, temperature.
    """
    batch, size = noises[0].shape
    observing = actor.table[0, INPUTS]
    acting = observing + size
    count, report = np.float32(batch), np.zeros(5, np.float32)
    temperature = np.exp(actor.weights[-1])
    actions, log_prob = np.empty((batch, size), np.float32), np.empty(batch, np.float32)
    least, chosen = np.empty(batch, np.float32), np.zeros(batch, np.int64)

    state = rows[:, acting : acting + observing].copy()
    sample(forward(state, actor.weights, actor, 0), noises[0], bounds, actions, log_prob)
    state_action = np.concatenate((state, actions), 1)
    for member in range(critics.members):
        take_least(forward(state_action, targets, critics, member), member, least, chosen)
    rewards, continuations = rows[:, acting + observing], rows[:, acting + observing + 1]
    goal = rewards + np.float32(discount) * continuations * (least - temperature * log_prob)

    state_action = rows[:, :acting].copy()
    for member in range(critics.members):
        values = forward(state_action, critics.weights, critics, member)
        for b in range(batch):
            error = values[b, 0] - goal[b]
            report[0] += error * error / (TWO * count)
            report[1] += values[b, 0] / (count * np.float32(critics.members))
            values[b, 0] = error / count
        backward(values, state_action, critics, member, True, acting)
    descend(critics)
    for p in range(len(targets)):
        targets[p] += np.float32(target_rate) * (critics.weights[p] - targets[p])

    state = rows[:, :observing].copy()
    outputs = forward(state, actor.weights, actor, 0)
    sample(outputs, noises[1], bounds, actions, log_prob)
    state_action = np.concatenate((state, actions), 1)
    by_actions = np.empty((critics.members, batch, size), np.float32)
    for member in range(critics.members):
        values = forward(state_action, critics.weights, critics, member)
        take_least(values, member, least, chosen)
        values[:] = -ONE / count
        by_actions[member] = backward(values, state_action, critics, member, False, observing)
    for b in range(batch):
        by_actions[0, b] = by_actions[chosen[b], b]
    report[2] = (temperature * log_prob - least).sum() / count
    report[3] = -log_prob.sum() / count
    report[4] = temperature
    g = unsample(outputs, noises[1], bounds, actions, by_actions[0], temperature / count)
    backward(g, state, actor, 0, True, observing)
    actor.gradient[-1] = temperature * (report[3] - np.float32(target_entropy))
    descend(actor)
    return report


@compiled
def take_least(values: Array, member: int, least: Array, chosen: Array) -> None:
    """Keep the least value of the members up to this one, (B,), and whose it is."""
    for b in range(len(least)):
        value = values[b, 0]
        if member == 0 or value < least[b] or value != value:
            least[b], chosen[b] = value, member


@compiled
def forward(x: Array, weights: Array, network: Network, member: int) -> Array:
    """(B, inputs) through one member to (B, outputs), by the network's weights or others of their order."""
    last = len(network.table) - 1
    for layer in range(last):
        row = network.table[layer]
        normal = hidden_layer(network.normals, network.table, layer, len(x))
        hidden = hidden_layer(network.hiddens, network.table, layer, len(x))
        multiply(x, matrix(weights, row, member, network.by_outputs), network.by_outputs, normal)
        bias, scale = vector(weights, row, BIAS, member), vector(weights, row, SCALE, member)
        shift = vector(weights, row, SHIFT, member)
        normalize(normal, bias, scale, shift, network.epsilon, network.rates[layer], hidden)
        x = hidden
    row = network.table[last]
    result = np.empty((len(x), row[OUTPUTS]), np.float32)
    multiply(x, matrix(weights, row, member, network.by_outputs), network.by_outputs, result)
    bias = vector(weights, row, BIAS, member)
    for b in range(len(x)):
        for i in range(len(bias)):
            result[b, i] += bias[i]
    return result


@compiled
def backward(g: Array, x: Array, network: Network, member: int, learning: bool, skipped: int) -> Array:
    """The gradient by the outputs of the last pass, (B, outputs), to those by the inputs and, if learning, the weights.

    Args:
        g: is overwritten.
        x: (B, inputs) of the pass.
        network: whose.
        member: likewise.
        learning: whether the network's gradient is wanted.
        skipped: how many of the inputs nobody asks about.

    Returns:
        (B, inputs - skipped).
    """
    last = len(network.table) - 1
    for layer in range(last, -1, -1):
        row = network.table[layer]
        by_bias = vector(network.gradient, row, BIAS, member)
        if layer == last:
            for i in range(len(by_bias)):
                by_bias[i] = g[:, i].sum()
        else:
            normal = hidden_layer(network.normals, network.table, layer, len(x))
            hidden = hidden_layer(network.hiddens, network.table, layer, len(x))
            by_scale = vector(network.gradient, row, SCALE, member)
            by_shift = vector(network.gradient, row, SHIFT, member)
            scale = vector(network.weights, row, SCALE, member)
            unnormalize(g, scale, normal, network.rates[layer], hidden, by_bias, by_scale, by_shift)
        if learning:
            below = hidden_layer(network.hiddens, network.table, layer - 1, len(x)) if layer else x
            by_weight = matrix(network.gradient, row, member, network.by_outputs)
            if network.by_outputs:
                np.dot(g.T, below, by_weight)
            else:
                np.dot(below.T, g, by_weight)
        first = 0 if layer else skipped
        down = np.empty((len(x), row[INPUTS] - first), np.float32)
        if first < row[INPUTS]:
            weight = matrix(network.weights, row, member, network.by_outputs)
            if network.by_outputs:
                np.dot(g, weight[:, first:].copy(), down)
            else:
                np.dot(g, weight[first:].T, down)
        g = down
    return g


@compiled
def matrix(flat: Array, row: Array, member: int, by_outputs: bool) -> Array:
    """The member's weight of a layer, a view."""
    size = row[INPUTS] * row[OUTPUTS]
    entries = flat[row[WEIGHT] + member * size : row[WEIGHT] + (member + 1) * size]
    return entries.reshape((row[OUTPUTS], row[INPUTS]) if by_outputs else (row[INPUTS], row[OUTPUTS]))


@compiled
def vector(flat: Array, row: Array, which: int, member: int) -> Array:
    """The member's bias, scale or shift of a layer, (outputs,), a view."""
    start = row[which] + member * row[OUTPUTS]
    return flat[start : start + row[OUTPUTS]]


@compiled
def hidden_layer(kept: Array, table: Array, layer: int, batch: int) -> Array:
    """What is kept of a hidden layer, (B, outputs), a view."""
    start = batch * table[:layer, OUTPUTS].sum()
    return kept[start : start + batch * table[layer, OUTPUTS]].reshape((batch, table[layer, OUTPUTS]))


@compiled
def multiply(x: Array, weight: Array, by_outputs: bool, result: Array) -> None:
    """(B, inputs) to (B, outputs)."""
    if by_outputs:
        np.dot(x, weight.T, result)
    else:
        np.dot(x, weight, result)


@compiled
def normalize(x: Array, bias: Array, scale: Array, shift: Array, epsilon: float, rates: Array, hidden: Array) -> None:
    """Bias, layer normalization and ReLU of x (B, H) to hidden; x becomes normal, and rates its one over deviation."""
    batch, size = x.shape
    mean = np.full(size, ONE / np.float32(size))
    for b in range(batch):
        for i in range(size):
            x[b, i] += bias[i]
    means = np.dot(x, mean)
    for b in range(batch):
        for i in range(size):
            x[b, i] -= means[b]
            hidden[b, i] = x[b, i] * x[b, i]
    variances = np.dot(hidden, mean)
    for b in range(batch):
        rate = ONE / np.sqrt(variances[b] + np.float32(epsilon))
        rates[b] = rate
        for i in range(size):
            value = x[b, i] * rate
            x[b, i] = value
            value = value * scale[i] + shift[i]
            hidden[b, i] = ZERO if value < ZERO else value


@compiled
def unnormalize(
    g: Array,
    scale: Array,
    normal: Array,
    rates: Array,
    hidden: Array,
    by_bias: Array,
    by_scale: Array,
    by_shift: Array,
) -> None:
    """In place, the gradient by what ``normalize`` gave to that by what it took; and those by its vectors."""
    batch, size = g.shape
    by_bias[:] = ZERO
    by_scale[:] = ZERO
    by_shift[:] = ZERO
    along = np.empty_like(g)
    for b in range(batch):
        for i in range(size):
            value = ZERO if hidden[b, i] <= ZERO else g[b, i]
            g[b, i] = value
            along[b, i] = value * normal[b, i]
            by_shift[i] += value
            by_scale[i] += along[b, i]
    mean = scale / np.float32(size)
    means, slopes = np.dot(g, mean), np.dot(along, mean)
    for b in range(batch):
        for i in range(size):
            value = rates[b] * (g[b, i] * scale[i] - means[b] - normal[b, i] * slopes[b])
            g[b, i] = value
            by_bias[i] += value


@compiled
def tanh(x: float) -> float:
    """By one exponential, which fits into a loop over registers; ``np.tanh`` is a call for each number."""
    small = np.exp(-TWO * abs(x))
    size = (ONE - small) / (ONE + small)
    return -size if x < ZERO else size


@compiled
def halves(bounds: tuple[float, float]) -> tuple[float, float]:
    """What ``bounded_log_std`` multiplies a tanh by, and adds, in float32."""
    low, high = bounds
    return np.float32((high - low) / 2), np.float32((high + low) / 2)


@compiled
def sample(outputs: Array, noise: Array, bounds: tuple[float, float], actions: Array, log_prob: Array) -> None:
    """Of the actor's outputs (B, 2 A) the actions (B, A) and their log densities (B,), as ``SquashedGaussian``."""
    batch, size = noise.shape
    half, middle = halves(bounds)
    for b in range(batch):
        total = ZERO
        for i in range(size):
            log_std = tanh(outputs[b, size + i]) * half + middle
            u = outputs[b, i] + np.exp(log_std) * noise[b, i]
            actions[b, i] = tanh(u)
            softplus = np.log(ONE + np.exp(-TWO * abs(u))) + max(-TWO * u, ZERO)
            total += TWO * (u + softplus) - log_std - noise[b, i] * noise[b, i] / TWO - LOG_DENSITY
        log_prob[b] = total


@compiled
def unsample(
    outputs: Array,
    noise: Array,
    bounds: tuple[float, float],
    actions: Array,
    by_actions: Array,
    by_log_prob: float,
) -> Array:
    """The gradients by the actions (B, A) and by each log density to that by the actor's outputs (B, 2 A)."""
    batch, size = noise.shape
    half, middle = halves(bounds)
    g = np.empty((batch, 2 * size), np.float32)
    for b in range(batch):
        for i in range(size):
            spread = tanh(outputs[b, size + i])
            std = np.exp(spread * half + middle)
            by_u = by_actions[b, i] * (ONE - actions[b, i] * actions[b, i]) + by_log_prob * TWO * actions[b, i]
            g[b, i] = by_u
            g[b, size + i] = (by_u * std * noise[b, i] - by_log_prob) * half * (ONE - spread * spread)
    return g


@compiled
def descend(network: Network) -> None:
    """Adam (Kingma and Ba 2015), as ``FlatAdam``."""
    flat, gradient, mean, square = network.weights, network.gradient, network.mean, network.square
    rate, mean_decay, square_decay, epsilon = network.adam
    network.steps[0] += ONE
    size = np.float32(rate / (1 - mean_decay ** network.steps[0]))
    root = np.float32(ONE / math.sqrt(1 - square_decay ** network.steps[0]))
    keep_mean, keep_square, least = np.float32(mean_decay), np.float32(square_decay), np.float32(epsilon)
    for p in range(len(flat)):
        mean[p] = keep_mean * mean[p] + (ONE - keep_mean) * gradient[p]
        square[p] = keep_square * square[p] + (ONE - keep_square) * gradient[p] * gradient[p]
        flat[p] -= size * mean[p] / (np.sqrt(square[p]) * root + least)
