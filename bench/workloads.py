# SPDX-License-Identifier: MIT
"""The networks that `make bench` times, as PyTorch has them: one row each, under the name of its YAML file beside this one.

A row says how many parameters the network has, the batches, its input and target, loss and optimiser. A network is made
of modules, of `+`, `*` and torch.cat alone, so that onnx_of.py can write it down as well. To add one: NAME.yaml and a row.
"""
from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn

# batch: of a training step, 0: not trained. batches: of inference. x: the input's shape. y, loss, optimizer: to train; y is
# what the loss takes beside the network's result: targets, or noise. tokens: x holds whole numbers below it; 0: numbers; of
# several inputs, all of shape x, a tuple. turns: of players: a step's turns, as gan_turns has them, in place of the loss.
Workload = namedtuple('Workload', 'name parameters batch batches net x y loss optimizer tokens turns', defaults=(None, None, None, 0, None))


# --- networks --------------------------------------------------------------------------------------------------------

def dense(*sizes, act=nn.ReLU, last=None):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1], *([last()] if last else []))


def cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(True), nn.Conv2d(32, 64, 3), nn.ReLU(True), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(True), nn.Linear(128, 10))


def conv_bn(i, o, kernel, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return layers + ([act(True)] if act else [])


class Residual(nn.Module):
    """The body's result added to the input, or to what `short` makes of it."""

    def __init__(self, body, short=(), act=None):
        super().__init__()
        self.body, self.short, self.act = nn.Sequential(*body), nn.Sequential(*short), act(True) if act else nn.Identity()

    def forward(self, x):
        return self.act(self.body(x) + self.short(x))


def head(i, o):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, o)]


def resnet18():
    layers, i = conv_bn(3, 64, 3, act=nn.ReLU), 64
    for o, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for s in (stride, 1):
            layers.append(Residual(conv_bn(i, o, 3, s, act=nn.ReLU) + conv_bn(o, o, 3),
                                   conv_bn(i, o, 1, s) if s != 1 or i != o else (), nn.ReLU))
            i = o
    return nn.Sequential(*layers, *head(512, 10))


def resnet50():
    layers, i = conv_bn(3, 64, 7, 2, act=nn.ReLU) + [nn.MaxPool2d(3, 2, 1)], 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for k in range(count):
            o, s = 4 * width, stride if k == 0 else 1
            body = conv_bn(i, width, 1, act=nn.ReLU) + conv_bn(width, width, 3, s, act=nn.ReLU) + conv_bn(width, o, 1)
            layers.append(Residual(body, conv_bn(i, o, 1, s) if k == 0 else (), nn.ReLU))
            i = o
    return nn.Sequential(*layers, *head(2048, 1000))


def mobilenetv2():
    layers, i = conv_bn(3, 32, 3, 2, act=nn.ReLU6), 32
    for t, o, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                (6, 320, 1, 1)):
        for k in range(count):
            h, s = t * i, stride if k == 0 else 1
            body = conv_bn(i, h, 1, act=nn.ReLU6) if t != 1 else []
            body += conv_bn(h, h, 3, s, h, nn.ReLU6) + conv_bn(h, o, 1)
            layers.append(Residual(body) if s == 1 and i == o else nn.Sequential(*body))
            i = o
    return nn.Sequential(*layers, *conv_bn(320, 1280, 1, act=nn.ReLU6), *head(1280, 1000))


