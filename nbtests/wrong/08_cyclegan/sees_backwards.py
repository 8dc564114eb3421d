"""The lesson's rule, which counts from the last convolution, begun at the first."""


def sees(kernels, strides):
    size, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size = (size - 1) * stride + kernel
        step *= stride
    return size, step
