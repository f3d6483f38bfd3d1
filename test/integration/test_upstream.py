"""fp8-lower-to-upstream: what upstream's tools compute of lowered modules, bit for bit against
the kernels of the cpu target and against numpy and ml_dtypes."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from upstream import DTYPES, NAMES, Kernels, Module, PLUGIN, tensor_type

pytestmark = pytest.mark.skipif(not PLUGIN.exists(), reason="needs the plug-in")
STORAGES = ["f8E4M3FN", "f8E5M2", "f16"]
WIDE = ["f32", "f16", "bf16"]
KINDS = ["normal", "huge", "tiny", "denormal", "special", "zero"]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return Kernels(tmp_path_factory.mktemp("kernels"))


def samples(shape, kind, dtype):
    rng = np.random.default_rng(len(shape) * 100 + KINDS.index(kind))
    x = np.array(rng.standard_normal(shape))
    largest, smallest = float(ml_dtypes.finfo(dtype).max), float(ml_dtypes.finfo(dtype).smallest_subnormal)
    if kind == "huge":
        x = np.clip(x * largest / 2, -largest, largest)
    elif kind == "tiny":
        x = x * 1e-4
    elif kind == "denormal":
        x = x * smallest * 20
    elif kind == "special":
        specials = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, largest, -smallest, 1.0]
        x.flat[: len(specials)] = specials[: x.size]
    elif kind == "zero":
        x = x * 0.0
    return x.astype(dtype)


def largest_of(storage):
    return np.float32(ml_dtypes.finfo(DTYPES[storage]).max)


def scale_of(amax, storage, margin, pow2, otherwise=1):
    """As docs/reference/dialect-fp8.md says."""
    if not amax > 0:
        return np.float32(otherwise)
    with np.errstate(over="ignore"):
        scale = np.minimum(largest_of(storage) * np.float32(2.0**-margin) / np.float32(amax), np.float32(2.0**126))
    return np.exp2(np.floor(np.log2(scale.astype(np.float64)))).astype(np.float32) if pow2 else scale


def amax_of(x):
    x = np.abs(x.astype(np.float32))
    return np.float32(np.max(x[np.isfinite(x)], initial=0))


def codes_of(x, scale, storage):
    with np.errstate(all="ignore"):
        return np.clip(x.astype(np.float32) * scale, -largest_of(storage), largest_of(storage)).astype(DTYPES[storage])


def assert_same(got, want, what=None):
    """The same bits; a NaN stays one, with its sign: which one is not fixed."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape, what
    nan = np.isnan(want.astype(np.float32))
    assert (np.isnan(got.astype(np.float32)) == nan).all(), what
    assert (np.signbit(got) == np.signbit(want)).all(), what
    unsigned = f"u{got.itemsize}"
    same = np.frombuffer(got.tobytes(), unsigned) == np.frombuffer(want.tobytes(), unsigned)
    assert (same | nan.ravel()).all(), (what, got, want)


# ------------------------------------------------------------------------------
# One scale
# ------------------------------------------------------------------------------


def add_quantisation(module, x, storage, margin, pow2, poison=False):
    name = f"f{len(module.functions)}"
    flags = "".join(f", {flag}" for flag, is_set in (("pow2", pow2), ("poison", poison)) if is_set)
    tensor, scaled = tensor_type(x.shape, NAMES[x.dtype]), "!fp8.scaled<" + tensor_type(x.shape, storage)[len("tensor<") :]
    module.function(f"""
func.func @{name}(%x: {tensor}) -> ({scaled}, tensor<f32>) {{
  %a = fp8.amax %x : {tensor}
  %s = fp8.compute_scale %a {{margin = {margin}{flags}}} : !fp8.scale<{storage}>
  %q, %k = fp8.quantize %x, %s : {tensor} -> {scaled}
  return %q, %a : {scaled}, tensor<f32>
}}""")
    codes, inverse, amax = module.call(name, [module.constant(x)], [tensor], [tensor_type(x.shape, storage), "f32", "tensor<f32>"])
    module.print(codes, x.shape, storage)
    module.print(inverse, None, "f32")
    module.print(amax, (), "f32")


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize("storage", STORAGES)
def test_quantisation_is_that_of_the_cpu_target(kernels, storage, wide):
    kinds = itertools.cycle(KINDS)
    cases = [(shape, next(kinds), margin, pow2) for shape in [(7,), (3, 5), (2, 3, 5), ()] for margin in (0, 1, 3) for pow2 in (False, True)]
    cases += [((11,), kind, 0, pow2) for kind in KINDS for pow2 in (False, True)]
    module = Module()
    for shape, kind, margin, pow2 in cases:
        add_quantisation(module, samples(shape, kind, DTYPES[wide]), storage, margin, pow2)
    results = iter(module.run())
    for case in cases:
        shape, kind, margin, pow2 = case
        x = samples(shape, kind, DTYPES[wide])
        amax = amax_of(x)
        scale = scale_of(amax, storage, margin, pow2)
        expected = codes_of(x, scale, storage), np.float32(1) / scale, amax
        beside = kernels.quantize(x, storage, margin, pow2)
        for got, want, kernel in zip((next(results) for _ in expected), expected, beside):
            assert_same(got, kernel, ("cpu", case))
            assert_same(got, want, ("numpy", case))


