"""What `make bench` measures: the arguments of zbench, and how to read what it prints."""

from dataclasses import dataclass

# name: (unit, whether more is better). Names as zbench prints them.
FIGURES = {
    "p50": ("µs", False),
    "p99": ("µs", False),
    "rate": ("/s", True),
    "MBps": ("MB/s", True),
    "connects": ("/s", True),
    "subscribe": ("/s", True),
    "match": ("/s", True),
    "cpu": ("µs", False),
    "near_cpu": ("µs", False),  # of the process with the one socket
    "rss": ("B", False),
    "mem": ("B", False),
    "cpu_ms_per_s": ("ms/s", False),
}


@dataclass(frozen=True)
class Case:
    """One line of the table: a run of zbench, and the same work over plain sockets if there is such."""

    args: str  # COUNT stands for `count`, or a tenth of it with BENCH_QUICK
    count: int
    label: str
    figures: tuple  # the first one is the headline
    plain: str = ""  # arguments of the floor or ceiling
    plain_count: int = 0
    placements: tuple = ("two", "one")
    chart: str = ""  # panel of the picture, see chart.py

    def command(self, divisor):
        return self.args.replace("COUNT", str(max(1, self.count // divisor)))

    def plain_command(self, divisor):
        return self.plain.replace("COUNT", str(max(1, self.plain_count // divisor)))


def _latency(endpoint, size, count, chart=""):
    plain = f"rawlat {endpoint} {size} COUNT" if endpoint in ("tcp", "ipc") else ""
    size_text = f"{size} B" if size < 1024 else f"{size // 1024} KiB"
    label = f"REQ-REP {endpoint.replace('+', ' ').replace('curve', 'CURVE')}, {size_text}"
    return Case(f"lat {endpoint} {size} COUNT", count, label, ("p50", "p99", "cpu"), plain, 20_000, chart=chart)


def _throughput(endpoint, size, count, plain_count=0, chart="", mode="thr"):
    plain = f"rawthr {endpoint} {size} COUNT" if plain_count else ""
    large = size >= 65536
    size_text = f"{size} B" if size < 1024 else f"{size // 1024} KiB" if size < 1_000_000 else "1 MB"
    label = f"PUSH-PULL {endpoint.replace('+', ' ').replace('curve', 'CURVE')}, {size_text}"
    figures = ("MBps" if large else "rate", "cpu")
    return Case(f"{mode} {endpoint} {size} COUNT", count, label, figures, plain, plain_count, chart=chart)


CASES = (
    _latency("tcp", 64, 20_000, "latency"),
    _latency("ipc", 64, 20_000, "latency"),
    _latency("inproc", 64, 50_000, "latency"),
    _latency("tcp", 8192, 20_000, "latency"),
    _latency("tcp+curve", 64, 10_000, "latency"),
    _throughput("tcp", 16, 3_000_000, 10_000_000),
    _throughput("tcp", 64, 3_000_000, 10_000_000, "rate"),
    _throughput("tcp", 1024, 1_000_000, 2_000_000, "rate"),
    _throughput("ipc", 64, 3_000_000, 10_000_000, "rate"),
    _throughput("inproc", 64, 3_000_000, chart="rate"),
    _throughput("inproc", 1024, 2_000_000),
    _throughput("tcp+curve", 64, 500_000, chart="rate"),
    Case("pub tcp 64 COUNT 8", 300_000, "PUB to 8 SUB tcp, 64 B", ("rate", "cpu"), chart="rate"),
    Case("pub inproc 64 COUNT 8", 300_000, "PUB to 8 SUB inproc, 64 B", ("rate", "cpu")),
    Case("rtr tcp 64 COUNT 16", 400_000, "ROUTER, 16 DEALER tcp, 64 B", ("rate", "cpu"), chart="rate"),
    Case("rtr inproc 64 COUNT 16", 400_000, "ROUTER, 16 DEALER inproc, 64 B", ("rate", "cpu")),
    Case("pipe2 tcp 64 COUNT", 1_000_000, "through a proxy tcp, 64 B", ("rate", "cpu"), chart="rate"),
    Case("pipe2 tcp 20000 COUNT", 30_000, "through a proxy tcp, 20 kB", ("MBps", "cpu")),
    _throughput("tcp", 65536, 50_000, 100_000, "volume"),
    _throughput("ipc", 65536, 50_000, 100_000, "volume"),
    _throughput("tcp", 1_000_000, 5_000, 5_000, "volume", mode="thrm"),
    _throughput("ipc", 1_000_000, 5_000, 5_000, mode="thrm"),
    _throughput("tcp+curve", 65536, 10_000, chart="volume"),
    _throughput("ws", 64, 2_000_000),
    _throughput("ws", 65536, 30_000),
    _throughput("wss", 64, 1_000_000),
    _throughput("wss", 65536, 20_000),
    Case("conn tcp 1000", 1, "1000 connections tcp", ("connects", "rss", "cpu")),
    Case("conn ipc 1000", 1, "1000 connections ipc", ("connects", "rss", "cpu")),
    Case("subs 200000 COUNT", 500_000, "200000 subscriptions", ("match", "subscribe", "mem")),
    Case("idle tcp 500 3", 1, "500 idle connections tcp", ("cpu_ms_per_s",), placements=("two",)),
)

# Of the plain sockets, only what means the same there.
PLAIN_FIGURES = {"p50", "p99", "rate", "MBps", "cpu"}
