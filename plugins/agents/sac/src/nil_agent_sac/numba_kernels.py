"""The gradient step of ``soft_actor_critic.py`` as one function compiled by numba, for a CPU.

The networks are so small that torch spends more time between its operations than in them. Here everything between two
matrix products is one loop. numba caches the compiled code beside this file. The torch and the numba step work on the
same tensors, and the tests compare their numbers.

Shapes: B is the batch size, A the size of an action. ``d_x`` is the gradient of the loss with respect to ``x``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = Any  # numpy array, float32 unless noted; mypy does not know numba's types

# Columns of MlpEnsemble.layout.
INPUTS, OUTPUTS, WEIGHT, BIAS, NORM_SCALE, NORM_SHIFT = range(6)
ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
# log(2 pi) / 2 of the Gaussian density and 2 log 2 of the tanh correction, per action dimension.
LOG_PROB_CONSTANT = np.float32(math.log(2 * math.pi) / 2 + 2 * math.log(2))

# Strict arithmetic: fastmath lets the compiler choose the order of sums, and freshly compiled code may then differ from
# cached code, so that a resumed run would not be exact. Therefore row sums are products with a vector, and the other
# loops vectorize as they are. error_model="numpy" avoids Python's check for division by zero, a branch in every loop.
# numba recompiles only when this file changes, so constants of other files must be passed as arguments.
compiled = njit(error_model="numpy")


class MlpEnsemble(NamedTuple):
    """MLPs of one shape that are trained together, their Adam state, and buffers for one forward pass of one member.

    Attributes:
        num_members: number of MLPs.
        parameters: (P,), all parameters; those that belong to no layer (the log temperature) come last.
        gradient: (P,), of the loss with respect to ``parameters``.
        exp_avg: (P,), Adam's first moment.
        exp_avg_sq: (P,), Adam's second moment.
        steps: (1,), Adam steps made.
        adam: float64 (4,), learning rate, beta 1, beta 2 and epsilon.
        layout: int64 (layers, 6), for each linear layer its inputs and outputs, and the offsets of member 0's weight,
            bias, and scale and shift of the layer normalization that follows (-1 after the last layer). Those of member
            m follow m times the size later.
        outputs_first: whether a weight is (outputs, inputs), as in ``torch.nn.Linear``, or (inputs, outputs).
        normalized: (B * hidden,), normalized pre-activations of each hidden layer in the last forward pass.
        activations: (B * hidden,), outputs of each hidden layer in the last forward pass.
        inverse_stds: (layers, B), of each hidden layer's pre-activations.
        norm_eps: float64, of the layer normalization.
    """

    num_members: int
    parameters: Array
    gradient: Array
    exp_avg: Array
    exp_avg_sq: Array
    steps: Array
    adam: Array
    layout: Array
    outputs_first: bool
    normalized: Array
    activations: Array
    inverse_stds: Array
    norm_eps: float


@njit(error_model="numpy", cache=True)
def gradient_step(
    rows: Array,
    noise: Array,
    actor: MlpEnsemble,
    critics: MlpEnsemble,
    target_parameters: Array,
    log_std_bounds: tuple[float, float],
    tau: float,
    target_entropy: float,
) -> Array:
    """Update critics, target critics, then actor and temperature, in place.

    Haarnoja et al. 2018 (arXiv 1812.05905), equations 5 to 7 and 18.

    Args:
        rows: (B, columns): observations, actions, next observations, rewards, discounts.
        noise: (2, B, A) from N(0, 1), for the next actions and for the actions.
        actor: its last parameter is the log temperature.
        critics: two or more members.
        target_parameters: (P,), in the order of the critics' parameters.
        log_std_bounds: of the policy's log standard deviations.
        tau: update rate of the target critics.
        target_entropy: of a whole action, in nats.

    Returns:
        (5,): critic loss, mean Q value, actor loss, entropy, temperature.
    """
    batch_size, action_size = noise[0].shape
    observation_size = actor.layout[0, INPUTS]
    action_end = observation_size + action_size
    next_end = action_end + observation_size
    count, metrics = np.float32(batch_size), np.zeros(5, np.float32)
    temperature = np.exp(actor.parameters[-1])
    actions, log_prob = np.empty((batch_size, action_size), np.float32), np.empty(batch_size, np.float32)
    min_q, argmin_q = np.empty(batch_size, np.float32), np.zeros(batch_size, np.int64)

    observations = rows[:, action_end:next_end].copy()
    policy_outputs = mlp_forward(observations, actor.parameters, actor, 0)
    squashed_gaussian(policy_outputs, noise[0], log_std_bounds, actions, log_prob)
    critic_inputs = np.concatenate((observations, actions), 1)
    for member in range(critics.num_members):
        update_min_q(mlp_forward(critic_inputs, target_parameters, critics, member), member, min_q, argmin_q)
    rewards, discounts = rows[:, next_end], rows[:, next_end + 1]
    td_target = rewards + discounts * (min_q - temperature * log_prob)

    critic_inputs = rows[:, :action_end].copy()
    for member in range(critics.num_members):
        q = mlp_forward(critic_inputs, critics.parameters, critics, member)
        for b in range(batch_size):
            td_error = q[b, 0] - td_target[b]
            metrics[0] += td_error * td_error / (TWO * count)
            metrics[1] += q[b, 0] / (count * np.float32(critics.num_members))
            q[b, 0] = td_error / count  # now d_q
        mlp_backward(q, critic_inputs, critics, member, True, action_end)
    adam_step(critics)
    for p in range(len(target_parameters)):
        target_parameters[p] += np.float32(tau) * (critics.parameters[p] - target_parameters[p])

    observations = rows[:, :observation_size].copy()
    policy_outputs = mlp_forward(observations, actor.parameters, actor, 0)
    squashed_gaussian(policy_outputs, noise[1], log_std_bounds, actions, log_prob)
    critic_inputs = np.concatenate((observations, actions), 1)
    d_actions = np.empty((critics.num_members, batch_size, action_size), np.float32)
    for member in range(critics.num_members):
        q = mlp_forward(critic_inputs, critics.parameters, critics, member)
        update_min_q(q, member, min_q, argmin_q)
        q[:] = -ONE / count  # now d_q
        d_actions[member] = mlp_backward(q, critic_inputs, critics, member, False, observation_size)
    for b in range(batch_size):
        d_actions[0, b] = d_actions[argmin_q[b], b]
    metrics[2] = (temperature * log_prob - min_q).sum() / count
    metrics[3] = -log_prob.sum() / count
    metrics[4] = temperature
    d_policy_outputs = squashed_gaussian_backward(
        policy_outputs, noise[1], log_std_bounds, actions, d_actions[0], temperature / count
    )
    mlp_backward(d_policy_outputs, observations, actor, 0, True, observation_size)
    actor.gradient[-1] = temperature * (metrics[3] - np.float32(target_entropy))
    adam_step(actor)
    return metrics


@compiled
def update_min_q(q: Array, member: int, min_q: Array, argmin_q: Array) -> None:
    """Update the running minimum over members, (B,), and its member. NaN is propagated."""
    for b in range(len(min_q)):
        value = q[b, 0]
        if member == 0 or value < min_q[b] or value != value:
            min_q[b], argmin_q[b] = value, member


@compiled
def mlp_forward(x: Array, parameters: Array, network: MlpEnsemble, member: int) -> Array:
    """Inputs (B, inputs) through one member to (B, outputs).

    Args:
        x: (B, inputs).
        parameters: (P,), the network's own or others in the same order.
        network: gives the layout, and buffers for what the backward pass needs.
        member: index of the member.
    """
    last = len(network.layout) - 1
    for layer in range(last):
        row = network.layout[layer]
        normalized = layer_buffer(network.normalized, network.layout, layer, len(x))
        activations = layer_buffer(network.activations, network.layout, layer, len(x))
        weight = weight_matrix(parameters, row, member, network.outputs_first)
        matmul_weight(x, weight, network.outputs_first, normalized)
        bias, scale = layer_vector(parameters, row, BIAS, member), layer_vector(parameters, row, NORM_SCALE, member)
        shift = layer_vector(parameters, row, NORM_SHIFT, member)
        norm_relu(normalized, bias, scale, shift, network.norm_eps, network.inverse_stds[layer], activations)
        x = activations
    row = network.layout[last]
    outputs = np.empty((len(x), row[OUTPUTS]), np.float32)
    weight = weight_matrix(parameters, row, member, network.outputs_first)
    matmul_weight(x, weight, network.outputs_first, outputs)
    bias = layer_vector(parameters, row, BIAS, member)
    for b in range(len(x)):
        for i in range(len(bias)):
            outputs[b, i] += bias[i]
    return outputs


@compiled
def mlp_backward(
    d_outputs: Array, x: Array, network: MlpEnsemble, member: int, d_parameters: bool, first_input: int
) -> Array:
    """The gradient with respect to the inputs of the last forward pass, and to the parameters into ``gradient``.

    Args:
        d_outputs: (B, outputs).
        x: (B, inputs) of that pass.
        network: as in that pass.
        member: as in that pass.
        d_parameters: whether the gradient of weight matrices is computed.
        first_input: inputs before this one get no gradient.

    Returns:
        (B, inputs - first_input).
    """
    last = len(network.layout) - 1
    for layer in range(last, -1, -1):
        row = network.layout[layer]
        d_bias = layer_vector(network.gradient, row, BIAS, member)
        if layer == last:
            for i in range(len(d_bias)):
                d_bias[i] = d_outputs[:, i].sum()
        else:
            normalized = layer_buffer(network.normalized, network.layout, layer, len(x))
            activations = layer_buffer(network.activations, network.layout, layer, len(x))
            d_scale = layer_vector(network.gradient, row, NORM_SCALE, member)
            d_shift = layer_vector(network.gradient, row, NORM_SHIFT, member)
            scale = layer_vector(network.parameters, row, NORM_SCALE, member)
            inverse_stds = network.inverse_stds[layer]
            norm_relu_backward(d_outputs, scale, normalized, inverse_stds, activations, d_bias, d_scale, d_shift)
        if d_parameters:
            inputs = layer_buffer(network.activations, network.layout, layer - 1, len(x)) if layer else x
            d_weight = weight_matrix(network.gradient, row, member, network.outputs_first)
            if network.outputs_first:
                np.dot(d_outputs.T, inputs, d_weight)
            else:
                np.dot(inputs.T, d_outputs, d_weight)
        first = 0 if layer else first_input
        d_inputs = np.empty((len(x), row[INPUTS] - first), np.float32)
        if first < row[INPUTS]:
            weight = weight_matrix(network.parameters, row, member, network.outputs_first)
            if network.outputs_first:
                np.dot(d_outputs, weight[:, first:].copy(), d_inputs)
            else:
                np.dot(d_outputs, weight[first:].T, d_inputs)
        d_outputs = d_inputs
    return d_outputs


@compiled
def weight_matrix(flat: Array, row: Array, member: int, outputs_first: bool) -> Array:
    """A view of one member's weight matrix, from the flat parameters and a row of the layout."""
    size = row[INPUTS] * row[OUTPUTS]
    entries = flat[row[WEIGHT] + member * size : row[WEIGHT] + (member + 1) * size]
    return entries.reshape((row[OUTPUTS], row[INPUTS]) if outputs_first else (row[INPUTS], row[OUTPUTS]))


