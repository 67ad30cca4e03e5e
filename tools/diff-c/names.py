"""A name server that knows a name for every address, and an address for every name."""

import asyncio
import struct

from peers import Side

# By type of record: A, PTR.
KNOWN = {1: bytes([127, 0, 0, 1]), 12: b'\6client\7example\0'}


class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, query: bytes, address: tuple) -> None:
        self.transport.sendto(answer(query), address)


def answer(query: bytes) -> bytes:
    question = query[12:query.index(b'\0', 12) + 5]
    kind, = struct.unpack('!H', question[-4:-2])
    data = KNOWN.get(kind)
    head = query[:2] + struct.pack('!HHHHH', 0x8180, 1, data is not None, 0, 0)
    if data is None:
        return head + question
    return head + question + struct.pack('!HHHIH', 0xc00c, kind, 1, 60, len(data)) + data


async def serve_names(side: Side) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Names, local_addr=('127.0.0.1', 0))
    side.resolver_port = transport.get_extra_info('sockname')[1]