def two(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(True), nn.Conv2d(o, o, 3, padding=1), nn.ReLU(True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = two(1, 16), two(16, 32), two(32, 64)
        self.pool1, self.pool2 = nn.MaxPool2d(2), nn.MaxPool2d(2)
        self.up2, self.d = nn.ConvTranspose2d(64, 32, 2, 2), two(64, 32)
        self.up1, self.e = nn.ConvTranspose2d(32, 16, 2, 2), two(32, 16)
        self.out = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(self.pool1(a))
        y = self.d(torch.cat((self.up2(self.c(self.pool2(b))), b), 1))
        return self.out(self.e(torch.cat((self.up1(y), a), 1)))


class VAE(nn.Module):
    """Encoder and decoder. Evaluated, it decodes the mean; in training it gives what vae_loss, which has the noise, needs."""

    def __init__(self):
        super().__init__()
        self.h, self.mu, self.lv = dense(784, 400, last=nn.ReLU), nn.Linear(400, 20), nn.Linear(400, 20)
        self.decode = dense(20, 400, 784, last=nn.Sigmoid)

    def forward(self, x):
        h = self.h(x)
        return (x, self.mu(h), self.lv(h), self.decode) if self.training else self.decode(self.mu(h))


def vae_loss(given, eps):
    x, mu, lv, decode = given
    r = decode(mu + eps * torch.exp(0.5 * lv))
    return F.binary_cross_entropy(r, x, reduction='sum') - 0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class Tokens(nn.Module):
    """Vectors of tokens and of their positions, of which there may be more than tokens, added."""

    def __init__(self, count, length, width):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(count, width), nn.Embedding(length, width)

    def forward(self, x):
        return self.tokens(x) + self.positions.weight[:x.shape[1]]


class Last(nn.Module):
    """In training all positions, else the last one."""

    def forward(self, x):
        return x if self.training else x[:, -1]


def gpt(vocabulary, length, blocks, heads, width, last=False):
    embedding = Tokens(vocabulary, length, width)
    layers = [embedding]
    for _ in range(blocks):
        layers += [Residual([nn.LayerNorm(width), Attention(width, heads)]),
                   Residual([nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU('tanh'), nn.Linear(4 * width, width)])]
    head = nn.Linear(width, vocabulary, bias=False)
    net = nn.Sequential(*layers, nn.LayerNorm(width), *([Last()] if last else []), head)
    for p in net.parameters():
        if p.dim() > 1:
            nn.init.normal_(p, 0, 0.02)
    head.weight = embedding.tokens.weight
    return net


class Turn(nn.Module):
    """[N, T, C] as [N, C, T], and back."""

    def forward(self, x):
        return x.transpose(1, 2)


class States(nn.Module):
    """A GRU's, or an LSTM's, states in all steps."""

    def __init__(self, i, o, kind=nn.GRU):
        super().__init__()
        self.cell = kind(i, o, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


def lstm():
    return nn.Sequential(nn.Embedding(65, 64), States(64, 256, nn.LSTM), nn.Linear(256, 65))


def speech():
    return nn.Sequential(Turn(), nn.Conv1d(40, 128, 5, padding=2), nn.ReLU(), Turn(), States(128, 128), nn.Linear(128, 13),
                         nn.LogSoftmax(2))


class Ncf(nn.Module):
    """Products of a user's and an item's factors, and a network of other factors of both (He et al. 2017)."""

    def __init__(self, users, items, dim):
        super().__init__()
        self.gu, self.gi, self.mu, self.mi = (nn.Embedding(count, dim) for count in (users, items, users, items))
        for table in (self.gu, self.gi, self.mu, self.mi):
            nn.init.normal_(table.weight, 0, 0.01)
        self.m, self.out = dense(2 * dim, dim, dim // 2, last=nn.ReLU), nn.Linear(dim + dim // 2, 1)

    def forward(self, user, item):
        m = self.m(torch.cat((self.mu(user), self.mi(item)), 1))
        return self.out(torch.cat((self.gu(user) * self.gi(item), m), 1))


class Gan(nn.Module):
    """A generator, which is what it computes, and a discriminator (Radford et al. 2015)."""

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(100, 6272), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU(True), nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh())
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2, True), nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128), nn.LeakyReLU(0.2, True),
            nn.Flatten(), nn.Linear(6272, 1))

    def forward(self, z):
        return self.generator(z)


def gan_turns(net, optimizer, compiled):
    """A step of a GAN's two players: the discriminator's, then the generator's through the same pictures."""
    generator, discriminator, bce = compiled(net.generator), compiled(net.discriminator), F.binary_cross_entropy_with_logits
    of_generator, of_discriminator = optimizer(net.generator.parameters()), optimizer(net.discriminator.parameters())

    def step(z, real):
        fake, one, zero = generator(z), torch.ones(len(z), 1), torch.zeros(len(z), 1)
        loss = bce(discriminator(real), one) + bce(discriminator(fake.detach()), zero)
        of_discriminator.zero_grad(set_to_none=True)
        loss.backward()
        of_discriminator.step()
        loss = bce(discriminator(fake), one)
        of_generator.zero_grad(set_to_none=True)
        loss.backward()
        of_generator.step()
    return step