@compiled
def layer_vector(flat: Array, row: Array, column: int, member: int) -> Array:
    """A view (outputs,) of one member's bias, scale or shift, by its column of the layout."""
    start = row[column] + member * row[OUTPUTS]
    return flat[start : start + row[OUTPUTS]]


@compiled
def layer_buffer(flat: Array, layout: Array, layer: int, batch_size: int) -> Array:
    """A view (B, outputs) of one hidden layer's part of ``normalized`` or ``activations``."""
    start = batch_size * layout[:layer, OUTPUTS].sum()
    return flat[start : start + batch_size * layout[layer, OUTPUTS]].reshape((batch_size, layout[layer, OUTPUTS]))


@compiled
def matmul_weight(x: Array, weight: Array, outputs_first: bool, result: Array) -> None:
    """Write the product of (B, inputs) and a weight to ``result`` (B, outputs)."""
    if outputs_first:
        np.dot(x, weight.T, result)
    else:
        np.dot(x, weight, result)


@compiled
def norm_relu(
    x: Array, bias: Array, scale: Array, shift: Array, eps: float, inverse_stds: Array, activations: Array
) -> None:
    """Add the bias, normalize each row (Ba et al. 2016), scale, shift, ReLU.

    Args:
        x: (B, H); afterwards the normalized values.
        bias: (H,).
        scale: (H,).
        shift: (H,).
        eps: added to the variance.
        inverse_stds: (B,), written.
        activations: (B, H), written.
    """
    batch_size, size = x.shape
    averaging = np.full(size, ONE / np.float32(size))
    for b in range(batch_size):
        for i in range(size):
            x[b, i] += bias[i]
    means = np.dot(x, averaging)
    for b in range(batch_size):
        for i in range(size):
            x[b, i] -= means[b]
            activations[b, i] = x[b, i] * x[b, i]
    variances = np.dot(activations, averaging)
    for b in range(batch_size):
        inverse_std = ONE / np.sqrt(variances[b] + np.float32(eps))
        inverse_stds[b] = inverse_std
        for i in range(size):
            value = x[b, i] * inverse_std
            x[b, i] = value
            value = value * scale[i] + shift[i]
            activations[b, i] = ZERO if value < ZERO else value


