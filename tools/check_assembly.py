#!/usr/bin/env python3
"""Compile every vector loop for every instruction set; fail where one goes through the stack.

    tools/check_assembly.py [compiler ...] [--header ext/simd/keys.h ...] [--show]

A value that an inner loop stores on the stack and takes up again waits for memory in every turn.
Compilers do that where vectors are wider than the registers, or more than there are. Each function
of the headers that ext/simd.pxd declares is compiled alone, with the flags of setup.py. What fails:

- an innermost loop loads from a place on the stack that it writes to;
- a vector is stored on the stack and loaded again where no loop lies between.

Compilers default to gcc; one for aarch64 is asked for its plain kernel alone. With --show what was
found is printed with its instructions.
"""

import argparse
import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

PROTOTYPE = re.compile(r"^VR_\w+ (\w+) (vr_\w+)\(([^)]*)\) \{", re.MULTILINE)
LABEL = re.compile(r"^(\.?\w+):")
# what no loop should do, to see that it would be found
SPILLS = """
float check_spills(const float *values, int n) {
    volatile float kept;
    float sum = 0;
    int i;
    for (i = 0; i < n; i++) {
        kept = values[i];
        sum += kept;
    }
    return sum;
}
"""

REGISTERS_X86 = re.compile(r"%([xyz])mm\d+")
STACK_X86 = re.compile(r"^(-?\d*)\(%(rsp|rbp)\)$")
SUFFIXES_X86 = {"b": 1, "w": 2, "l": 4, "q": 8}
# mnemonics of vector registers that move a part of them
PARTS_X86 = re.compile(
    r"^v?(?:(?P<four>movss|movd|extractps|pextrd|cvt\w*2ss)|(?P<eight>mov[lh]p[sd]|movsd|movq|pextrq))"
)
STACK_ARM = re.compile(r"\[sp(?:, #?(-?\d+))?\]")
SIZES_ARM = {"q": 16, "d": 8, "s": 4, "x": 8, "w": 4}


class Access(NamedTuple):
    """Bytes of the stack that an instruction loads, stores or both."""

    base: str
    first: int
    last: int
    loads: bool
    stores: bool
    is_vector: bool

    def overlaps(self, other):
        """Tell whether two instructions use a byte in common."""
        return self.base == other.base and self.first < other.last and other.first < self.last


def setup_constant(name):
    """Read the value of a constant of setup.py."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    raise SystemExit(f"setup.py has no constant {name}")


def wrappers(headers):
    """Write an exported function around every function that the kernel may call."""
    declared = (ROOT / "ext" / "simd.pxd").read_text()
    found = {}
    for result, name, parameters in PROTOTYPE.findall(headers):
        if re.search(rf"\b{name}\(", declared):
            arguments = ", ".join(re.findall(r"(\w+)(?:,|$)", " ".join(parameters.split())))
            give = "" if result == "void" else "return "
            found[name] = f"{result} check_{name}({parameters}) {{ {give}{name}({arguments}); }}\n"
    return found


def split_operands(text):
    """Split at the commas that are not within brackets."""
    return [part.strip() for part in re.split(r",(?![^(\[{]*[)\]}])", text) if part.strip()]


def access_x86(mnemonic, text, frame):
    """Read how an instruction for x86 uses the stack; None if it does not."""
    operands = split_operands(text)
    places = [i for i, operand in enumerate(operands) if STACK_X86.match(operand)]
    if not places or mnemonic.startswith(("lea", "prefetch", "nop", "call", "jmp")):
        return None
    offset, base = STACK_X86.match(operands[places[0]]).groups()
    if base == "rbp" and not frame:
        return None
    vectors = REGISTERS_X86.findall(text)
    part = PARTS_X86.match(mnemonic)
    if vectors and part:
        size = 4 if part["four"] else 8
    elif vectors:
        # the half of a register is stored by an instruction that names the whole
        width = {"x": 16, "y": 32, "z": 64}
        size = 16 if "128" in mnemonic else 32 if "x4" in mnemonic else max(map(width.get, vectors))
    else:
        size = SUFFIXES_X86.get(mnemonic[-1], 8)
    is_last = places[0] == len(operands) - 1
    is_move = "mov" in mnemonic or "extr" in mnemonic or mnemonic.startswith("vcvtps2ph")
    is_compare = mnemonic.startswith(("cmp", "test", "ucomis", "vucomis", "comis", "vcomis"))
    stores = is_last and not is_compare
    first = int(offset or 0)
    return Access(
        base, first, first + size, not (stores and is_move), stores, bool(vectors) and not part
    )


def access_arm(mnemonic, text, _frame):
    """Read how an instruction for aarch64 uses the stack; None if it does not."""
    place = STACK_ARM.search(text)
    if not place or not mnemonic.startswith(("ld", "st")):
        return None
    register = split_operands(text)[0]
    size = SIZES_ARM.get(register[0], 16) * (2 if mnemonic.endswith("p") else 1)
    first = int(place[1] or 0)
    stores = mnemonic.startswith("st")
    return Access("sp", first, first + size, not stores, stores, register[0] == "q")


def functions_of(assembly):
    """Yield the name of every function, and its lines that are labels or instructions."""
    name, lines = None, []
    for line in assembly.splitlines():
        label = LABEL.match(line)
        if label and label[1].startswith(("check_", "vr_")):
            name, lines = label[1], []
        elif line.strip().startswith((".size", ".cfi_endproc")) and name:
            yield name, lines
            name = None
        elif name and label:
            lines.append(label[1] + ":")
        elif name and re.match(r"\s+[a-z]", line):
            lines.append(re.split(r"\s*(?:#|//|;)(?![\d-])", line)[0].strip().replace("\t", " "))


def loops_of(lines):
    """Return the first and the last line of every loop."""
    places = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(":")}
    loops = set()
    for i, line in enumerate(lines):
        target = line.replace(",", " ").split()[-1]
        if re.match(r"(j|b|cb|tb)", line) and places.get(target, i) < i:
            loops.add((places[target], i))
    return loops


def holds(outer, inner):
    """Tell whether lines lie within others."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def reloads(lines, access):
    """List what a function takes from where it has just put it: lines of the two instructions."""
    frame = any(re.match(r"movq? %rsp, ?%rbp", line) for line in lines)
    used = {}
    for i, line in enumerate(lines):
        mnemonic, _, text = line.partition(" ")
        found = access(mnemonic, text, frame) if not line.endswith(":") else None
        if found:
            used[i] = found
    loops = loops_of(lines)
    calls = {(i, i) for i, line in enumerate(lines) if re.match(r"(call|bl )", line)}
    innermost = {
        loop for loop in loops if not any(loop != b and holds(loop, b) for b in loops | calls)
    }
    for stored, first in used.items():
        for loaded, second in used.items():
            if not (first.stores and second.loads and first.overlaps(second)):
                continue
            in_loop = any(
                holds(loop, (stored, stored)) and holds(loop, (loaded, loaded))
                for loop in innermost
            )
            in_stretch = stored < loaded and not any(
                stored < edge <= loaded for loop in loops for edge in loop
            )
            if in_loop or (in_stretch and first.is_vector and second.is_vector):
                yield stored, loaded


