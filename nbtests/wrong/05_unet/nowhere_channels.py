"""The mean over the channels: keeps where, and forgets what."""


def nowhere(x):
    return np.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)
