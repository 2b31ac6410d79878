"""Models with convolutions."""

import torch
import torch.nn.functional as F
from torch import nn
from torch_case import Call, Case, N, case, classes, cross_entropy, image

# ---- convolutions -----------------------------------------------------------------------------------------------


@case
def lenet():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 2, padding=1), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip
    return Case(model, image(1), classes(), cross_entropy)


@case
def grouped_strided_dilated():
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=(2, 1), groups=2), nn.ReLU(),
        nn.Conv2d(6, 6, 2, dilation=2, padding="same"), nn.Flatten(1), nn.LazyLinear(3),
    )  # fmt: skip
    x = image(4, 7)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def depthwise_separable():
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False), nn.Conv2d(8, 5, 1), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip
    return Case(model, image(4), classes(), cross_entropy)


@case
def convolution_over_time():
    model = nn.Sequential(
        nn.Conv1d(3, 6, 3, padding=2, padding_mode="circular"), nn.ELU(), nn.Conv1d(6, 4, 2, stride=2),
        nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    x = torch.randn(N, 3, 9)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def convolution_in_space():
    model = nn.Sequential(nn.Conv3d(2, 3, (2, 3, 1), stride=(1, 2, 1)), nn.SELU(), nn.Flatten(), nn.LazyLinear(3))
    x = torch.randn(N, 2, 3, 5, 2)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def convolutional_autoencoder():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2), nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, dilation=2, padding=2),
    )  # fmt: skip
    x = image()
    return Case(model, x, x, F.mse_loss)


@case
def transposed_over_time_and_space():
    def forward(m, x):
        return m.b(m.a(x).unsqueeze(-1).unsqueeze(-1))

    parts = {"a": nn.ConvTranspose1d(2, 3, 4, stride=3), "b": nn.ConvTranspose3d(3, 1, 2)}
    return Case(Call(forward, **parts), torch.randn(N, 2, 3), torch.randn(N, 1, 11, 2, 2), F.mse_loss)


class Block(nn.Module):
    """A residual block, with or without BatchNorm."""

    def __init__(self, J, K, norm):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(J, K, 3, padding=1, bias=False), nn.Conv2d(K, K, 3, padding=1, bias=False)
        self.norm1, self.norm2 = norm(K), norm(K)
        self.short = nn.Conv2d(J, K, 1)

    def forward(self, x):
        out = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(out)) + self.short(x), inplace=True)


@case
def resnet():
    model = nn.Sequential(Block(2, 4, nn.BatchNorm2d), Block(4, 4, nn.BatchNorm2d), nn.Flatten(), nn.Linear(144, 3))
    return Case(model, image(), classes(), cross_entropy, coupled=True)


@case
def resnet_in_eval_mode():
    return resnet()._replace(model=resnet().model.eval(), coupled=False)


@case
def resnet_with_group_norm():
    def norm(K):
        return nn.GroupNorm(2, K)

    model = nn.Sequential(Block(2, 4, norm), Block(4, 4, norm), nn.Flatten(), nn.Linear(144, 3))
    return Case(model, image().to(memory_format=torch.channels_last), classes(), cross_entropy)


@case
def channels_last_weights():
    return resnet_with_group_norm()._replace(model=resnet_with_group_norm().model.to(memory_format=torch.channels_last))


@case
def one_filter_for_two_sizes():
    def forward(m, x):
        big, small = m.conv(x), m.conv(F.avg_pool2d(x, 2))
        return m.out(torch.cat([big.mean((2, 3)), small.mean((2, 3))], 1))

    parts = {"conv": nn.Conv2d(2, 4, 3, groups=2), "out": nn.Linear(8, 3)}
    return Case(Call(forward, **parts), image(2, 8), classes(), cross_entropy)


@case
def densenet():
    def forward(m, x):
        for conv in m.convs:
            x = torch.cat([x, torch.relu(conv(x))], 1)
        return m.out(x.mean((2, 3)))

    convs = nn.ModuleList(nn.Conv2d(2 + 3 * i, 3, 3, padding=1) for i in range(3))
    return Case(Call(forward, convs=convs, out=nn.Linear(11, 3)), image(), classes(), cross_entropy)


@case
def unet():
    def forward(m, x):
        down = torch.relu(m.down(x))
        up = m.up(torch.relu(m.middle(F.max_pool2d(down, 2))))
        return m.out(torch.cat([down, up], 1))

    parts = {"down": nn.Conv2d(2, 4, 3, padding=1), "middle": nn.Conv2d(4, 6, 3, padding=1)}
    parts |= {"up": nn.ConvTranspose2d(6, 4, 2, stride=2), "out": nn.Conv2d(8, 3, 1)}
    return Case(Call(forward, **parts), image(), classes(3, 6, 6), cross_entropy)


@case
def frames_of_a_film():
    def forward(m, x):
        each = torch.relu(m.conv(x.flatten(0, 1))).mean((2, 3))
        return m.out(each.unflatten(0, x.shape[:2]).amax(1))

    parts = {"conv": nn.Conv2d(2, 4, 3, padding=1), "out": nn.Linear(4, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 3, 2, 5, 5), classes(), cross_entropy)