def check(compiler, headers, show):
    """Compile the functions with one compiler; return the number of those that reload."""
    title, compiler = compiler, shlex.split(compiler)
    machine = subprocess.run(
        [*compiler, "-dumpmachine"], check=True, capture_output=True, text=True
    ).stdout
    is_x86 = machine.startswith(("x86_64", "amd64"))
    access = access_x86 if is_x86 else access_arm
    sets = {"plain": []} | (setup_constant("INSTRUCTION_SETS")["unix"] if is_x86 else {})
    exported = wrappers("".join(header.read_text() for header in headers))
    failed = 0
    for name, flags in sets.items():
        with TemporaryDirectory() as folder:
            source = Path(folder, "loops.c")
            includes = "".join(f'#include "{header}"\n' for header in headers)
            source.write_text(f"{includes}{''.join(exported.values())}{SPILLS}")
            command = [*compiler, *setup_constant("OPTIMISE")["unix"], *flags, "-S", "-o", "-"]
            command += ["-fno-asynchronous-unwind-tables", str(source)]
            assembly = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        functions = dict(functions_of(assembly))
        missing = {f"check_{function}" for function in exported} - set(functions)
        if missing:
            raise SystemExit(f"{title}, {name}: not found in the assembly: {sorted(missing)}")
        if not list(reloads(functions.pop("check_spills"), access)):
            raise SystemExit(f"{title}, {name}: a loop that does reload was not recognised")
        for function, lines in functions.items():
            found = sorted(reloads(lines, access))
            if found:
                failed += 1
                print(
                    f"{title}, {name}: {function.removeprefix('check_')} takes up again what "
                    f"it put on the stack, {len(found)} times"
                )
                if show:
                    for stored, loaded in found:
                        print(f"    {lines[stored]:50}{lines[loaded]}")
        print(f"{title}, {name}: {len(functions)} functions read")
    return failed


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("compilers", nargs="*", default=["gcc"])
    headers = sorted((ROOT / "ext" / "simd").glob("*.h"))
    parser.add_argument("--header", type=Path, nargs="+", default=headers, dest="headers")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    failed = sum(
        check(compiler, [header.resolve() for header in options.headers], options.show)
        for compiler in options.compilers
    )
    sys.exit(f"{failed} functions go through the stack" if failed else 0)


if __name__ == "__main__":
    main()
