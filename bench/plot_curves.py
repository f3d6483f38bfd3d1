#!/usr/bin/env python3
"""Draws losses of several trainings as one SVG.

    bench/plot_curves.py OUT.svg NAME=METRICS.jsonl... [--against NAME] [--limits LOW HIGH]

A line is the training loss by million tokens, a circle a validation loss. With --against, lines are the validation
losses relative to that one's in per cent; what ends outside of the limits is named at the edge.
"""

import argparse
import json
from pathlib import Path

COLORS = ["#444444", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f3c8d", "#3969ac"]
LEFT, RIGHT, TOP, BOTTOM = 62, 520, 44, 380  # of the plot; names stand on the right


class Plot:
    """Maps numbers to a frame, and gathers what is drawn."""

    def __init__(self, xs, ys, title):
        self.xs, self.ys = xs, ys
        self.marks = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 424" font-family="sans-serif" font-size="12" fill="#333">',
                      '<rect width="760" height="424" fill="white"/>',
                      f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold" fill="#111">{title}</text>']  # fmt: skip

    def x(self, value):
        return LEFT + (RIGHT - LEFT) * (value - self.xs[0]) / (self.xs[1] - self.xs[0])

    def y(self, value):
        share = (value - self.ys[0]) / (self.ys[1] - self.ys[0])
        return BOTTOM - (BOTTOM - TOP) * min(max(share, 0), 1)

    def grid(self, step, unit):
        for i in range(round((self.ys[1] - self.ys[0]) / step) + 1):
            value = self.ys[0] + i * step
            y = self.y(value)
            color = "#999" if unit and abs(value) < 1e-9 else "#e5e5e5"
            self.marks.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}"/>')
            self.marks.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{f"{value + 0:+.1f}{unit}" if unit else f"{value:g}"}</text>')
        for value in range(0, int(self.xs[1]) + 1, 20):
            self.marks.append(f'<text x="{self.x(value):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{value}</text>')
        self.marks.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 36}" text-anchor="middle">million tokens</text>')

    def line(self, points, color):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.marks.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>')

    def circles(self, points, color):
        for x, y in points:
            self.marks.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.2" fill="white" stroke="{color}" stroke-width="1.5"/>')

    def names(self, ends):
        """Names beside the ends of their lines, moved apart: (y value, text, color) each."""
        ends = sorted(ends, key=lambda end: -end[0])
        places, least = [], TOP - 9
        for value, _, _ in ends:
            least = max(self.y(value), least + 15)
            places.append(least)
        overhang = max(0, places[-1] - BOTTOM)
        for place, (value, text, color) in zip(places, ends):
            place -= overhang
            self.marks.append(f'<line x1="{RIGHT + 2}" y1="{self.y(value):.1f}" x2="{RIGHT + 16}" y2="{place:.1f}" stroke="{color}" stroke-width="0.8"/>')
            self.marks.append(f'<text x="{RIGHT + 20}" y="{place + 4:.1f}" fill="{color}">{text}</text>')

    def save(self, path):
        Path(path).write_text("\n".join([*self.marks, "</svg>", ""]))


def read(path, tokens_per_step):
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    million = {row["step"]: row["step"] * tokens_per_step / 1e6 for row in rows}
    training = [(million[row["step"]], row["loss"]) for row in rows]
    return training, [(million[row["step"]], row["val_loss"]) for row in rows if row["val_loss"] is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--against")
    parser.add_argument("--tokens-per-step", type=int, default=65536)
    parser.add_argument("--limits", type=float, nargs=2, default=[-0.6, 1.2])
    arguments = parser.parse_args()
    runs = {name: read(path, arguments.tokens_per_step) for name, path in (run.split("=", 1) for run in arguments.runs)}
    colors = dict(zip(runs, COLORS * (len(runs) // len(COLORS) + 1)))
    longest = max(training[-1][0] for training, _ in runs.values())
    if not arguments.against:
        least = min(loss for training, _ in runs.values() for _, loss in training)
        low = int(2 * least) / 2
        plot = Plot((0, longest), (low, low + 3.5), "Training loss, nats per token (circles: validation)")
        plot.grid(0.5, "")
        for name, (training, validation) in runs.items():
            plot.line([point for point in training if point[1] <= low + 3.5], colors[name])
            plot.circles(validation, colors[name])
        plot.names([(validation[-1][1], f"{name} {validation[-1][1]:.4f}", colors[name]) for name, (_, validation) in runs.items()])
    else:
        base = dict(runs[arguments.against][1])
        low, high = arguments.limits
        plot = Plot((0, longest), (low, high), f"Validation loss against {arguments.against}")
        plot.grid(0.2, " %")
        ends = []
        for name, (_, validation) in runs.items():
            points = [(x, 100 * (loss / base[x] - 1)) for x, loss in validation if x in base]
            last = points[-1][1]
            ends.append((last, f"{name} {last:+.2f} %", colors[name]))
            if low <= last <= high:
                plot.line(points, colors[name])
                plot.circles(points, colors[name])
        plot.names(ends)
    plot.save(arguments.out)


if __name__ == "__main__":
    main()
