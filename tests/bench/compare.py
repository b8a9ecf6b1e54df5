#!/usr/bin/env python3
"""Lockstep beside its rivals, on models of the same shape with random weights.

  tests/bench/compare.py --lockstep build/release/lockstep --torch-python VENV/bin/python \
      --ctranslate2-python VENV/bin/python --llama-bench llama.cpp/build/bin/llama-bench

Every round gives each contender one turn at each case, in turning order; the threads are pinned
to the same cores, and who has no turn is stopped. A ratio is taken within one round, so that what
slows the machine for a while slows both. A rival that is not given, or does not know the model's
family, is left out by name. Prints a Markdown table of medians (least to most).
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import contenders
import shapes

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--lockstep", default=ROOT / "build/release/lockstep", type=pathlib.Path)
    add("--models", default="pythia-410m", help="names in configs/, with commas")
    add("--dtypes", default="bf16,int8,int4", help="of Lockstep, with commas")
    add("--cases", default="prefill,decode,batch8,batch32")
    add("--cores", default="0;0,1", help="sets of cores, each a run of its own: 0;0,1")
    add("--rounds", default=5, type=int)
    add("--prompt-tokens", default=512, type=int, help="of prefill")
    add("--new-tokens", default=24, type=int, help="of decode; batches take half as many")
    add("--torch-python", help="a Python with torch and transformers")
    add("--onednn-python", help="a Python with torch, for the products alone: a ceiling")
    add("--openvino-python", help="a Python with the packages of make_openvino.py, openvino-genai")
    add("--vllm-python", help="a Python with vllm for CPUs")
    add("--ctranslate2-python", help="a Python with ctranslate2 and numpy")
    add("--gguf-python", help="a Python with gguf and numpy, to write models for llama.cpp")
    add("--llama-bench", help="llama.cpp's program")
    add("--ik-llama-bench", help="ik_llama.cpp's program")
    add("--folder", type=pathlib.Path, help="keeps the rivals' models; else they are made anew")
    add("--output", type=pathlib.Path, help="where the table goes, too")
    return parser.parse_args()


def cases_of(arguments):
    known = {
        "prefill": contenders.Case("prefill", 1, arguments.prompt_tokens, 0),
        "decode": contenders.Case("decode", 1, 16, arguments.new_tokens),
    }
    for sequences in (2, 4, 8, 16, 32, 64):
        name = f"batch{sequences}"
        known[name] = contenders.Case(name, sequences, 16, max(arguments.new_tokens // 2, 1))
    return [known[name] for name in arguments.cases.split(",")]


def skip(name, why):
    print(f"{name}: {why}: skipped", file=sys.stderr)


def add_llamas(arguments, shape, dtypes, cores, folder, found):
    programs = [
        ("llama.cpp", arguments.llama_bench, ()),
        # Repacks the weights for its kernels while it loads them.
        ("ik_llama.cpp", arguments.ik_llama_bench, ("-rtr", 1)),
    ]
    formats = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}
    for name, program, extra in programs:
        if not program or not pathlib.Path(program).exists():
            skip(name, "not installed")
        elif shape.family != "gpt_neox":
            skip(name, f"does not know {shape.family}")
        else:
            for dtype in dtypes:
                if dtype in formats:
                    kind = formats[dtype]
                    python = arguments.gguf_python or sys.executable
                    model = contenders.make_gguf(python, shape, kind, folder)
                    found.append(contenders.LlamaBench(name, program, model, kind, cores, extra))


# Name, argument with its Python, which of our dtypes, and what makes the contenders.
SERVERS = [
    ("OpenVINO", "openvino_python", ("bf16", "int8", "int4"), contenders.openvino_servers),
    ("vLLM", "vllm_python", ("bf16", "int8"), contenders.vllm_servers),
    (
        "oneDNN",
        "onednn_python",
        ("bf16", "int8"),
        lambda python, shape, dtype, cores, _: [
            contenders.onednn_server(python, shape, dtype, cores)
        ],
    ),
]


def add_servers(arguments, shape, dtypes, cores, folder, found):
    for name, argument, known, make in SERVERS:
        python = getattr(arguments, argument)
        if not python:
            skip(name, "not installed")
            continue
        for dtype in dtypes:
            if dtype in known:
                found.extend(make(python, shape, dtype, cores, folder))


def all_contenders(arguments, dtypes, config, shape, cores, folder):
    found = []
    for dtype in dtypes:
        for ranks in sorted({1, len(cores)}):
            found.append(contenders.Lockstep(arguments.lockstep, config, dtype, cores, ranks))
    if not arguments.torch_python:
        skip("PyTorch", "not installed")
    else:
        for dtype, name in (("fp32", "float32"), ("bf16", "bfloat16")):
            if dtype in dtypes:
                python = arguments.torch_python
                found.append(contenders.torch_server(python, shape, name, cores))
    if not arguments.ctranslate2_python:
        skip("CTranslate2", "not installed")
    else:
        for dtype, name in (("fp32", "float32"), ("int8", "int8")):
            if dtype in dtypes:
                place = folder / f"ctranslate2-{name}"
                python = arguments.ctranslate2_python
                found.append(contenders.ctranslate2_server(python, shape, name, cores, place))
    add_servers(arguments, shape, dtypes, cores, folder, found)
    add_llamas(arguments, shape, dtypes, cores, folder, found)
    return found


def measure(everybody, cases, rounds):
    """{(contender's name, case's name): [tokens/s of each round, or None]}"""
    speeds = {}
    for number in range(rounds):
        for case in cases:
            turn = number % len(everybody)
            for contender in everybody[turn:] + everybody[:turn]:
                speed = contender.run(case)
                speeds.setdefault((contender.name, case.name), []).append(speed)
                said = "has none" if speed is None else f"{speed:.2f} tokens/s"
                print(f"round {number + 1}: {case.name}: {contender.name}: {said}", file=sys.stderr)
    return speeds


def spread(values, digits=2):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def best_of(everybody, speeds, case, bits, ours):
    """Ours, or the rivals': who is fastest by the median, of those with these bits."""
    known = [
        (statistics.median(speeds[(one.name, case.name)]), one.name)
        for one in everybody
        if one.ours == ours
        and one.bits == bits
        and not one.ceiling
        and None not in speeds[(one.name, case.name)]
    ]
    return max(known)[1] if known else None


