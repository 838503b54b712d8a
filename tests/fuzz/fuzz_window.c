/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_window.c - windows. Each line of the input is an entry: of cron where it begins with " ' or @, dates to leave out
 * after "except ". What windows_at() says of one time must agree with what it says of others.
 */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "plan/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct windows *w, int64_t t)
{
	struct window_state s = windows_at(w, t);
	if (!s.open) {
		if (s.opens_ns <= t || (s.opens_ns != INT64_MAX && (!windows_at(w, s.opens_ns).open || windows_at(w, s.opens_ns - 1).open)))
			panic("does not open when it says");
		return;
	}
	if (s.since_ns > t || s.until_ns <= t)
		panic("open, but not now");
	if (s.until_ns != INT64_MAX && !windows_at(w, s.until_ns - 1).open)
		panic("shut before it says");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t times[] = { INT64_C(1774742400000000000), INT64_C(1774746000000000000), INT64_C(1792886399999999999),
					 INT64_C(1796000000000000000), 0, INT64_MIN, INT64_MAX - 1 };
	const char *windows[8], *crons[8];
	char error[100], *lines = NULL;
	CLEANUP_FREE char *text = xstrndup((const char *)data, size);
	struct windows_text t = { .windows = windows, .crons = crons, .local = "Europe/Berlin" };
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines))
		if (!strncmp(line, "except ", 7))
			t.except = line + 7;
		else if (strchr("\"'@", *line) && t.n_crons < ARRAY_LEN(crons))
			crons[t.n_crons++] = line;
		else if (t.n_windows < ARRAY_LEN(windows))
			windows[t.n_windows++] = line;
	size_t which;
	struct windows *w = windows_compile(&t, error, sizeof error, &which);
	if (!w) {
		if (strncmp(error, "column ", 7) != 0 || which > t.n_windows + t.n_crons)
			panic("no place: %s", error);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		ask(w, times[i]);
	windows_free(w);
	return 0;
}