@compiled
def norm_relu_backward(
    grad: Array,
    scale: Array,
    normalized: Array,
    inverse_stds: Array,
    activations: Array,
    d_bias: Array,
    d_scale: Array,
    d_shift: Array,
) -> None:
    """The backward pass of ``norm_relu``; ``grad`` (B, H) is d_activations before and d_x after the call."""
    batch_size, size = grad.shape
    d_bias[:] = ZERO
    d_scale[:] = ZERO
    d_shift[:] = ZERO
    grad_times_normalized = np.empty_like(grad)
    for b in range(batch_size):
        for i in range(size):
            value = ZERO if activations[b, i] <= ZERO else grad[b, i]
            grad[b, i] = value
            grad_times_normalized[b, i] = value * normalized[b, i]
            d_shift[i] += value
            d_scale[i] += grad_times_normalized[b, i]
    averaging = scale / np.float32(size)
    mean_grad, mean_product = np.dot(grad, averaging), np.dot(grad_times_normalized, averaging)
    for b in range(batch_size):
        for i in range(size):
            value = inverse_stds[b] * (grad[b, i] * scale[i] - mean_grad[b] - normalized[b, i] * mean_product[b])
            grad[b, i] = value
            d_bias[i] += value


@compiled
def tanh(x: float) -> float:
    """Tanh with one exponential, which vectorizes; ``np.tanh`` is one function call per number."""
    exp_term = np.exp(-TWO * abs(x))
    magnitude = (ONE - exp_term) / (ONE + exp_term)
    return -magnitude if x < ZERO else magnitude  # type: ignore[no-any-return]  # numba makes it a float


