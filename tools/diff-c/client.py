"""A client's connection. What came before a reset can still be read, which an
asyncio.StreamReader does not allow."""

import asyncio
import socket
import ssl


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.input = bytearray()
        self.ended = False
        self.waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.input += data
        self.wake()

    def eof_received(self) -> None:
        self.end()

    def connection_lost(self, error: Exception | None) -> None:
        self.end()

    def end(self) -> None:
        self.ended = True
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def cork(self) -> None:
        """Holds bytes back until there is a full segment, or the end."""
        self.transport.get_extra_info('socket').setsockopt(
            socket.IPPROTO_TCP, socket.TCP_CORK, 1)

    async def line(self) -> bytes:
        """A line with its end; less if the connection ends before."""
        while True:
            length = self.input.find(b'\n') + 1
            if length == 0 and self.ended:
                length = len(self.input)
            if length > 0 or self.ended:
                line = bytes(self.input[:length])
                del self.input[:length]
                return line
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    @classmethod
    async def connect(cls, host: str, port: int, address: str,
                      context: ssl.SSLContext | None) -> 'Client':
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            cls, host, port, local_addr=(address, 0), ssl=context,
            server_hostname='mail.example' if context else None)
        return client
