/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c - is a file a whole ELF shared object for this machine? The dynamic linker maps what the headers say without
 * a look at the file's size, and dies of SIGBUS where the file is shorter. Part of scan.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/scan.h"

#define PHDRS_MAX 128 /* more than any linker writes */

/* Our own header, put there by the linker: what this machine's files look like. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static int refuse(char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s", what);
	return -1;
}

static int truncated(char *why, size_t size, uint64_t needs, uint64_t has)
{
	snprintf(why, size, "truncated: its headers speak of %" PRIu64 " bytes, the file has %" PRIu64, needs, has);
	return -1;
}

/* Does [offset, offset + len) lie in the file? */
static int check_extent(uint64_t offset, uint64_t len, uint64_t file, char *why, size_t size)
{
	if (offset > UINT64_MAX - len)
		return refuse(why, size, "damaged: an offset in its ELF headers is absurd");
	return offset + len > file ? truncated(why, size, offset + len, file) : 0;
}

static const char *machine_name(unsigned machine, char *buf, size_t size)
{
	static const struct {
		unsigned machine;
		const char *name;
	} known[] = {
		{ EM_386, "i386" },     { EM_X86_64, "x86-64" },   { EM_ARM, "ARM" },    { EM_AARCH64, "AArch64" },
		{ EM_RISCV, "RISC-V" }, { EM_PPC64, "PowerPC64" }, { EM_S390, "S/390" }, { EM_MIPS, "MIPS" },
	};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].machine == machine)
			return known[i].name;
	snprintf(buf, size, "machine %u", machine);
	return buf;
}

static int check_ident(const ElfW(Ehdr) * h, char *why, size_t size)
{
	const ElfW(Ehdr) *own = &__ehdr_start;
	char a[24], b[24];
	if (h->e_ident[EI_CLASS] != own->e_ident[EI_CLASS]) {
		snprintf(why, size, "built for %s bits, this is a %zu-bit probed",
			 h->e_ident[EI_CLASS] == ELFCLASS32   ? "32"
			 : h->e_ident[EI_CLASS] == ELFCLASS64 ? "64"
							      : "no known number of",
			 8 * sizeof(void *));
		return -1;
	}
	if (h->e_ident[EI_DATA] != own->e_ident[EI_DATA])
		return refuse(why, size, "built for the other byte order");
	if (h->e_machine != own->e_machine) {
		snprintf(why, size, "built for another architecture (%s, this machine is %s)",
			 machine_name(h->e_machine, a, sizeof a), machine_name(own->e_machine, b, sizeof b));
		return -1;
	}
	if (h->e_type != ET_DYN)
		return refuse(why, size, "an ELF file, but not a shared object");
	return 0;
}

static int check_segments(int fd, const ElfW(Ehdr) * h, uint64_t file, char *why, size_t size)
{
	ElfW(Phdr) ph[PHDRS_MAX];
	if (h->e_phentsize != sizeof ph[0] || !h->e_phnum || h->e_phnum > PHDRS_MAX)
		return refuse(why, size, "damaged: its ELF program headers make no sense");
	size_t bytes = (size_t)h->e_phnum * sizeof ph[0];
	if (check_extent(h->e_phoff, bytes, file, why, size))
		return -1;
	if (pread(fd, ph, bytes, (off_t)h->e_phoff) != (ssize_t)bytes)
		return refuse(why, size, "can't be read whole");
	int loads = 0, dynamics = 0;
	for (unsigned i = 0; i < h->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD && ph[i].p_type != PT_DYNAMIC)
			continue;
		if (check_extent(ph[i].p_offset, ph[i].p_filesz, file, why, size))
			return -1;
		if (ph[i].p_filesz > ph[i].p_memsz)
			return refuse(why, size, "damaged: an ELF segment is larger in the file than in memory");
		*(ph[i].p_type == PT_LOAD ? &loads : &dynamics) += 1;
	}
	if (!loads || dynamics != 1)
		return refuse(why, size, "an ELF file, but nothing that can be loaded");
	return 0;
}

int scan_check_elf(int fd, char *why, size_t size)
{
	struct stat st;
	ElfW(Ehdr) h;
	if (fstat(fd, &st)) {
		snprintf(why, size, "can't be read: %s", strerror(errno));
		return -1;
	}
	if (st.st_size == 0)
		return refuse(why, size, "the file is empty");
	uint64_t file = (uint64_t)st.st_size;
	memset(&h, 0, sizeof h);
	ssize_t n = pread(fd, &h, sizeof h, 0);
	if (n < 0) {
		snprintf(why, size, "can't be read: %s", strerror(errno));
		return -1;
	}
	if (n < SELFMAG || memcmp(h.e_ident, ELFMAG, SELFMAG))
		return refuse(why, size, "not an ELF file");
	if ((size_t)n < sizeof h)
		return truncated(why, size, sizeof h, file);
	if (check_ident(&h, why, size) || check_segments(fd, &h, file, why, size))
		return -1;
	/* the linker does not read them, but they stand last: a file cut anywhere shows */
	return h.e_shoff ? check_extent(h.e_shoff, (uint64_t)h.e_shnum * h.e_shentsize, file, why, size) : 0;
}
