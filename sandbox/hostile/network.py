"""Programs that look for a way out: addresses, name services, sockets of the host."""

from sandbox.hostile.program import Theme

THEME = Theme("network")
_probe = THEME.probe

_CONNECT = """
import socket

def connect(address, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    with socket.socket(family, kind) as line:
        line.settimeout(0.5)
        line.connect(address)
        if kind == socket.SOCK_DGRAM:
            line.send(b"x")

def listener():
    made = socket.create_server(("127.0.0.1", 0))
    return made, made.getsockname()
"""

_probe(
    "connections-out",
    "Connects to the internet, to private networks, to the cloud's metadata and to engines on the host.",
    f"""{_CONNECT}
def main():
    places = {{
        "internet": ("1.1.1.1", 443), "metadata": ("169.254.169.254", 80), "metadata of a task": ("169.254.170.2", 80),
        "private 10": ("10.0.0.1", 80), "private 192": ("192.168.0.1", 80), "bridge": ("172.17.0.1", 2375),
        "shared space": ("100.64.0.1", 80), "broadcast": ("255.255.255.255", 80), "zero": ("0.0.0.0", 22),
    }}
    said = {{name: attempt(connect, address) for name, address in places.items()}}
    said["datagram"] = attempt(connect, ("8.8.8.8", 53), socket.SOCK_DGRAM)
    said["multicast"] = attempt(connect, ("224.0.0.251", 5353), socket.SOCK_DGRAM)
    said["version 6"] = attempt(connect, ("2606:4700:4700::1111", 443), socket.SOCK_STREAM, socket.AF_INET6)
    said["metadata by version 6"] = attempt(connect, ("fd00:ec2::254", 80), socket.SOCK_STREAM, socket.AF_INET6)
    return said

def control():
    made, address = listener()
    with made:
        return {{"an address that answers": attempt(connect, address)}}
""",
)
_probe(
    "ports-of-the-host",
    "Scans the ports of its own loopback for services of the host.",
    f"""{_CONNECT}
def open_ports(ports):
    return [port for port in ports if attempt(connect, ("127.0.0.1", port)) == "REACHED"]

def main():
    ports = (22, 25, 53, 80, 111, 443, 2375, 2376, 3306, 5000, 5432, 6379, 8000, 8080, 8443, 9090, 10250, 27017)
    found = open_ports(ports)
    return {{"ports": "REACHED" if found else "ECONNREFUSED"}}

def control():
    made, (_, port) = listener()
    with made:
        return {{"ports": "REACHED" if open_ports([port]) else "ECONNREFUSED"}}
""",
)
_probe(
    "name-service",
    "Asks for names, which carries data out even where nothing else can.",
    """
import socket

def main():
    names = ("pypi.org", "secret-in-a-label.example.com", "metadata.google.internal", "host.docker.internal", "kubernetes.default.svc")
    said = {name: attempt(socket.getaddrinfo, name, 443) for name in names}
    said["address to name"] = attempt(socket.gethostbyaddr, "8.8.8.8")
    return said

def control():
    return {"localhost": attempt(socket.getaddrinfo, "localhost", 443)}
""",
)
_probe(
    "raw-and-odd-sockets",
    "Makes sockets below or beside the usual protocols.",
    """
import socket

def make(*numbers):
    socket.socket(*numbers).close()

FAMILIES = {"raw": (socket.AF_INET, socket.SOCK_RAW, 1), "raw 6": (socket.AF_INET6, socket.SOCK_RAW, 58),
            "packet": (socket.AF_PACKET, socket.SOCK_RAW, 3), "vsock": (40, socket.SOCK_STREAM, 0),
            "bluetooth": (31, socket.SOCK_RAW, 1), "xdp": (44, socket.SOCK_RAW, 0), "crypto": (38, socket.SOCK_SEQPACKET, 0),
            "can": (29, socket.SOCK_RAW, 1), "tipc": (30, socket.SOCK_STREAM, 0), "netfilter": (16, socket.SOCK_RAW, 12),
            "audit": (16, socket.SOCK_RAW, 9), "key": (15, socket.SOCK_RAW, 2)}

def main():
    return {name: attempt(make, *numbers) for name, numbers in FAMILIES.items()}

def control():
    return {name: attempt(make, *FAMILIES[name]) for name in ("raw", "packet")}
""",
    needs_root=True,
)
_probe(
    "interfaces",
    "Looks for an interface besides loopback and configures one.",
    """
import fcntl, socket, struct

def other_interfaces():
    if not [name for _, name in socket.if_nameindex() if name != "lo"]:
        raise OSError(errno.ENODEV, "none")

def set_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        address = struct.pack("16sH2s4s8s", b"lo", socket.AF_INET, b"", bytes([10, 0, 0, 9]), b"")
        fcntl.ioctl(line, 0x8916, address)

def read_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        fcntl.ioctl(line, 0x8915, struct.pack("256s", b"lo"))

def main():
    return {"another interface": attempt(other_interfaces), "address of loopback": attempt(set_address)}

def control():
    return {"address of loopback, read": attempt(read_address)}
""",
)
_probe(
    "sockets-of-the-host",
    "Connects to the sockets of engines and services, by path and by abstract name.",
    """
import socket

PATHS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
         "/run/crio/crio.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/postgresql/.s.PGSQL.5432",
         "/var/run/postgresql/.s.PGSQL.5432", "/tmp/.s.PGSQL.5432", "/run/redis/redis.sock", "/control/socket",
         "/run/systemd/journal/socket", "/dev/log")
ABSTRACT = ("\\0/containerd-shim/moby/1.sock", "\\0@/containerd-shim", "\\0runsc-sandbox", "\\0/tmp/dbus-x", "\\0snapd")

def connect(path):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(0.5)
        line.connect(path)

def main():
    said = {path: attempt(connect, path) for path in PATHS}
    return said | {name.replace("\\0", "@"): attempt(connect, name) for name in ABSTRACT}

def control():
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.bind("door")
        one.listen()
        two.bind(f"\\0hostile-control-{os.getpid()}")
        two.listen()
        return {"path": attempt(connect, "door"), "abstract": attempt(connect, f"\\0hostile-control-{os.getpid()}")}
""",
)
