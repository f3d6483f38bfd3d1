#!/usr/bin/env python3
"""Prints UnicodeRanges.inc. Needs: pip install unicodedata2==16.0.0

The version is the one of the tables in tiktoken, whose classes these are.
"""
import unicodedata2 as unicodedata

SURROGATES = range(0xD800, 0xE000)
# The White_Space property, which is not among the general categories.
WHITE_SPACE = [0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
               *range(0x09, 0x0E), 0x20, *range(0x2000, 0x200B)]


def ranges(code_points):
    result = []
    for code_point in sorted(code_points):
        if result and result[-1][1] == code_point - 1:
            result[-1][1] = code_point
        else:
            result.append([code_point, code_point])
    return result


def with_category(first_letter):
    return [c for c in range(0x110000) if c not in SURROGATES
            and unicodedata.category(chr(c)).startswith(first_letter)]


def print_table(name, code_points):
    print(f"constexpr Range {name}[] = {{")
    line = "   "
    for first, last in ranges(code_points):
        item = f" {{0x{first:x}, 0x{last:x}}},"
        if len(line + item) > 80:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


print(f"// Made by generate-unicode-ranges.py; Unicode "
      f"{unicodedata.unidata_version}. Do not edit.")
print_table("letters", with_category("L"))
print_table("numbers", with_category("N"))
print_table("whiteSpace", WHITE_SPACE)
