"""waitress, with an end to requests that come too slowly.

waitress takes each request in without a thread of the page, so a slow one costs a connection only.
But it counts its time limit from the last byte: a byte now and then would keep a connection for
ever, and a few hundred of them the page.
"""

import time

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

PATIENCE = 20  # seconds in which a request has to come
SLOWEST = 10_000  # bytes a second that a longer one has to bring


class Channel(HTTPChannel):
    """A connection that knows since when its request has been coming."""

    began = None
    taken = 0

    def received(self, data):
        if self.request is None:
            self.began = time.monotonic()
            self.taken = 0
        self.taken += len(data)
        return super().received(data)

    def is_late(self) -> bool:
        """Whether a request has begun, is not whole, and comes too slowly."""
        if self.request is None or self.began is None:
            return False
        return time.monotonic() - self.began > PATIENCE + self.taken / SLOWEST


class Server(TcpWSGIServer):
    """One listening address, which lets go of late connections."""

    channel_class = Channel

    def maintenance(self, now):
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.is_late():
                channel.will_close = True


def create(application, proxy: str | None, **options) -> Server:
    """A server of many connections that holds none of them for long.

    Parameters
    ----------
    application : callable
        A WSGI application.
    proxy : str, optional
        The address of a proxy whose X-Forwarded-For and -Proto are believed.
    **options
        waitress's own.

    Returns
    -------
    Server
        It listens; `run` serves.

    Raises
    ------
    OSError
        Where it cannot listen.
    """
    options |= {
        "ident": None,
        "connection_limit": 1000,
        "asyncore_use_poll": True,
        "cleanup_interval": 2,
        "channel_timeout": 30,
        "max_request_header_size": 32_768,
    }
    if proxy:
        options |= {
            "trusted_proxy": proxy,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
            "clear_untrusted_proxy_headers": True,
        }
    return Server(application, **options)