def ctc_loss(log_probs, targets):
    n, frames, _ = log_probs.shape
    return F.ctc_loss(log_probs.transpose(0, 1), targets, torch.full((n,), frames), torch.full((n,), targets.shape[1]))


def sequence_loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


# --- the table -------------------------------------------------------------------------------------------------------

def classes(count, *shape):
    return lambda batch: torch.randint(0, count, (batch, *shape))


def bits(*shape):
    return lambda batch: torch.randint(0, 2, (batch, *shape)).float()


def normal(*shape):
    return lambda batch: torch.randn(batch, *shape)


def pictures(*shape):
    return lambda batch: torch.rand(batch, *shape) * 2 - 1


def sgd(**arguments):
    return lambda parameters: torch.optim.SGD(parameters, **arguments)


def adam(**arguments):
    return lambda parameters: torch.optim.Adam(parameters, **arguments)


def adamw(**arguments):
    return lambda parameters: torch.optim.AdamW(parameters, **arguments)


WORKLOADS = [
    Workload('toy_2_3_1', 13, 4, (1, 4), lambda: dense(2, 3, 1, act=nn.Sigmoid, last=nn.Sigmoid), (2,), bits(1),
             F.binary_cross_entropy, sgd(lr=0.5)),
    Workload('mlp_mnist', 669706, 128, (1, 128), lambda: dense(784, 512, 512, 10), (784,), classes(10),
             F.cross_entropy, sgd(lr=0.01, momentum=0.9)),
    Workload('cnn_mnist', 1199882, 64, (1, 64), cnn, (1, 28, 28), classes(10), F.cross_entropy, adam(lr=1e-3)),
    Workload('resnet18_cifar', 11173962, 32, (1, 32), resnet18, (3, 32, 32), classes(10),
             F.cross_entropy, sgd(lr=0.1, momentum=0.9)),
    Workload('unet_64', 116753, 8, (1, 8), UNet, (1, 64, 64), bits(1, 64, 64),
             F.binary_cross_entropy_with_logits, adam(lr=1e-3)),
    Workload('vae_mnist', 652824, 128, (1, 128), VAE, (784,), normal(20), vae_loss, adam(lr=1e-3)),
    Workload('gpt_char', 10770816, 8, (1, 8), lambda: gpt(65, 256, 6, 6, 384), (256,), classes(65, 256), sequence_loss,
             adamw(lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1), 65),
    Workload('gpt2_124m', 124439808, 4, (1,), lambda: gpt(50257, 1024, 12, 12, 768, last=True), (64,), classes(50257, 64),
             sequence_loss, adamw(lr=1e-4, weight_decay=0), 50257),
    Workload('gpt2_124m_decode', 124439808, 0, (1,), lambda: gpt(50257, 1024, 12, 12, 768), (1,), tokens=50257),
    Workload('lstm_char', 350593, 32, (1, 32), lstm, (64,), classes(65, 64), sequence_loss, adam(lr=1e-3), 65),
    Workload('ctc_speech', 126477, 16, (1, 16), speech, (100, 40), lambda batch: torch.randint(1, 13, (batch, 10)), ctc_loss,
             adam(lr=1e-3)),
    Workload('ncf', 626401, 256, (1, 256), lambda: Ncf(6040, 3706, 32), (), bits(1), F.binary_cross_entropy_with_logits,
             adam(lr=1e-3), (6040, 3706)),
    Workload('dcgan_28', 904834, 64, (1, 64), Gan, (100,), pictures(1, 28, 28), None, adam(lr=2e-4, betas=(0.5, 0.999)), turns=gan_turns),
    Workload('resnet50_224', 25557032, 0, (1, 8), resnet50, (3, 224, 224)),
    Workload('mobilenetv2_224', 3504872, 0, (1,), mobilenetv2, (3, 224, 224)),
]


def find(name):
    """The row of that name; None: there is none."""
    return next((w for w in WORKLOADS if w.name == name), None)
