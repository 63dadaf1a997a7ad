"""The network of 3DDFA-V2: MobileNet with depthwise-separable blocks that regresses 62 face-model parameters.

Names of its parts are those of the published file.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

_BLOCKS = {
    # name: (input channels, output channels, stride), at full width
    "dw2_1": (32, 64, 1),
    "dw2_2": (64, 128, 2),
    "dw3_1": (128, 128, 1),
    "dw3_2": (128, 256, 2),
    "dw4_1": (256, 256, 1),
    "dw4_2": (256, 512, 2),
    **{f"dw5_{i}": (512, 512, 1) for i in range(1, 6)},
    "dw5_6": (512, 1024, 2),
    "dw6": (1024, 1024, 1),
}


class Separable(nn.Module):
    """A filter for each channel, then a mixture of channels."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.bn_dw = nn.BatchNorm2d(channels)
        self.conv_sep = nn.Conv2d(channels, out, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn_dw(self.conv_dw(x)))
        return cast(Tensor, self.relu(self.bn_sep(self.conv_sep(x))))


class MobileNet(nn.Module):
    """N×3×120×120 to N×62. The file's second head, of 68 landmarks, is kept so that it loads whole."""

    def __init__(self, width: float = 1.0, parameters: int = 62, landmarks: int = 136) -> None:
        super().__init__()
        first, last = int(32 * width), int(1024 * width)
        self.conv1 = nn.Conv2d(3, first, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU(inplace=True)
        for name, (channels, out, stride) in _BLOCKS.items():
            self.add_module(name, Separable(int(channels * width), int(out * width), stride))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc_param = nn.Linear(last, parameters)
        self.fc_lm = nn.Linear(last, landmarks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for name in _BLOCKS:
            x = self.get_submodule(name)(x)
        return cast(Tensor, self.fc_param(self.pool(x).flatten(1)))
