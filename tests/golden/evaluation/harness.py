#!/usr/bin/env python3
"""lm-evaluation-harness with its Hugging Face backend over the files that `lockstep eval` reads.

    harness.py run --model FOLDER --data FOLDER --output FILE [--tasks T,T] [--num-fewshot K] [--limit N]
    harness.py run --model FOLDER --perplexity FILE --output FILE
    harness.py compare RESULTS.json SAMPLES.jsonl FILE
    harness.py goldens

`run` writes what the harness finds, `compare` says how far `lockstep eval` is from it: log-likelihoods,
accuracies, perplexities, standard errors, hashes. `goldens` writes goldens.json, what the tests expect of
both demo models on the documents in data/. Needs a Python with lm_eval[hf].
"""
import argparse
import json
import math
import os
import pathlib
import sys
import tempfile
import time

TASKS = ["lambada_openai", "piqa", "winogrande", "arc_easy", "sciq"]
# Of each task: the files of its splits, and what its own configuration has to be told of them.
FILES = {
    "lambada_openai": ({"test": "lambada_openai_test.jsonl"}, ""),
    "piqa": ({"validation": "piqa_valid.jsonl", "train": "piqa_train.jsonl"}, ""),
    "winogrande": ({"validation": "winogrande_xl_validation.jsonl", "train": "winogrande_xl_train.jsonl"},
                   ""),
    "arc_easy": ({"test": "arc_easy_test.jsonl", "train": "arc_easy_train.jsonl"},
                 "doc_to_text: query\ndoc_to_choice: choices\ndoc_to_target: gold\n"),
    "sciq": ({"test": "sciq_validation.jsonl", "train": "sciq_train.jsonl"}, ""),
}
FOLDERS = {"lambada_openai": "lambada/lambada_openai", "winogrande": "winogrande/default",
           "arc_easy": "arc/arc_easy"}


