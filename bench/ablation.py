"""What each part of FP8-LM costs in loss: the same training with every recipe.

    bench/ablation.py --data bible [--model MODEL.onnx] [--steps 300] [--seeds 1,2,3]

--data names what `fp8c data -o` wrote. Without --model a small GPT is made. Programs are compiled for one
micro-batch, so that gradients are stored as the recipe says. Losses are means over the seeds, with their standard
deviations: a difference within them says nothing.
"""

import argparse
import json
import pathlib
import re
import statistics
import tempfile

from common import metrics, tool

ABLATION = pathlib.Path(__file__).parent / "ablation"
RECIPES = ["bf16", "fp8-delayed", "fp8-lm-o1", "fp8-lm-o2", "fp8-lm", "bf16-master", "fp8-master", "fp8-master-stochastic", "fp8-m-nearest", "fp8-v", "fp8-v-nearest", "fp8-lm-5"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--json")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = args.model
        if not model:
            model = folder / "model.onnx"
            sizes = ["--layers", 2, "--d-model", 64, "--heads", 2, "--vocab", 256, "--seq", 64]
            tool("fp8c", "model", "gpt2", *sizes, "-o", model)
        print(f"{'recipe':<22} {'bytes':>6}  {'validation loss':>16}  {'difference':>10}")
        for recipe in args.recipes.split(","):
            path = ABLATION / f"{recipe}.yaml"
            program = folder / f"{recipe}.fp8x"
            tool("fp8c", "compile", model, "--recipe", path if path.exists() else recipe, "--batch", args.batch,
                     "--micro-batches", 1, "--target", args.target, "-o", program)  # fmt: skip
            inspected = tool("fp8c", "inspect", program)
            state = float(re.search(r"state bytes per parameter: ([\d.]+)", inspected)[1])
            losses = []
            for seed in seeds:
                run = folder / f"run-{recipe}-{seed}"
                tool("fp8c-run", "train", program, "--data", f"{args.data}.train.bin", "--val", f"{args.data}.val.bin", "--steps", args.steps,
                         "--lr", args.lr, "--beta2", 0.95, "--seed", seed, "--eval-every", 0, "--eval-batches", 0, "--out", run)  # fmt: skip
                last = metrics(run)[-1]
                losses.append(last["val_loss"])
            rows.append({"recipe": recipe, "state_bytes": state, "losses": losses})
            mean, spread = statistics.mean(losses), statistics.stdev(losses) if len(losses) > 1 else 0
            difference = mean / statistics.mean(rows[0]["losses"]) - 1
            print(f"{recipe:<22} {state:6.2f}  {mean:.4f} +- {spread:.4f}  {100 * difference:9.2f}%", flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