@pytest.mark.parametrize("storage", STORAGES[:2])
def test_every_code_and_tie_by_a_given_scale(kernels, storage):
    codes = np.arange(256, dtype=np.uint8).view(DTYPES[storage]).astype(np.float32)
    finite = np.unique(codes[np.isfinite(codes)])
    ties = (finite[1:] + finite[:-1]) / 2
    edges = np.concatenate([finite, ties])
    beyond = largest_of(storage) * np.array([1.03, 1.0625, 1.1, 1.25, 2, 1e9], np.float32)
    x = np.concatenate([codes, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf)), ties, beyond, -beyond])
    x = x.astype(np.float32)
    tensor, scaled = tensor_type(x.shape, "f32"), f"!fp8.scaled<{x.size}x{storage}>"
    module = Module()
    module.function(f"""
func.func @f(%x: {tensor}, %s: !fp8.scale<{storage}>) -> {scaled} {{
  %q, %k = fp8.quantize %x, %s : {tensor} -> {scaled}
  return %q : {scaled}
}}""")
    scales = [1.0, 0.3]
    for scale in scales:
        got, _ = module.call("f", [module.constant(x), module.constant(scale)], [tensor, "f32"], [tensor_type(x.shape, storage), "f32"])
        module.print(got, x.shape, storage)
    for scale, got in zip(scales, module.run()):
        assert_same(got, kernels.quantize(x, storage, scale=scale)[0])
        assert_same(got, codes_of(x, np.float32(scale), storage))


def test_what_is_not_finite_poisons(kernels):
    module = Module()
    inputs = [np.array(x, np.float32) for x in ([1, 2, 3], [1, np.inf, 2], [np.nan, 0, 1], [0, -np.inf, 0])]
    for x in inputs:
        add_quantisation(module, x, "f8E5M2", 0, True, poison=True)
    results = module.run()
    for x, got in zip(inputs, zip(results[::3], results[1::3], results[2::3])):
        for value, kernel in zip(got, kernels.quantize(x, "f8E5M2", pow2=True, poison=True)):
            assert_same(value, kernel)
        assert np.isnan(got[1]) == (not np.isfinite(x).all())


# ------------------------------------------------------------------------------
# Tiles
# ------------------------------------------------------------------------------


def spread(scales, shape, tile):
    """For each element its tile's number."""
    for axis, size in enumerate(tile):
        scales = np.repeat(scales, size, axis)
    return scales[tuple(slice(0, size) for size in shape)]


def tile_type(shape, storage, tile):
    if tile is None:
        return "!fp8.scaled<" + tensor_type(shape, storage)[len("tensor<") :]
    sizes = ", ".join("?" if size is None else str(size) for size in tile)
    return f"!fp8.scaled<{'x'.join(map(str, shape))}x{storage}, tile<[{sizes}]>>"


