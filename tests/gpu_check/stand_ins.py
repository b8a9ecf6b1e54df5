"""Programs that stand in for a machine with GPUs and for what is built there."""
import pathlib

SMI = """case "$*" in
  -L) echo "GPU 0: NVIDIA H200 (UUID: GPU-1)" ;;
  *compute_cap*noheader*) echo 9.0 ;;
  *) echo "$*" ;;
esac
"""
# As `lockstep bench` prints it.
BENCH = """case "$2" in
  batch) cat <<END
the machine: median (least to most)
  read bandwidth                  4016.6  (4002.2 to 4038.3) GB/s

batch, 8 sequences, prompt 128, 16 new tokens
  tokens/s                       4538.09  (4524.07 to 4552.23)
  % of read bandwidth               53.0  (52.7 to 53.2)
  % of bf16 matrix products          1.5  (1.4 to 1.5)

batch, 32 sequences, prompt 128, 16 new tokens
  tokens/s                      14798.76  (14724.08 to 15008.26)
END
  ;;
  *) echo "$*" ;;
esac
"""
# Ends neither by itself nor when it is asked to; nor does what it has started.
HANGS = """trap '' TERM
echo "it begins"
sleep 600 &
echo $! >"$HANGS_PID_FILE"
wait
while true; do sleep 1; done
"""


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def machine(folder):
    """A folder for PATH, whose nvidia-smi has a GPU."""
    program(folder / "bin/nvidia-smi", SMI)
    return folder / "bin"


def build(folder, **instead):
    """A folder for --build. instead: other text for the programs of these names."""
    names = {"lockstep": BENCH, "gpu_kernels": 'echo "[  PASSED  ] 62 tests."\n',
             "multi_rank_cuda": "echo of $LOCKSTEP_PEER_REDUCE\n", "multi_rank_cuda_graphs": "exit 0\n",
             "multi_rank_cuda_same_bits": "exit 0\n", "multi_rank_cuda_pipeline": "exit 0\n",
             "cuda_program": "exit 0\n", **instead}
    places = {"lockstep": ".", "gpu_kernels": "tests/gpu"}
    for name, text in names.items():
        program(pathlib.Path(folder, "build", places.get(name, "tests/multi_rank/cuda"), name), text)
    return folder / "build"
