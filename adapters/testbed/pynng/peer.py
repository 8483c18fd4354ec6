"""A peer that speaks NNG's request and reply through pynng, thus through NNG's own C library.

peer.py rep URL PREFIX            answers each request with PREFIX and the request; says "ready PORT" first
peer.py req URL COUNT RESEND_MS   sends "request 0", "request 1" ... one after the other, and prints each reply as
                                  "reply ..."; asks again every RESEND_MS while there is none

It ends by itself after a minute, with 1, whatever happens.
"""

import os
import sys
import threading

import pynng

PATIENCE_MS = 20_000

# recv_msg() everywhere, because recv() of this pynng fails when the message is empty.


def rep(url, prefix):
    with pynng.Rep0(listen=url) as socket:
        # NNG keeps ports in the order of the network.
        port = int.from_bytes(socket.listeners[0].local_address.port.to_bytes(2, sys.byteorder), "big")
        print("ready", port, flush=True)
        while True:
            socket.send(prefix.encode() + socket.recv_msg().bytes)


def req(url, count, resend_ms):
    with pynng.Req0(resend_time=int(resend_ms), send_timeout=PATIENCE_MS, recv_timeout=PATIENCE_MS) as socket:
        socket.dial(url, block=True)
        for number in range(int(count)):
            socket.send(f"request {number}".encode())
            print("reply", socket.recv_msg().bytes.decode(), flush=True)


if __name__ == "__main__":
    last_resort = threading.Timer(60, os._exit, [1])
    last_resort.daemon = True
    last_resort.start()
    {"rep": rep, "req": req}[sys.argv[1]](*sys.argv[2:])
