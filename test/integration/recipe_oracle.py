"""What formats do to tensors, and what a recipe says, without fp8c's code: numbers from
ml_dtypes' tables of codes, rules read and applied by a few lines of Python."""

import fnmatch
import re

import ml_dtypes
import numpy as np

DTYPES = {"f16": np.float16, "f16-scaled": np.float16, "bf16": ml_dtypes.bfloat16, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
SCALED = ("f16-scaled", "e4m3", "e5m2")


def codes_of(name):
    """All magnitudes that a format has, in order."""
    dtype = np.dtype(DTYPES[name])
    with np.errstate(invalid="ignore"):
        values = np.arange(2 ** (8 * dtype.itemsize - 1), dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


CODES = {name: codes_of(name) for name in DTYPES}


class Stored:
    """A matrix in a format with one scale: each element's neighbours among the codes."""

    def __init__(self, values, name, root=False, stochastic=False):
        self.values = np.abs(np.asarray(values, np.float64))
        self.stochastic, self.root = stochastic, root
        codes = CODES[name]
        self.scale = 1.0
        coded = np.sqrt(self.values) if root else self.values
        if name in SCALED and coded.max() > 0:
            self.scale = 2.0 ** np.floor(np.log2(codes[-1] / np.float64(np.float32(coded.max()))))
        coded = coded * self.scale
        above = np.clip(np.searchsorted(codes, coded), 1, len(codes) - 1)
        self.low, self.high, self.coded = codes[above - 1], codes[above], coded
        self.up = np.clip((coded - self.low) / (self.high - self.low), 0, 1)

    def mean_square(self, error):
        """Over the neighbours, by their chances."""
        if self.stochastic:
            return (1 - self.up) * error(self.low) ** 2 + self.up * error(self.high) ** 2
        return np.minimum(error(self.low) ** 2, error(self.high) ** 2)

    def underflows(self):
        """Where the expected error of what is stored is as large as it is, and is no zero."""
        noise = self.mean_square(lambda neighbour: neighbour - self.coded)
        return (noise >= self.coded**2) & (self.coded > 0) & (self.low == 0)

    def statistics(self):
        value = lambda coded: (coded / self.scale) ** 2 if self.root else coded / self.scale
        noise = self.mean_square(lambda neighbour: value(neighbour) - self.values).sum()
        nonzero, zeros = self.values > 0, self.underflows()
        lost = lambda axis: share(((2 * zeros.sum(axis) > nonzero.sum(axis))).sum(), nonzero.any(axis).sum())
        return {
            "underflow": share(zeros.sum(), nonzero.sum()),
            "lost_rows": lost(-1),
            "lost_columns": lost(0),
            "overflow": 0.0,
            "snr_db": float(min(10 * np.log10((self.values**2).sum() / noise), 200)) if noise else 200.0,
        }


def share(part, whole):
    return float(part) / float(whole) if whole else 0.0


def state_formats(role, values):
    """The member "formats" of a state, for one scale. Moments in FP8 are rounded stochastically."""
    names = ["bf16", "f16-scaled", "e4m3", "e5m2"] + ["e4m3-sqrt"] * (role == "moment2")
    matrix = np.asarray(values).reshape(-1, np.shape(values)[-1])
    formats = {}
    for name in names:
        stochastic = role.startswith("moment") and name.startswith("e")
        formats[name] = {"tensor": Stored(matrix, name.removesuffix("-sqrt"), name.endswith("-sqrt"), stochastic).statistics()}
    return formats


def operand_formats(values):
    return {name: {"tensor": Stored(values, name).statistics()} for name in ("bf16", "f16", "e4m3", "e5m2")}


class Recipe:
    """The rules of a recipe that fp8c wrote: one line of match, then settings."""

    def __init__(self, path):
        self.rules = []
        for line in path.read_text().splitlines():
            if line.startswith("  - match: {"):
                pairs = re.findall(r'(\w+): (\[.*?\](?=[,} ])|"(?:[^"\\]|\\.)*"|[^,}\s]+)', line[len("  - match: {") :])
                self.rules.append(({key: self.words(text) for key, text in pairs}, {}))
            elif self.rules and re.match(r"    \w", line):
                key, value = line.strip().split(": ")
                self.rules[-1][1][key] = value

    @staticmethod
    def words(text):
        return [word.strip('"') for word in re.findall(r'"(?:[^"\\]|\\.)*"|[^\[\],\s]+', text)]

    def settings(self, **facts):
        """What holds for something: every key of a rule must be a fact and match it."""
        result = {"storage": "f32", "expansion": "none", "rounding": "nearest", "format": "bf16"}
        for match, settings in self.rules:
            if all(key in facts and any(fnmatch.fnmatchcase(str(fact), word) for word in words for fact in np.atleast_1d(facts[key])) for key, words in match.items()):
                result.update(settings)
        return result

    def storage(self, variable):
        return self.settings(variable=variable["name"], role=variable["role"], rank=len(variable["shape"]))
