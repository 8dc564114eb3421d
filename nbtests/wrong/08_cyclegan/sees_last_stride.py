"""The next score lies as far as the last stride says."""


def sees(kernels, strides):
    size = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        size = (size - 1) * stride + kernel
    return size, strides[-1]
