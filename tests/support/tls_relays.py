"""TLS in front of a server that speaks none: certificates of every kind, and a relay."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"


def self_signed(path: Path, *, ended: bool = False) -> Path:
    """Key and certificate of 127.0.0.1, for a day: this one or, ``ended``, the one before."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=2 * ended)
    own_address = x509.IPAddress(ipaddress.ip_address(HOST))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([own_address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def tls_relay(certificate: Path, to: int) -> Iterator[int]:
    """A port that speaks TLS, and passes on to the port ``to`` of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context, to), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, context: ssl.SSLContext, to: int) -> None:
    with suppress(OSError):
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=_relay, args=(caller, context, to), daemon=True).start()


def _relay(caller: socket.socket, context: ssl.SSLContext, to: int) -> None:
    with (
        caller,
        suppress(OSError),
        context.wrap_socket(caller, server_side=True) as secured,
        socket.create_connection((HOST, to)) as server,
    ):
        back = threading.Thread(target=_pump, args=(server, secured), daemon=True)
        back.start()
        _pump(secured, server)
        server.shutdown(socket.SHUT_RDWR)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