def lines_of(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def documents(data: pathlib.Path, name: str) -> list[dict]:
    """The documents of a file, those of PIQA with their labels."""
    found = lines_of(data / name)
    if name.startswith("piqa"):
        labels = (data / name.replace(".jsonl", "-labels.lst")).read_text().split()
        for one, label in zip(found, labels, strict=True):
            one["label"] = int(label)
    return found


def write_task(task: str, data: pathlib.Path, folder: pathlib.Path) -> None:
    """The harness's own configuration of a task, with these files in place of its data set."""
    import lm_eval
    files, more = FILES[task]
    splits = {}
    for split, name in files.items():
        # A task that has no training documents here has none of its examples chosen from them either.
        if not (data / name).exists():
            more += "training_split: null\n"
            continue
        (folder / name).write_text("".join(json.dumps(one) + "\n" for one in documents(data, name)))
        splits[split] = str(folder / name)
    if task in ("sciq", "arc_easy"):  # they have a split that is not here
        more += "validation_split: null\n"
    own = pathlib.Path(lm_eval.__file__).parent / "tasks" / (FOLDERS.get(task, f"{task}/{task}") + ".yaml")
    (folder / f"{task}.yaml").write_text(
        f"include: {own}\ntask: {task}\ntag: null\ndataset_path: json\ndataset_name: null\n"
        f"dataset_kwargs: {json.dumps({'data_files': splits})}\n{more}")


def write_perplexity(file: pathlib.Path, folder: pathlib.Path) -> None:
    text = file.read_bytes().decode()
    (folder / "text.jsonl").write_text(json.dumps({"page": text}) + "\n")
    metrics = [{"metric": name} for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")]
    (folder / "perplexity.yaml").write_text(
        "task: perplexity\ndataset_path: json\noutput_type: loglikelihood_rolling\ntest_split: test\n"
        f"dataset_kwargs: {json.dumps({'data_files': {'test': str(folder / 'text.jsonl')}})}\n"
        f"doc_to_text: ''\ndoc_to_target: page\nmetric_list: {json.dumps(metrics)}\n")


def run(wanted) -> dict:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["HF_HOME"] = str(folder / "cache")
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
        import lm_eval
        from lm_eval.tasks import TaskManager
        tasks = wanted.tasks.split(",")
        if wanted.perplexity:
            tasks = ["perplexity"]
            write_perplexity(wanted.perplexity, folder)
        else:
            for task in tasks:
                write_task(task, wanted.data, folder)
        lm = lm_eval.api.registry.get_model("hf").create_from_arg_obj(
            {"pretrained": wanted.model, "dtype": "float32"}, {"batch_size": 32, "device": "cpu"})
        start = time.monotonic()
        found = lm_eval.simple_evaluate(
            model=lm, tasks=tasks, num_fewshot=None if wanted.perplexity else wanted.num_fewshot,
            limit=wanted.limit, log_samples=True, bootstrap_iters=wanted.bootstrap,
            task_manager=TaskManager(include_path=str(folder), include_defaults=False))
        seconds = time.monotonic() - start
    samples = {task: [{key: one[key] for key in ("doc_id", "arguments", "filtered_resps", "target",
                                                 "doc_hash", "prompt_hash", "target_hash")}
                      for one in sorted(rows, key=lambda one: one["doc_id"])]
               for task, rows in found["samples"].items()}
    return {"seconds": seconds, "version": lm_eval.__version__, "results": found["results"],
            "n-samples": found["n-samples"], "samples": samples}


def answers(sample: dict) -> list[tuple[float, bool]]:
    given = sample["filtered_resps"]
    if not isinstance(given[0], (list, tuple)):
        given = [given] if len(given) == 2 else [[given[0], "False"]]
    return [(float(value), str(greedy) == "True") for value, greedy in given]


def compare_task(task: str, ours: list[dict], theirs: list[dict]) -> list[str]:
    wrong, farthest = [], 0.0
    for one, other in zip(ours, theirs, strict=True):
        arguments = [list(pair) for pair in other["arguments"]]
        for key in ("doc_hash", "prompt_hash", "target_hash"):
            if one[key] != other[key]:
                wrong.append(f"{task} {one['doc_id']}: {key}")
        if [list(pair.values()) for pair in one["arguments"].values()] != arguments:
            wrong.append(f"{task} {one['doc_id']}: {one['arguments']} and {arguments}")
        for mine, yours in zip(answers(one), answers(other), strict=True):
            farthest = max(farthest, abs(mine[0] - yours[0]) / max(1.0, abs(yours[0])))
            if mine[1] != yours[1]:
                wrong.append(f"{task} {one['doc_id']}: greedy")
    if farthest > 1e-3:
        wrong.append(f"{task}: log-likelihoods differ by {farthest}")
    print(f"{task:16} {len(ours):6} documents, log-likelihoods within {farthest:.2g}")
    return wrong


def compare(wanted) -> int:
    ours = json.loads(wanted.results.read_text())
    theirs = json.loads(wanted.harness.read_text())
    samples: dict[str, list[dict]] = {}
    for line in wanted.samples.read_text().splitlines():
        one = json.loads(line)
        samples.setdefault(one["task"], []).append(one)
    wrong = []
    for task, metrics in theirs["results"].items():
        if task != "perplexity":
            wrong += compare_task(task, samples[task], theirs["samples"][task])
        mine = ours["results"][task]
        for name, value in metrics.items():
            exact = name.startswith("acc") and "stderr" not in name
            close = isinstance(value, float) and isinstance(mine.get(name), float) and \
                math.isclose(mine[name], value, rel_tol=1e-5)
            good = mine.get(name) == value if exact or not isinstance(value, float) else close
            if task == "perplexity" and name in ("alias", "name"):
                continue
            print(f"{task:16} {name:24} {mine.get(name)} and {value}{'' if good else '  DIFFERENT'}")
            if not good:
                wrong.append(f"{task}: {name}")
    print("\n".join(wrong) if wrong else "all equal")
    return 1 if wrong else 0


def golden(found: dict) -> dict:
    """What is worth keeping."""
    return {task: {"metrics": metrics,
                   "documents": [{"prompt_hash": one["prompt_hash"], "doc_hash": one["doc_hash"],
                                  "target_hash": one["target_hash"], "answers": answers(one)}
                                 for one in found["samples"][task]]}
            for task, metrics in found["results"].items()}


def write_goldens() -> int:
    here = pathlib.Path(__file__).parent
    goldens = {}
    for name in ("shakespeare-gptj", "shakespeare-neox"):
        model = here.parents[2] / "models" / name
        common = {"model": str(model), "data": here / "data", "tasks": ",".join(TASKS), "limit": None,
                  "bootstrap": 100000, "perplexity": None, "num_fewshot": 0}
        goldens[name] = {
            f"{shots} shots": golden(run(argparse.Namespace(**{**common, "num_fewshot": shots})))
            for shots in (0, 2)}
        goldens[name]["perplexity"] = golden(
            run(argparse.Namespace(**{**common, "perplexity": here / "data" / "text.txt"})))
    (here / "goldens.json").write_text(json.dumps(goldens, separators=(",", ":"), default=str) + "\n")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--model", required=True)
    one.add_argument("--data", type=pathlib.Path)
    one.add_argument("--perplexity", type=pathlib.Path)
    one.add_argument("--output", type=pathlib.Path, required=True)
    one.add_argument("--tasks", default=",".join(TASKS))
    one.add_argument("--num-fewshot", type=int, default=0)
    one.add_argument("--limit", type=int)
    one.add_argument("--bootstrap", type=int, default=100000)
    commands.add_parser("goldens")
    other = commands.add_parser("compare")
    for name in ("results", "samples", "harness"):
        other.add_argument(name, type=pathlib.Path)
    wanted = parser.parse_args()
    if wanted.command == "compare":
        return compare(wanted)
    if wanted.command == "goldens":
        return write_goldens()
    found = run(wanted)
    wanted.output.write_text(json.dumps(found, default=str) + "\n")
    for task, metrics in found["results"].items():
        print(task, metrics)
    print(f"{found['seconds']:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
