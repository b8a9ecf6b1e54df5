#!/usr/bin/env python3
"""Writes data/: made-up documents in the form of the tasks' data sets, with what is awkward in them.

The data sets themselves are not in the repository. Each file has ordinary documents and some with white
space at the ends, empty texts, characters of several bytes, and texts longer than the demo models' context.
"""
import json
import pathlib
import random

WORDS = ("the king and his daughter went to the old house by the river where no one had lived for many "
         "years but a blind man who kept bees and sold honey to the people of the town").split()
DATA = pathlib.Path(__file__).with_name("data")


def write(name: str, rows: list[dict]) -> None:
    (DATA / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def text(chance: random.Random, least: int, most: int) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(least, most)))


def lambada(chance):
    rows = [{"text": text(chance, 5, 40).capitalize()} for _ in range(7)]
    rows += [{"text": "Alone"}, {"text": "He came  back"}, {"text": "\"Où est-il?\" — là-bas,\n\nrépondit Zoé"},
             {"text": text(chance, 300, 320)}, {"text": "She said yes "}]
    return rows


def piqa(chance, count):
    rows = [{"goal": text(chance, 2, 12) + "?", "sol1": text(chance, 3, 15), "sol2": text(chance, 3, 15)}
            for _ in range(count)]
    rows += [{"goal": "Open the door", "sol1": "pull the handle ", "sol2": "pull  the handle"},
             {"goal": "", "sol1": "naïve 🙂", "sol2": "a"}, {"goal": text(chance, 280, 300), "sol1": "go", "sol2": "stay"}]
    return rows


def winogrande(chance, count):
    rows = []
    for _ in range(count):
        before, after = text(chance, 3, 10), text(chance, 2, 8)
        rows.append({"sentence": f"{before} because _ {after}.", "option1": "the king",
                     "option2": "the blind man", "answer": chance.choice("12")})
    rows += [{"sentence": "Zoë thanked Ann, and _ was glad.\u00a0", "option1": "Zoë", "option2": "Ann", "answer": "2"},
             {"sentence": "_ sold honey to _", "option1": "He", "option2": "She", "answer": "1"},
             {"sentence": "In the end it was _", "option1": "he", "option2": "she", "answer": "1"}]
    return rows


def arc(chance, count):
    rows = [{"id": f"made_{i}", "query": f"Question: {text(chance, 4, 14)}?\nAnswer:",
             "choices": [text(chance, 1, 6) for _ in range(3 + i % 3)], "gold": chance.randrange(3)}
            for i in range(count)]
    rows.append({"id": "same", "query": "Question: Which?\nAnswer: ", "choices": ["this", "this", "that", "this"],
                 "gold": 1})
    return rows


def sciq(chance, count):
    rows = [{"question": text(chance, 4, 12) + "?", "distractor1": text(chance, 1, 2),
             "distractor2": text(chance, 1, 2), "distractor3": text(chance, 1, 2),
             "correct_answer": text(chance, 1, 2), "support": text(chance, 0, 40)} for _ in range(count)]
    rows += [{"question": "Who?", "distractor1": "a", "distractor2": "b", "distractor3": "c",
              "correct_answer": "d", "support": ""},
             {"question": "Wo?", "distractor1": "hüben", "distractor2": "drüben", "distractor3": "oben",
              "correct_answer": "unten", "support": " \u2003\n Dort."}]
    return rows


def main() -> None:
    chance = random.Random(5)
    DATA.mkdir(exist_ok=True)
    write("lambada_openai_test.jsonl", lambada(chance))
    for part, count in ("valid", 8), ("train", 9):
        rows = piqa(chance, count)
        write(f"piqa_{part}.jsonl", rows)
        (DATA / f"piqa_{part}-labels.lst").write_text("".join(f"{chance.randrange(2)}\n" for _ in rows))
    write("winogrande_xl_validation.jsonl", winogrande(chance, 8))
    # Of what is evaluated some are among the examples, one of them several times.
    again = winogrande(chance, 4)
    write("winogrande_xl_train.jsonl", again + [again[-1], again[-1]])
    write("arc_easy_test.jsonl", arc(chance, 9))
    write("arc_easy_train.jsonl", arc(chance, 24))
    write("sciq_validation.jsonl", sciq(chance, 8))
    write("sciq_train.jsonl", sciq(chance, 7))
    (DATA / "text.txt").write_text("".join(text(chance, 5, 60) + ",\n\n  " for _ in range(30)) + "fín 🙂\n")


if __name__ == "__main__":
    main()