@compiled
def log_std_scale_and_offset(bounds: tuple[float, float]) -> tuple[np.float32, np.float32]:
    """``bounded_log_std`` is tanh(x) times the first plus the second, in float32."""
    low, high = bounds
    return np.float32((high - low) / 2), np.float32((high + low) / 2)


@compiled
def squashed_gaussian(
    outputs: Array, noise: Array, log_std_bounds: tuple[float, float], actions: Array, log_prob: Array
) -> None:
    """Actions (B, A) and log probabilities (B,) of the actor's outputs (B, 2 A), as ``SquashedGaussian``."""
    batch_size, action_size = noise.shape
    log_std_scale, log_std_offset = log_std_scale_and_offset(log_std_bounds)
    for b in range(batch_size):
        total = ZERO
        for i in range(action_size):
            log_std = tanh(outputs[b, action_size + i]) * log_std_scale + log_std_offset
            u = outputs[b, i] + np.exp(log_std) * noise[b, i]
            actions[b, i] = tanh(u)
            softplus = np.log(ONE + np.exp(-TWO * abs(u))) + max(-TWO * u, ZERO)
            total += TWO * (u + softplus) - log_std - noise[b, i] * noise[b, i] / TWO - LOG_PROB_CONSTANT
        log_prob[b] = total


