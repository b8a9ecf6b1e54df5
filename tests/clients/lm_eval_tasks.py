"""Four tasks of lm-evaluation-harness over local files, and what it finds in them.

The prompts are those of the harness's own tasks of these names; its data would come from a hub.
"""
import json
import os
import pathlib
import tempfile

TASKS = ["local_lambada", "local_piqa", "local_sciq", "local_winogrande"]

YAML = {
    "local_lambada": """
task: local_lambada
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/lambada.jsonl"}}
output_type: loglikelihood
test_split: test
doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' '+text.split(' ')[-1]}}"
metric_list: [{metric: perplexity, aggregation: perplexity, higher_is_better: false},
              {metric: acc, aggregation: mean, higher_is_better: true}]
""",
    "local_piqa": """
task: local_piqa
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/piqa.jsonl"}}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{goal}}\\nAnswer:"
doc_to_target: label
doc_to_choice: "{{[sol1, sol2]}}"
""",
    "local_sciq": """
task: local_sciq
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/sciq.jsonl"}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{support.lstrip()}}\\nQuestion: {{question}}\\nAnswer:"
doc_to_target: 3
doc_to_choice: "{{[distractor1, distractor2, distractor3, correct_answer]}}"
""",
    # The context is a choice, the continuation the rest of the sentence.
    "local_winogrande": """
task: local_winogrande
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/winogrande.jsonl"}}
output_type: multiple_choice
test_split: test
doc_to_text: label
doc_to_target: rest
doc_to_choice: choices
""",
}
METRICS = """
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true},
              {metric: acc_norm, aggregation: mean, higher_is_better: true}]
"""


def lines_of(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# The harness's own backend takes no longer continuations than its context; no token is less than a byte.
MOST_BYTES = 254


def documents(data: pathlib.Path) -> dict[str, list[dict]]:
    piqa = lines_of(data / "piqa_valid.jsonl")
    for one, label in zip(piqa, (data / "piqa_valid-labels.lst").read_text().split()):
        one["label"] = int(label)
    winogrande = lines_of(data / "winogrande_xl_validation.jsonl")
    for one in winogrande:
        before, after = one["sentence"].split("_", 1)
        one["choices"] = [before + one["option1"], before + one["option2"]]
        one["rest"] = after.strip()
        one["label"] = int(one["answer"]) - 1
    piqa = [one for one in piqa
            if max(len(one[name].encode()) for name in ("sol1", "sol2")) < MOST_BYTES]
    return {"lambada": lines_of(data / "lambada_openai_test.jsonl"), "piqa": piqa,
            "sciq": lines_of(data / "sciq_validation.jsonl"), "winogrande": winogrande}


def evaluate(kind: str, arguments: dict, data: pathlib.Path, limit: int | None) -> dict:
    """{task: {"accuracy": {metric: value}, "answers": [[log-likelihood, is greedy], ...]}}"""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = folder
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
        import lm_eval
        from lm_eval.tasks import TaskManager
        for name, rows in documents(data).items():
            pathlib.Path(folder, name + ".jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in rows[:limit]))
        for task in TASKS:
            text = YAML[task] + ("" if task == "local_lambada" else METRICS)
            pathlib.Path(folder, task + ".yaml").write_text(text.replace("FOLDER", folder))
        found = lm_eval.simple_evaluate(
            model=kind, model_args=arguments, tasks=TASKS, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_path=folder, include_defaults=False))
    return {task: {"accuracy": {key: value for key, value in found["results"][task].items()
                                if key.startswith(("acc,", "acc_norm,"))},
                   "answers": [answer for sample in sorted(found["samples"][task],
                                                           key=lambda one: one["doc_id"])
                               for answer in flat(sample["filtered_resps"])]}
            for task in TASKS}


def flat(answers) -> list:
    """One answer, or one for each choice."""
    if len(answers) == 2 and not isinstance(answers[0], (list, tuple)):
        answers = [answers]
    return [[float(value), str(greedy) == "True"] for value, greedy in answers]
