/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_elf.c - files that stand in a plugin folder and are looked at before they are mapped. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[256] = "";
	int fd = memfd_create("elf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (scan_check_elf(fd, why, sizeof why) && !*why)
		abort(); /* refused without a reason */
	close(fd);
	return 0;
}