@compiled
def squashed_gaussian_backward(
    outputs: Array,
    noise: Array,
    log_std_bounds: tuple[float, float],
    actions: Array,
    d_actions: Array,
    d_log_prob: float,
) -> Array:
    """The backward pass of ``squashed_gaussian``.

    With a = tanh(u) and u = mean + std * noise: da/du = 1 - a², d log_prob / du = 2 a, and d log_prob / d log_std = -1
    in addition to the gradient through u.

    Args:
        outputs: (B, 2 A).
        noise: (B, A).
        log_std_bounds: as in the forward pass.
        actions: (B, A), of the forward pass.
        d_actions: (B, A).
        d_log_prob: the same for every row.

    Returns:
        d_outputs (B, 2 A).
    """
    batch_size, action_size = noise.shape
    log_std_scale, log_std_offset = log_std_scale_and_offset(log_std_bounds)
    d_outputs = np.empty((batch_size, 2 * action_size), np.float32)
    for b in range(batch_size):
        for i in range(action_size):
            tanh_output = tanh(outputs[b, action_size + i])
            std = np.exp(tanh_output * log_std_scale + log_std_offset)
            d_u = d_actions[b, i] * (ONE - actions[b, i] * actions[b, i]) + d_log_prob * TWO * actions[b, i]
            d_outputs[b, i] = d_u
            d_log_std = d_u * std * noise[b, i] - d_log_prob
            d_outputs[b, action_size + i] = d_log_std * log_std_scale * (ONE - tanh_output * tanh_output)
    return d_outputs


@compiled
def adam_step(network: MlpEnsemble) -> None:
    """One step of Adam (Kingma and Ba 2015, algorithm 1) along ``gradient``, as ``FlatAdam``."""
    parameters, gradient = network.parameters, network.gradient
    exp_avg, exp_avg_sq = network.exp_avg, network.exp_avg_sq
    learning_rate, beta1, beta2, eps = network.adam
    network.steps[0] += ONE
    step_size = np.float32(learning_rate / (1 - beta1 ** network.steps[0]))
    correction = np.float32(ONE / math.sqrt(1 - beta2 ** network.steps[0]))
    beta1_f, beta2_f, eps_f = np.float32(beta1), np.float32(beta2), np.float32(eps)
    for p in range(len(parameters)):
        exp_avg[p] = beta1_f * exp_avg[p] + (ONE - beta1_f) * gradient[p]
        exp_avg_sq[p] = beta2_f * exp_avg_sq[p] + (ONE - beta2_f) * gradient[p] * gradient[p]
        parameters[p] -= step_size * exp_avg[p] / (np.sqrt(exp_avg_sq[p]) * correction + eps_f)
