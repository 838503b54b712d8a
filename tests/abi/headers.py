# SPDX-License-Identifier: Apache-2.0
"""The public headers as data: their structs and constants, their layouts as the compiler sees them, what an older
plugin would trip over, and a future that grew by the rules."""
import os
import re
import shlex
import shutil
import subprocess

CC = shlex.split(os.environ.get("CC", "cc"))
NAMES = ("types", "host", "driver", "sink", "hook", "service", "plugin")

# Handed over by the caller without a size or a stride: these can never grow.
FIXED = {"probed_verdict"}
# How many there are of something: they grow with it.
COUNTS = {"PROBED_OUTCOMES", "PROBED_REASONS"}


def present(folder):
    """Those of NAMES that this version has."""
    return [name for name in NAMES if os.path.exists(os.path.join(folder, "probed", name + ".h"))]


def read(folder):
    text = ""
    for name in present(folder):
        with open(os.path.join(folder, "probed", name + ".h")) as f:
            text += f.read()
    return text


def version(folder):
    text = read(folder)
    return tuple(int(re.search(r"#define PROBED_ABI_%s (\d+)" % part, text).group(1)) for part in ("MAJOR", "MINOR"))


def bare(text):
    """Without comments and directives, white space as one blank."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^#(?:\\\n|.)*$", " ", text, flags=re.M)
    return re.sub(r"\s+", " ", text)


def members(body):
    """{name: declaration} in order."""
    found = {}
    for decl in filter(None, (d.strip() for d in body.split(";"))):
        slot = re.search(r"\(\*(\w+)\)", decl)
        if slot:
            found[slot.group(1)] = decl
            continue
        first, *more = decl.split(",")
        kind, name = re.match(r"(.*?)(\w+(?:\[.*\])?)$", first.strip()).groups()
        for one in [name] + [m.strip() for m in more]:
            found[one.split("[")[0]] = kind + one
    return found


def structs(folder):
    return {name: members(body) for name, body in re.findall(r"struct (probed_\w+) \{(.*?)\} ?;", bare(read(folder)))}


def constants(folder):
    names = ["PROBED_MAGIC", "PROBED_ABI_MAJOR"]
    for body in re.findall(r"enum \{(.*?)\}", bare(read(folder))):
        names += re.findall(r"(PROBED_\w+) =", body)
    return names


def compiled(folder, tmp):
    """{what: numbers}: each struct's size, each member's place and size, each constant's value."""
    lines = ["#include <probed/plugin.h>", "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    for struct, fields in structs(folder).items():
        lines.append('printf("%s %%zu\\n", sizeof(struct %s));' % (struct, struct))
        for field in fields:
            lines.append('printf("%s.%s %%zu %%zu\\n", offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));'
                         % (struct, field, struct, field, struct, field))
    lines += ['printf("%s %%lld\\n", (long long)%s);' % (c, c) for c in constants(folder)]
    source, program = os.path.join(tmp, "layout.c"), os.path.join(tmp, "layout")
    with open(source, "w") as f:
        f.write("\n".join(lines + ["return 0; }", ""]))
    subprocess.run(CC + ["-std=gnu11", "-I", folder, "-o", program, source], check=True)
    said = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0]: tuple(map(int, line.split()[1:])) for line in said.splitlines()}


def compare(old, new, tmp):
    """What a plugin built against the headers in `old` would trip over in a host built with those in `new`."""
    wrong = []
    (old_major, old_minor), (new_major, new_minor) = version(old), version(new)
    if old_major != new_major or new_minor < old_minor:
        return ["%d.%d can't follow %d.%d" % (new_major, new_minor, old_major, old_minor)]
    same = old_minor == new_minor
    before, after = compiled(old, tmp), compiled(new, tmp)
    old_structs, new_structs = structs(old), structs(new)
    for what, numbers in before.items():
        struct, _, member = what.partition(".")
        if what not in after:
            wrong.append("%s is gone" % what)
        elif member and after[what] != numbers:
            wrong.append("%s: was at %d with %d bytes, is at %d with %d" % ((what,) + numbers + after[what]))
        elif member and new_structs[struct][member] != old_structs[struct][member]:
            wrong.append("%s: was \"%s\", is \"%s\"" % (what, old_structs[struct][member], new_structs[struct][member]))
        elif what in old_structs and after[what] < numbers:
            wrong.append("struct %s: had %d bytes, has %d" % (what, numbers[0], after[what][0]))
        elif not member and what not in old_structs and after[what] != numbers and (same or what not in COUNTS):
            wrong.append("%s: was %d, is %d" % (what, numbers[0], after[what][0]))
    for what, numbers in after.items():
        struct, _, member = what.partition(".")
        if what in before:
            continue
        if same:
            wrong.append("%s is new, but the minor is still %d" % (what, new_minor))
        elif member and struct in old_structs and struct in FIXED:
            wrong.append("%s: struct %s can't grow" % (what, struct))
        elif member and struct in old_structs and numbers[0] < before[struct][0]:
            wrong.append("%s: lies inside of the old struct's %d bytes" % (what, before[struct][0]))
    return wrong


def edit(folder, header, old, new):
    path = os.path.join(folder, "probed", header + ".h")
    with open(path) as f:
        text = f.read()
    changed, n = re.subn(old, new, text, flags=re.S)
    assert n == 1, "%s: %s matches %d times" % (header, old, n)
    with open(path, "w") as f:
        f.write(changed)


def copy(folder, to):
    """For editing: the source folder may be read-only."""
    there = os.path.join(to, "probed")
    os.makedirs(there)
    for name in present(folder):
        shutil.copyfile(os.path.join(folder, "probed", name + ".h"), os.path.join(there, name + ".h"))
    return to


def future(folder, to):
    """The headers as they may be one day: every struct that may grow did, and the minor is 99."""
    copy(folder, to)
    edit(to, "plugin", r"(#define PROBED_ABI_MINOR) \d+", r"\1 99")
    for name in present(to):
        path = os.path.join(to, "probed", name + ".h")
        with open(path) as f:
            text = f.read()

        def grow(match):
            if match.group(2) in FIXED:
                return match.group(0)
            return match.group(1) + "\n\tuint64_t future_number[3];\n\tvoid (*future_slot)(void);\n};"
        with open(path, "w") as f:
            f.write(re.sub(r"(struct (probed_\w+) \{.*?)\n\};", grow, text, flags=re.S))
    return to
