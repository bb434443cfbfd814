"""Tables of the rewrite: the kind of step (`layers.py`) of each operation, by name, and layer, by type."""

from __future__ import annotations

from torch import nn

SKIPPED = {
    "dropout",
    "dropout2d",
    "dropout3d",
    "feature_dropout",
    "alpha_dropout",
    "stochastic_depth",
    "contiguous",
    "clone",
    "detach",
    "float",
    "drop_path",
    "drop_block_2d",
    "to",
    "type_as",
    "identity",
}
IGNORED = {"_assert", "assert_", "size", "dim", "getattr", "numel"}
MOVES = {
    "flatten",
    "view",
    "reshape",
    "permute",
    "transpose",
    "squeeze",
    "unsqueeze",
    "cat",
    "concat",
    "chunk",
    "split",
    "getitem",
    "pad",
    "stack",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "adaptive_max_pool2d",
    "adaptive_max_pool1d",
    "swapaxes",
    "pixel_shuffle",
    "channel_shuffle",
    "roll",
    "narrow",
    "unflatten",
    "expand",
    "unbind",
    "select",
    "t",
    "amax",
}
AVERAGES = {
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "mean",
    "sum",
    "interpolate",
}
FUNCTIONS = {
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "sigmoid_": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "mish": nn.Mish,
    "selu": nn.SELU,
}
BOUND = {
    "leaky_relu",
    "elu",
    "celu",
    "gelu",
    "softplus",
    "hardtanh",
    "clamp",
    "clamp_min",
    "clip",
    "threshold",
}
MAXIMA = {"maximum", "max", "fmax"}
ADDS, MULS, SUBS, DIVS = (
    {"add", "iadd", "add_"},
    {"mul", "imul", "mul_", "multiply"},
    {"sub", "isub", "sub_"},
    {"truediv", "div", "itruediv", "div_"},
)
WEIGHTS = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv3d"), ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    ),
    "linear": ("input", "weight", "bias"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps"),
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "batch_norm": ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
}
POOLS = (
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.Upsample,
)
MOVERS = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.Flatten,
    nn.Unflatten,
    nn.ZeroPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.ConstantPad2d,
    nn.PixelShuffle,
)
