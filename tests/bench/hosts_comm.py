#!/usr/bin/env python3
"""`lockstep bench comm` over hosts of this machine (tests/hosts), whose switch delays their links.

    hosts_comm.py [--delays 0.05,0.5,5] [--layouts 1x4,2x2,4x1] [--rounds N]

Prints a table of MPI's time over ours: layouts are hosts x ranks of each, delays the milliseconds of a round
trip between two hosts. Each host has its share of this machine's cores. Where ranks outnumber all cores, MPI is told to
yield, as its users have to. Needs root.
"""
import argparse
import json
import os
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "hosts"), str(TESTS / "clients")]
import hosts  # noqa: E402
import served  # noqa: E402

SIZES = "4096,8192,65536,262144,1048576"


def measured(world: hosts.Hosts, ranks: int, rounds: int) -> list[dict]:
    places = ",".join(f"{name}:{ranks}" for name in world.names)
    command = world.mpirun(places, served.program(), "bench", "comm", "--bytes", SIZES, "--rounds", str(rounds), "--json")
    is_crowded = ranks * len(world.names) > len(os.sched_getaffinity(0))
    yields = {"OMPI_MCA_mpi_yield_when_idle": "1" if is_crowded else "0"}
    done = world.run("node1", *command, environment=yields, timeout=180)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["cases"]


def cells_of(cases: list[dict]):
    for one in cases:
        ratio, ours = one["mpi_over_lockstep"], one["lockstep_us"]["median"]
        yield f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}), {ours:.0f} us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delays", default="0.05,0.5,5")
    parser.add_argument("--layouts", default="1x4,2x2,4x1")
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    if why := hosts.obstacle("mpirun"):
        sys.exit(why)
    sizes = [f"{int(size) // 1024} KiB" for size in SIZES.split(",")]
    print(f"| layout | round trip | {' | '.join(sizes)} |\n|---|---|{'---|' * len(sizes)}", flush=True)
    for layout in wanted.layouts.split(","):
        count, ranks = (int(word) for word in layout.split("x"))
        with hosts.Hosts(count, shares_cores=False) as world:
            for delay in wanted.delays.split(",") if count > 1 else ["-"]:
                for name in world.names if count > 1 else []:
                    world.link(name).set(delay_ms=float(delay) / 4)  # of each link and direction
                cells = " | ".join(cells_of(measured(world, ranks, wanted.rounds)))
                print(f"| {layout} | {delay} ms | {cells} |".replace("| - ms", "| |"), flush=True)


if __name__ == "__main__":
    main()
