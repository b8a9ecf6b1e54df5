"""What scripts/gpu_check runs, the most valuable first."""
import os
import pathlib
import shutil
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The release's list, for builds that are to run anywhere.
ARCHITECTURES = "80-real;86-real;89-real;90-real;100"
TARGETS = ["lockstep", "lockstep_cuda", "gpu_kernels", "multi_rank_cuda", "multi_rank_cuda_graphs",
           "multi_rank_cuda_same_bits", "multi_rank_cuda_pipeline", "cuda_program"]
BATCHES = "1,2,4,8,9,16,32,64,128"


@dataclass
class Step:
    title: str
    command: list
    limit: float  # seconds; it is ended then
    env: dict = field(default_factory=dict)
    missing: str = ""  # what it needs and is not here: it is not run, and that is no failure


@dataclass
class Machine:
    build: pathlib.Path
    gpus: int
    capability: str  # "90"; "" where nvidia-smi does not say
    models: list

    @property
    def lockstep(self):
        return str(self.build / "lockstep")


def without(*programs):
    """The first of these that is not here, as a reason."""
    for program in programs:
        if shutil.which(program) is None:
            return f"no {program} here"
    return ""


def without_python(module):
    import importlib.util
    return "" if importlib.util.find_spec(module) else f"no Python module {module} here"


def test_program(machine, name):
    folders = {"gpu_kernels": "tests/gpu"}
    return str(machine.build / folders.get(name, "tests/multi_rank/cuda") / name)


def ranks(count, command):
    return ["mpirun", "--quiet", "-n", str(count), "--oversubscribe", "--bind-to", "none", *command]


def building(machine):
    architectures = os.environ.get("LOCKSTEP_CUDA_ARCHITECTURES") or (
        f"{machine.capability}-real" if machine.capability else ARCHITECTURES)
    configure = ["cmake", "-S", str(ROOT), "-B", str(machine.build), "-G", "Ninja",
                 "-DCMAKE_BUILD_TYPE=Release", "-DLOCKSTEP_CUDA=ON",
                 f"-DLOCKSTEP_CUDA_ARCHITECTURES={architectures}"]
    return [Step("Configure", configure, 120),
            Step("Build", ["cmake", "--build", str(machine.build), "--target", *TARGETS], 3600)]


def tests(machine):
    kernels = [test_program(machine, "gpu_kernels"), "--gtest_brief=1"]
    program = [test_program(machine, "cuda_program"), "--gtest_brief=1",
               "--gtest_filter=Models/OnCuda.*_1:*BatchOnCuda*/0:*GeneratesInFp16"]
    goldens = [test_program(machine, "multi_rank_cuda"), "--gtest_brief=1"]
    graphs = [test_program(machine, "multi_rank_cuda_graphs"), "--gtest_brief=1"]
    same_bits = [test_program(machine, "multi_rank_cuda_same_bits"), "--gtest_brief=1"]
    yield Step("Kernels against the reference", kernels, 60)
    yield Step("Whole models against transformers", goldens, 60)
    yield Step("Steps that are replayed", graphs, 60)
    yield Step("The same bits in any batch and chunk", same_bits, 60)
    yield Step("The program", program, 60)
    fewer_bits = "*FewerBitsOnCuda.*" + ("" if multiplies_fp8(machine) else "-*InFp8*")
    yield Step("The perplexity of fewer bits", [test_program(machine, "cuda_program"),
                                                "--gtest_brief=1", f"--gtest_filter={fewer_bits}"], 90)


def bench(machine, kind, model, prompt, limit, title, more=(), count=1, dtype="bf16", env=None):
    command = [machine.lockstep, "bench", kind, "--model", model, "--random-weights", "--dtype",
               dtype, "--device", "cuda", "--tp", str(count), "--rounds", "2",
               "--prompt-tokens", prompt, "--set", "engine.max_step_tokens=2048", *more]
    where = "" if count == 1 else f", {count} GPUs"
    return Step(f"{pathlib.Path(model).stem}: {title}{where}", command, limit, env or {},
                missing=without("mpirun") if count > 1 else "")