def best_line(everybody, cases, speeds, bits):
    """Our better placement over the best rival of each case."""
    cells = []
    for case in cases:
        ours, theirs = (best_of(everybody, speeds, case, bits, own) for own in (True, False))
        if ours is None or theirs is None:
            cells.append("-")
            continue
        pairs = zip(speeds[(ours, case.name)], speeds[(theirs, case.name)])
        cells.append(f"{spread([a / b for a, b in pairs])}, {theirs}")
    return f"| **Lockstep {bits} / best rival** | " + " | ".join(cells) + " |"


def table(title, everybody, cases, speeds):
    lines = [f"### {title}", "", "| | " + " | ".join(case.name for case in cases) + " |"]
    lines.append("|---|" + "---|" * len(cases))
    for one in everybody:
        cells = [spread(speeds[(one.name, case.name)]) for case in cases]
        lines.append(f"| {one.name} | " + " | ".join(cells) + " |")
        if one.ours:
            lines += share_lines(one, cases)
    for bits in dict.fromkeys(one.bits for one in everybody):
        for rival in [one for one in everybody if one.bits == bits and not one.ours]:
            cells = []
            for case in cases:
                ours = best_of(everybody, speeds, case, bits, True)
                theirs = speeds[(rival.name, case.name)]
                pairs = zip(speeds[(ours, case.name)], theirs) if ours else ()
                cells.append(spread([a / b for a, b in pairs if b]))
            lines.append(f"| **Lockstep {bits} / {rival.name}** | " + " | ".join(cells) + " |")
        lines.append(best_line(everybody, cases, speeds, bits))
    return "\n".join(lines) + "\n"


def share_lines(one, cases):
    ceilings = dict.fromkeys(ceiling for _, ceiling in one.shares)
    for ceiling in ceilings:
        cells = [
            spread([100 * share for share in one.shares.get((case.name, ceiling), [])], 1)
            for case in cases
        ]
        yield f"| - % of {ceiling} | " + " | ".join(cells) + " |"


def compare(arguments, folder):
    cases = cases_of(arguments)
    for model in arguments.models.split(","):
        config = ROOT / "configs" / f"{model}.yaml"
        shape = shapes.read_shape(arguments.lockstep, config)
        for cores in arguments.cores.split(";"):
            numbers = [int(core) for core in cores.split(",")]
            # All of a dtype stay loaded; those of all dtypes would take tens of GB.
            for dtype in arguments.dtypes.split(","):
                everybody = all_contenders(
                    arguments, [dtype], config, shape, numbers, folder / model
                )
                try:
                    speeds = measure(everybody, cases, arguments.rounds)
                finally:
                    for contender in everybody:
                        contender.close()
                title = f"{model}, {len(numbers)} core{'s' if len(numbers) > 1 else ''}, {dtype}"
                yield table(title, everybody, cases, speeds)


def main():
    arguments = parse_arguments()
    contenders.close_when_killed()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or pathlib.Path(temporary)
        for text in compare(arguments, folder):
            print(text, flush=True)
            if arguments.output:
                with arguments.output.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")


if __name__ == "__main__":
    main()