def counts_of(shape, tile):
    return tuple(1 if t is None else -(-size // t) for size, t in zip(shape, tile))


TILES = [
    ((5, 7), (1, None)),
    ((5, 7), (None, 1)),
    ((5, 7), (1, 3)),
    ((5, 7), (4, 1)),
    ((5, 7), (2, 3)),
    ((4, 6), (2, 3)),
    ((5, 7), (8, 8)),
    ((9,), (4,)),
    ((2, 3, 5), (1, 1, 2)),
    ((2, 3, 5), (1, 2, None)),
]


@pytest.mark.parametrize("storage", STORAGES[:2])
@pytest.mark.parametrize("wide", WIDE)
def test_tiles_are_those_of_the_cpu_target(kernels, storage, wide):
    cases = [(shape, tile, kind, margin, pow2) for i, (shape, tile) in enumerate(TILES) for kind in (KINDS[i % 3], "special") for margin, pow2 in ((0, True), (1, False))]
    module = Module()
    for shape, tile, kind, margin, pow2 in cases:
        name = f"f{len(module.functions)}"
        tensor, scaled = tensor_type(shape, wide), tile_type(shape, storage, tile)
        along = f"contracting [{len(shape) - 1}] " if tile[-1] != 1 else "contracting [0] "
        module.function(f"""
func.func @{name}(%x: {tensor}) -> {scaled} {{
  %q = fp8.quantize_tiles %x {along}{{margin = {margin}{", pow2" if pow2 else ""}}} : {tensor} -> {scaled}
  return %q : {scaled}
}}""")
        counts = counts_of(shape, tile)
        results = [tensor_type(shape, storage), tensor_type(counts, "f32")]
        codes, inverses = module.call(name, [module.constant(samples(shape, kind, DTYPES[wide]))], [tensor], results)
        module.print(codes, shape, storage)
        module.print(inverses, counts, "f32")
    results = iter(module.run())
    for case in cases:
        shape, tile, kind, margin, pow2 = case
        x = samples(shape, kind, DTYPES[wide])
        sizes = tuple(size if t is None else t for size, t in zip(shape, tile))
        codes, inverses = next(results), next(results)
        scales = np.zeros(counts_of(shape, tile), np.float32)
        for at in np.ndindex(scales.shape):
            of = x[tuple(slice(i * size, (i + 1) * size) for i, size in zip(at, sizes))]
            scales[at] = scale_of(amax_of(of), storage, margin, pow2)
        assert_same(inverses, np.float32(1) / scales, case)
        assert_same(codes, codes_of(x, spread(scales, shape, sizes), storage), case)
        if len(shape) == 2:
            for got, kernel in zip((codes, inverses), kernels.quantize_tiles(x, storage, sizes, margin, pow2)):
                assert_same(got, kernel, ("cpu", case))


# ------------------------------------------------------------------------------
# Delayed scaling
# ------------------------------------------------------------------------------


def advanced(state, amaxes, storage, margin, pow2):
    """A step with some quantisations: the documentation's sentences."""
    scale, window = state
    recorded = max(amaxes)
    if recorded > 0:
        window = [recorded, *window[:-1]]
    return scale_of(max(window), storage, margin, pow2, otherwise=scale), window


@pytest.mark.parametrize("storage, window, margin, pow2", [("f8E4M3FN", 3, 0, False), ("f8E5M2", 1, 1, True), ("f16", 4, 0, True)])
def test_states_go_the_cpu_targets_way(kernels, storage, window, margin, pow2):
    rng = np.random.default_rng(window)
    # Nothing finite, only zeros, and a peak that leaves the window again.
    sizes = [1, 100, 0, 1e-3, np.inf, 3, 2, 1e-5, 4]
    x = np.array([[rng.uniform(0.5, 1, 4) * size if size else np.zeros(4) for _ in range(2)] for size in sizes], np.float32)
    state, scaled = f"!fp8.scale_state<{storage}, {window}>", f"!fp8.scaled<4x{storage}>"
    plains = ["f32", "f32", tensor_type((window,), "f32")]
    module = Module()
    module.function(f"""
func.func @initial() -> {state} {{
  %s = fp8.initial_state : {state}
  return %s : {state}
}}
func.func @step(%st: {state}, %x: tensor<2x4xf32>) -> ({scaled}, {state}) {{
  %a = tensor.extract_slice %x[0, 0] [1, 4] [1, 1] : tensor<2x4xf32> to tensor<4xf32>
  %b = tensor.extract_slice %x[1, 0] [1, 4] [1, 1] : tensor<2x4xf32> to tensor<4xf32>
  %s = fp8.current_scale %st : {state}
  %qa, %ka = fp8.quantize %a, %s : tensor<4xf32> -> {scaled}
  %st1 = fp8.record %st, %ka : {state}
  %qb, %kb = fp8.quantize %b, %s : tensor<4xf32> -> {scaled}
  %st2 = fp8.record %st1, %kb : {state}
  %st3 = fp8.advance %st2 {{margin = {margin}{", pow2" if pow2 else ""}}} : {state}
  return %qb, %st3 : {scaled}, {state}
}}
func.func @steps(%x: tensor<{len(sizes)}x2x4xf32>) -> {state} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant {len(sizes)} : index
  %first = func.call @initial() : () -> {state}
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%st = %first) -> {state} {{
    %a = tensor.extract_slice %x[%i, 0, 0] [1, 2, 4] [1, 1, 1] : tensor<{len(sizes)}x2x4xf32> to tensor<2x4xf32>
    %q, %next = func.call @step(%st, %a) : ({state}, tensor<2x4xf32>) -> ({scaled}, {state})
    scf.yield %next : {state}
  }}
  return %last : {state}
}}""")
    values = module.call("initial", [], [], plains)

    def show(values):
        module.print(values[0], None, "f32")
        module.print(values[1], None, "f32")
        module.print(values[2], (window,), "f32")

    show(values)
    for of in x:
        codes, inverse, *values = module.call("step", [*values, module.constant(of)], [*plains, "tensor<2x4xf32>"], [tensor_type((4,), storage), "f32", *plains])
        module.print(codes, (4,), storage)
        module.print(inverse, None, "f32")
        show(values)
    show(module.call("steps", [module.constant(x)], [tensor_type(x.shape, "f32")], plains))
    results = iter(module.run())

    def read():
        return next(results), next(results), next(results)

    scale, recorded, amaxes = read()
    assert scale == 1 and recorded == 0 and not amaxes.any()
    state = np.float32(1), [np.float32(0)] * window
    recorded = [[amax_of(part) for part in of] for of in x]
    beside = kernels.states([max(amaxes) for amaxes in recorded], storage, window, margin, pow2)
    for of, amaxes, kernel in zip(x, recorded, beside):
        assert_same(next(results), codes_of(of[1], state[0], storage))
        assert_same(next(results), np.float32(1) / state[0])
        state = advanced(state, amaxes, storage, margin, pow2)
        scale, pending, history = read()
        assert pending == 0
        assert_same(scale, state[0])
        assert_same(history, np.array(state[1], np.float32))
        assert_same(scale, kernel[0])
        assert_same(history, kernel[1])
    scale, pending, history = read()
    assert_same(scale, state[0])
    assert_same(history, np.array(state[1], np.float32))


# ------------------------------------------------------------------------------
# Products
# ------------------------------------------------------------------------------

LAYOUTS = [
    ((4, 6), (1,), (6, 5), (0,)),
    ((6, 4), (0,), (6, 5), (0,)),
    ((4, 6), (1,), (5, 6), (1,)),
    ((6, 4), (0,), (5, 6), (1,)),
    ((6,), (0,), (6, 5), (0,)),
    ((4, 6), (1,), (6,), (0,)),
    ((6,), (0,), (6,), (0,)),
    ((2, 3, 6), (2,), (6, 5), (0,)),
    ((2, 3, 4), (0, 1), (5, 2, 3), (1, 2)),
    ((4, 2, 6), (1, 2), (2, 6, 5), (0, 1)),
    ((2, 3), (0, 1), (2, 3), (0, 1)),
]


def tile_of(granularity, rank, contracting):
    """Along contracted dimensions both operands are cut alike."""
    along, across = {"tensor": (None, None), "row": (None, 1), "blocks": (4, 1), "squares": (4, 2)}[granularity]
    return None if granularity == "tensor" else tuple(along if i in contracting else across for i in range(rank))


def add_operand(lines, name, shape, contracting, storage, granularity):
    tensor, tile = tensor_type(shape, "f32"), tile_of(granularity, len(shape), contracting)
    scaled = tile_type(shape, storage, tile)
    if tile is None:
        lines.append(f"  %a{name} = fp8.amax %{name} : {tensor}")
        lines.append(f"  %s{name} = fp8.compute_scale %a{name} : !fp8.scale<{storage}>")
        lines.append(f"  %q{name}, %k{name} = fp8.quantize %{name}, %s{name} : {tensor} -> {scaled}")
        return scaled, None
    lines.append(f"  %q{name} = fp8.quantize_tiles %{name} contracting {list(contracting)} : {tensor} -> {scaled}")
    return scaled, counts_of(shape, tile)


@pytest.mark.parametrize("lhs_storage, rhs_storage, result", [("f8E4M3FN", "f8E4M3FN", "f32"), ("f8E4M3FN", "f8E5M2", "bf16"), ("f8E5M2", "f8E4M3FN", "f16")])
def test_products_are_within_f32s_error(lhs_storage, rhs_storage, result):
    cases = [(layout, pair) for layout in LAYOUTS for pair in [("tensor",) * 2, ("row",) * 2, ("blocks",) * 2, ("blocks", "squares"), ("row", "tensor"), ("tensor", "row")]]
    module, inputs = Module(), []
    rng = np.random.default_rng(1)
    for (lhs, lhs_dims, rhs, rhs_dims), (lhs_kind, rhs_kind) in cases:
        name, lines = f"f{len(module.functions)}", []
        a, b = (rng.standard_normal(shape).astype(np.float32) * np.float32(3) for shape in (lhs, rhs))
        inputs.append((a, b))
        shape = np.tensordot(a, b, (lhs_dims, rhs_dims)).shape
        lhs_type, lhs_counts = add_operand(lines, "a", lhs, lhs_dims, lhs_storage, lhs_kind)
        rhs_type, rhs_counts = add_operand(lines, "b", rhs, rhs_dims, rhs_storage, rhs_kind)
        y = tensor_type(shape, result)
        types = [tensor_type(lhs, "f32"), tensor_type(rhs, "f32")]
        body = "\n".join(lines)
        module.function(f"""
func.func @{name}(%a: {types[0]}, %b: {types[1]}) -> ({lhs_type}, {rhs_type}, {y}) {{
{body}
  %y = fp8.matmul %qa, %qb contracting {list(lhs_dims)} x {list(rhs_dims)} : {lhs_type}, {rhs_type} -> {y}
  return %qa, %qb, %y : {lhs_type}, {rhs_type}, {y}
}}""")
        inverse = lambda counts: "f32" if counts is None else tensor_type(counts, "f32")
        results = [tensor_type(lhs, lhs_storage), inverse(lhs_counts), tensor_type(rhs, rhs_storage), inverse(rhs_counts), y]
        shapes = [(lhs, lhs_storage), (lhs_counts, "f32"), (rhs, rhs_storage), (rhs_counts, "f32"), (shape, result)]
        for value, (of, element) in zip(module.call(name, [module.constant(a), module.constant(b)], types, results), shapes):
            module.print(value, of, element)
    printed = iter(module.run())
    for case, (a, b) in zip(cases, inputs):
        (lhs, lhs_dims, rhs, rhs_dims), kinds = case
        values = []
        for x, dims, kind in ((a, lhs_dims, kinds[0]), (b, rhs_dims, kinds[1])):
            codes, inverse = next(printed), next(printed)
            tile = tile_of(kind, x.ndim, dims)
            if tile is not None:
                sizes = tuple(size if t is None else t for size, t in zip(x.shape, tile))
                inverse = spread(inverse, x.shape, sizes)
            values.append(codes.astype(np.float64) * inverse.astype(np.float64))
            assert np.abs(values[-1] - x).max() < 0.15 * np.abs(x).max(), case
        got = next(printed).astype(np.float64)
        want = np.tensordot(*values, (lhs_dims, rhs_dims))
        terms = np.prod([lhs[i] for i in lhs_dims])
        bound = (terms + 4) * 2.0**-24 * np.tensordot(*map(np.abs, values), (lhs_dims, rhs_dims))
        bound = bound * 1.01 + float(ml_dtypes.finfo(DTYPES[result]).eps) / 2 * np.abs(want) * (result != "f32")
        assert got.shape == want.shape and (np.abs(got - want) <= bound).all(), (case, got, want)


# ------------------------------------------------------------------------------
# What only moves or limits values
# ------------------------------------------------------------------------------


def test_values_come_back_in_any_type():
    """dequantize of every code, with one scale and with one a row."""
    module = Module()
    expected = []
    for storage, wide in itertools.product(STORAGES[:2], WIDE):
        codes = np.arange(256, dtype=np.uint8).view(DTYPES[storage]).reshape(4, 64)
        for tile, inverse in ((None, 0.37), ((1, None), np.array([[1], [0.1], [3e3], [2**-140]], np.float32))):
            name, scaled, result = f"f{len(module.functions)}", tile_type((4, 64), storage, tile), tensor_type((4, 64), wide)
            module.function(f"""
func.func @{name}(%q: {scaled}) -> {result} {{
  %x = fp8.dequantize %q : {scaled} -> {result}
  return %x : {result}
}}""")
            types = [tensor_type((4, 64), storage), "f32" if tile is None else "tensor<4x1xf32>"]
            (x,) = module.call(name, [module.constant(codes), module.constant(inverse)], types, [result])
            module.print(x, (4, 64), wide)
            with np.errstate(all="ignore"):
                expected.append((codes.astype(np.float32) * np.float32(inverse)).astype(DTYPES[wide]))
    for got, want in zip(module.run(), expected):
        assert_same(got, want)


def test_codes_move_and_values_are_limited():
    rng = np.random.default_rng(0)
    module = Module()
    module.function("""
func.func @move(%a: !fp8.scaled<2x3x4xf8E5M2>, %b: !fp8.scaled<2x1x4xf8E5M2>) -> !fp8.scaled<4x2x4xf8E5M2> {
  %q = fp8.concat %a, %b axis 1 : !fp8.scaled<2x3x4xf8E5M2>, !fp8.scaled<2x1x4xf8E5M2> -> !fp8.scaled<2x4x4xf8E5M2>
  %t = fp8.transpose %q [2, 0, 1] : !fp8.scaled<2x4x4xf8E5M2> -> !fp8.scaled<4x2x4xf8E5M2>
  return %t : !fp8.scaled<4x2x4xf8E5M2>
}
func.func @tiles(%a: !fp8.scaled<2x3x4xf8E5M2, tile<[1, 3, 2]>>) -> !fp8.scaled<4x2x3xf8E5M2, tile<[2, 1, 3]>> {
  %t = fp8.transpose %a [2, 0, 1] : !fp8.scaled<2x3x4xf8E5M2, tile<[1, 3, 2]>> -> !fp8.scaled<4x2x3xf8E5M2, tile<[2, 1, 3]>>
  return %t : !fp8.scaled<4x2x3xf8E5M2, tile<[2, 1, 3]>>
}
func.func @clamp(%x: tensor<6xf16>, %limit: tensor<f32>) -> (tensor<6xf16>, !fp8.stats) {
  %y, %k = fp8.clamp %x, %limit : tensor<6xf16>
  return %y, %k : tensor<6xf16>, !fp8.stats
}
func.func @scale_by(%s: !fp8.scale<f8E5M2>, %mu: tensor<f32>) -> !fp8.scale<f8E5M2> {
  %t = fp8.scale_by %s by %mu : !fp8.scale<f8E5M2>
  return %t : !fp8.scale<f8E5M2>
}""")
    a, b = (rng.standard_normal(shape).astype(DTYPES["f8E5M2"]) for shape in ((2, 3, 4), (2, 1, 4)))
    types = ["tensor<2x3x4xf8E5M2>", "f32", "tensor<2x1x4xf8E5M2>", "f32"]
    arguments = [module.constant(a), module.constant(0.25), module.constant(b), module.constant(0.25)]
    codes, inverse = module.call("move", arguments, types, ["tensor<4x2x4xf8E5M2>", "f32"])
    module.print(codes, (4, 2, 4), "f8E5M2")
    module.print(inverse, None, "f32")
    scales = rng.standard_normal((2, 1, 2)).astype(np.float32)
    results = ["tensor<4x2x3xf8E5M2>", "tensor<2x2x1xf32>"]
    codes, inverses = module.call("tiles", [module.constant(a), module.constant(scales)], ["tensor<2x3x4xf8E5M2>", "tensor<2x1x2xf32>"], results)
    module.print(codes, (4, 2, 3), "f8E5M2")
    module.print(inverses, (2, 2, 1), "f32")
    x = np.array([1, -3, np.inf, np.nan, 2.5, -0.0], np.float16)
    y, amax = module.call("clamp", [module.constant(x), module.constant(np.float32(2))], ["tensor<6xf16>", "tensor<f32>"], ["tensor<6xf16>", "f32"])
    module.print(y, (6,), "f16")
    module.print(amax, None, "f32")
    (scale,) = module.call("scale_by", [module.constant(1.5), module.constant(np.float32(0.3))], ["f32", "tensor<f32>"], ["f32"])
    module.print(scale, None, "f32")
    expected = [np.concatenate([a, b], 1).transpose(2, 0, 1), np.float32(0.25), a.transpose(2, 0, 1), scales.transpose(2, 0, 1)]
    expected += [np.clip(x, -2, 2), np.float32(3), np.float32(1.5) * np.float32(0.3)]
    for got, want in zip(module.run(), expected):
        assert_same(got, want)