def speed(machine, model):
    yield bench(machine, "batch", model, "128", 100, "batches, prompt 128", ["--batch", BATCHES])
    yield bench(machine, "prefill", model, "128,512,1900", 60, "prompts")
    yield bench(machine, "batch", model, "1900", 90, "batches, prompt 1900",
                ["--batch", "1,8,32,64"])


def invariance(machine, model):
    """What parallel.batch_invariant: on costs, which decides what auto is to mean."""
    yield Step(f"{pathlib.Path(model).stem}: parallel.batch_invariant, on against off",
               [str(ROOT / "scripts/gpu/invariance_cost"), machine.lockstep, model], 150)


def multiplies_fp8(machine):
    return not machine.capability or int(machine.capability) >= 89


def formats(machine, model):
    for dtype in ("int8", "int4", *["fp8"] * multiplies_fp8(machine), "fp16"):
        yield bench(machine, "batch", model, "128", 60, f"{dtype}, batches",
                    ["--batch", "1,8,9,64"], dtype=dtype)
        yield bench(machine, "prefill", model, "1900", 40, f"{dtype}, prompts", dtype=dtype)
    # Around kMostWidenedRows: in one order all rows take the kernel that widens in registers.
    for setting in ("off", "on"):
        yield bench(machine, "prefill", model, "128,256,320,512", 60,
                    f"int8, prompts of few rows, one order: {setting}",
                    ["--set", f"parallel.batch_invariant={setting}"], dtype="int8")
    yield bench(machine, "batch", model, "1900", 60, "fp8 cache, batches",
                ["--batch", "1,32", "--set", "model.cache_dtype=fp8"])


