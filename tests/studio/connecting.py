"""A raw connection to a studio."""

import socket


def connect(port):
    """A connection on which nothing is said yet."""
    return socket.create_connection(("127.0.0.1", port), timeout=30)
