/* SPDX-License-Identifier: Apache-2.0 */
/* test_elf.c - what may be mapped and what may not: our own program's file, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "plugin/scan.h"

static struct buf whole;
static char why[256];

static int setup(void **state)
{
	(void)state;
	CLEANUP_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	while ((n = read(fd, buf_reserve(&whole, 65536), 65536)) > 0)
		whole.len += (size_t)n;
	return n < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&whole);
	return 0;
}

/* The first `len` bytes, with the headers changed. */
static int check(size_t len, void (*change)(ElfW(Ehdr) * h, ElfW(Phdr) * load))
{
	CLEANUP_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	CLEANUP_FREE char *copy = xmalloc(whole.len);
	memcpy(copy, whole.data, whole.len);
	ElfW(Ehdr) h;
	memcpy(&h, copy, sizeof h);
	for (unsigned i = 0; change && i < h.e_phnum; i++) {
		ElfW(Phdr) p;
		char *at = copy + h.e_phoff + i * sizeof p;
		memcpy(&p, at, sizeof p);
		if (p.p_type != PT_LOAD)
			continue;
		change(&h, &p);
		memcpy(at, &p, sizeof p);
		memcpy(copy, &h, sizeof h);
		break;
	}
	assert_int_equal(write(fd, copy, len), len);
	why[0] = '\0';
	return scan_check_elf(fd, why, sizeof why);
}

static void a_whole_file_passes(void **state)
{
	(void)state;
	assert_int_equal(check(whole.len, NULL), 0);
}

static void no_truncation_passes(void **state)
{
	(void)state;
	for (size_t len = 1; len < 2000; len++)
		assert_int_equal(check(len, NULL), -1);
	for (size_t len = 2000; len < whole.len; len += whole.len / 50 + 1)
		assert_int_equal(check(len, NULL), -1);
	assert_int_equal(check(whole.len - 1, NULL), -1);
	assert_non_null(strstr(why, "truncated: its headers speak of "));
	assert_int_equal(check(0, NULL), -1);
	assert_string_equal(why, "the file is empty");
}

static void beyond_the_end(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)h;
	load->p_offset = whole.len;
	load->p_filesz = load->p_memsz = 1;
}

static void around_the_corner(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)h;
	load->p_offset = UINT64_MAX - 10;
	load->p_filesz = load->p_memsz = 100;
}

static void more_than_in_memory(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)h;
	load->p_memsz = load->p_filesz - 1;
}

static void headers_far_away(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)load;
	h->e_phoff = whole.len - 8;
}

static void many_headers(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)load;
	h->e_phnum = 60000;
}

static void other_machine(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)load;
	h->e_machine = EM_S390;
}

static void other_order(ElfW(Ehdr) * h, ElfW(Phdr) * load)
{
	(void)load;
	h->e_ident[EI_DATA] ^= 3;
}

static void damage_is_named(void **state)
{
	(void)state;
	const struct {
		void (*change)(ElfW(Ehdr) * h, ElfW(Phdr) * load);
		const char *why;
	} cases[] = {
		{ beyond_the_end, "truncated: its headers speak of " },
		{ around_the_corner, "damaged: an offset in its ELF headers is absurd" },
		{ more_than_in_memory, "damaged: an ELF segment is larger in the file than in memory" },
		{ headers_far_away, "truncated: its headers speak of " },
		{ many_headers, "damaged: its ELF program headers make no sense" },
		{ other_machine, "built for another architecture (S/390, this machine is " },
		{ other_order, "built for the other byte order" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(check(whole.len, cases[i].change), -1);
		assert_non_null(strstr(why, cases[i].why));
	}
}

static void folders_are_scanned_in_order(void **state)
{
	(void)state;
	char folder[] = "/tmp/probed-scan-XXXXXX";
	assert_non_null(mkdtemp(folder));
	static const char *const names[] = { "b.so", "a.so", "c.txt", ".hidden.so", "B.so" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", folder, names[i]);
		CLEANUP_CLOSE int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
	}
	CLEANUP_FREE char *again = xasprintf("%s/../%s", folder, strrchr(folder, '/') + 1);
	const char *const folders[] = { folder, again, "/nonexistent" };
	struct scan s = { 0 };
	scan_folders(&s, folders, ARRAY_LEN(folders));
	assert_int_equal(s.n, 4);
	static const char *const sorted[] = { "B.so", "a.so", "b.so" };
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		assert_string_equal(strrchr(s.list[i].path, '/') + 1, sorted[i]);
		assert_string_equal(s.list[i].why, "the file is empty");
	}
	assert_string_equal(s.list[3].path, "/nonexistent");
	assert_string_equal(s.list[3].why, "this folder can't be read: No such file or directory");
	scan_free(&s);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file_passes),
		cmocka_unit_test(no_truncation_passes),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(folders_are_scanned_in_order),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
