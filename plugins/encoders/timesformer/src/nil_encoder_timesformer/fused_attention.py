"""TimeSformer attention with torch's fused kernel; transformers computes product, scaling and softmax separately."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.timesformer.modeling_timesformer import TimesformerSelfAttention


class FusedAttention(TimesformerSelfAttention):
    """Same parameters and same result up to rounding; no attention maps, no dropout."""

    def forward(self, hidden_states: Tensor, output_attentions: bool = False) -> tuple[Tensor]:
        """Tokens (B, T, D) to contexts (B, T, D)."""
        batch, tokens, width = hidden_states.shape
        qkv = self.qkv(hidden_states).view(batch, tokens, 3, self.num_heads, width // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()
        context = scaled_dot_product_attention(query, key, value, scale=self.scale)
        return (context.transpose(1, 2).reshape(batch, tokens, width),)


def fuse_attention(model: nn.Module) -> None:
    """Make every attention layer of a TimeSformer in evaluation mode use the fused kernel, in place."""
    for module in model.modules():
        if type(module) is TimesformerSelfAttention:
            module.__class__ = FusedAttention