def several_ranks(machine):
    """Two ranks on one GPU: all that a machine with one can show of sums."""
    sums = [test_program(machine, "multi_rank_cuda"), "--gtest_brief=1"]
    graphs = [test_program(machine, "multi_rank_cuda_graphs"), "--gtest_brief=1"]
    same_bits = [test_program(machine, "multi_rank_cuda_same_bits"), "--gtest_brief=1"]
    only_sums = [*sums, "--gtest_filter=CudaSums*"]
    no_mpirun = without("mpirun")
    yield Step("Two ranks on one GPU, in turns, by peers' memory", ranks(2, sums), 60,
               missing=no_mpirun)
    yield Step("The same, replayed", ranks(2, graphs), 60, missing=no_mpirun)
    yield Step("The same bits on two ranks as on one", ranks(2, same_bits), 60, missing=no_mpirun)
    stages = [test_program(machine, "multi_rank_cuda_pipeline"), "--gtest_brief=1"]
    yield Step("Two stages of a pipeline, the bits of one GPU", ranks(2, stages), 60,
               missing=no_mpirun)
    # NCCL 2.30 and newer allow it.
    nccl = {"LOCKSTEP_PEER_REDUCE": "off", "NCCL_MULTI_RANK_GPU_ENABLE": "1", "NCCL_DEBUG": "WARN"}
    yield Step("NCCL, two ranks on one GPU: sums", ranks(2, only_sums), 40, nccl, no_mpirun)
    yield Step("NCCL, two ranks on one GPU: replayed", ranks(2, graphs), 60, nccl, no_mpirun)
    no_mps = no_mpirun or without("nvidia-cuda-mps-control")
    halves = {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50"}
    for title, command in (("sums", only_sums), ("replayed", graphs)):
        yield Step(f"MPS, two halves of one GPU: {title}",
                   [str(ROOT / "scripts/gpu/with_mps"), *ranks(2, command)], 60, halves, no_mps)


def more_gpus(machine, model):
    count = 2
    while count <= machine.gpus:
        sums = [test_program(machine, "multi_rank_cuda"), "--gtest_brief=1",
                "--gtest_filter=CudaSums*"]
        off = {"LOCKSTEP_PEER_REDUCE": "off"}
        yield Step(f"Sums through peers' memory, {count} GPUs", ranks(count, sums), 40,
                   missing=without("mpirun"))
        yield Step(f"Sums by NCCL, {count} GPUs", ranks(count, sums), 40, off, without("mpirun"))
        yield bench(machine, "batch", model, "128", 60, "batches", ["--batch", "1,8,64"], count)
        yield bench(machine, "batch", model, "128", 60, "batches, sums with the residual",
                    ["--batch", "1,8"], count, env={"LOCKSTEP_PEER_RESIDUAL": "on"})
        yield bench(machine, "prefill", model, "512,1900", 40, "prompts", count=count)
        yield bench(machine, "prefill", model, "512,1900", 40, "prompts, sums beside products",
                    ["--set", "parallel.overlap_sums=on"], count)
        count *= 2


def texts(machine):
    """Greedy texts of the GPU beside the processor's."""
    for demo in ("shakespeare-gptj", "shakespeare-neox"):
        yield Step(f"{demo}: the text of the processor",
                   [str(ROOT / "scripts/gpu/same_text"), machine.lockstep, str(ROOT / "models" / demo)],
                   40)


def sampling(machine, model):
    for title, more in (("greedy", ["--temperature", "0"]),
                        ("sampled", ["--temperature", "1", "--top-k", "50", "--top-p", "0.9"])):
        yield bench(machine, "batch", model, "128", 40, f"{title}, 64 sequences",
                    ["--batch", "64", *more])


def one_layer(machine, model):
    """What ncu says of the launches of some layers."""
    metrics = ",".join(["gpu__time_duration.sum",
                        "dram__throughput.avg.pct_of_peak_sustained_elapsed",
                        "sm__throughput.avg.pct_of_peak_sustained_elapsed",
                        "sm__warps_active.avg.pct_of_peak_sustained_active",
                        "launch__registers_per_thread"])
    for kind, batch, prompt in (("batch", "1", "128"), ("batch", "8", "128"),
                                ("batch", "64", "128"), ("prefill", "1", "1900")):
        step = bench(machine, kind, model, prompt, 60, "", ["--set", "parallel.cuda_graphs=off"] +
                     (["--batch", batch] if kind == "batch" else []))
        profile = ["ncu", "--clock-control", "none", "--launch-skip", "700", "--launch-count", "16",
                   "--kill", "yes", "--metrics", metrics]
        title = f"ncu, {kind} {batch if kind == 'batch' else prompt}"
        yield Step(title, [*profile, *step.command], 60, missing=without("ncu"))


def others(machine):
    ceilings = ["python3", str(ROOT / "scripts/gpu/ceilings.py")]
    no_torch = without_python("torch")
    yield Step("Ceilings by torch: cuBLAS, FP8, attention, copies", [*ceilings, "ceilings"], 60,
               missing=no_torch)
    yield Step("Rival: compiled transformers, GPT-J 6B", [*ceilings, "transformers"], 120,
               missing=no_torch or without_python("transformers"))
    yield Step("Rival: CTranslate2, GPT-J 6B", [*ceilings, "ctranslate2"], 90,
               missing=no_torch or without_python("transformers") or without_python("ctranslate2"))


def sanitizers(machine):
    for tool, limit in (("memcheck", 40), ("racecheck", 80)):
        yield Step(f"Kernels under compute-sanitizer: {tool}",
                   ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9",
                    test_program(machine, "gpu_kernels"), "--gtest_brief=1"], limit,
                   missing=without("compute-sanitizer"))


def all_steps(machine, builds):
    first, others_models = machine.models[0], machine.models[1:]
    yield Step("Devices", ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,"
                           "clocks.max.sm,compute_cap", "--format=csv"], 20)
    yield Step("Links between them", ["nvidia-smi", "topo", "-m"], 20)
    if builds:
        yield from building(machine)
    yield from tests(machine)
    yield from invariance(machine, first)
    yield from speed(machine, first)
    yield from several_ranks(machine)
    yield from more_gpus(machine, first)
    yield from formats(machine, first)
    for model in others_models:
        yield bench(machine, "batch", model, "128", 90, "batches, prompt 128", ["--batch", BATCHES])
        yield bench(machine, "prefill", model, "128,1900", 60, "prompts")
    yield from sampling(machine, first)
    yield from texts(machine)
    yield bench(machine, "decode", first, "128", 40, "the cache's size", ["--verbose"])
    yield from one_layer(machine, first)
    yield from others(machine)
    yield from sanitizers(machine)
