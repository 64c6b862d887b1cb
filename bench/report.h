/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

/*
 * What came out, for people and for programs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "case.h"
#include "machine.h"
#include "series.h"

struct result {
	const struct bench_case *c;
	const char *left_out; /* why it was not measured, or NULL */
	struct series values, floors, ratios;
	struct series alone; /* of the values: those of rounds when nobody else used the core */
	struct histogram histogram;
	double instructions; /* < 0: not known */
};

struct report {
	const struct machine *machine;
	const struct disturbance *disturbance;
	unsigned rounds;
	const struct result *results; /* those of cases that were not selected have c == NULL */
	size_t count;
};

enum verdict {
	VERDICT_NO_TARGET,
	VERDICT_MET,
	VERDICT_MISSED,
	VERDICT_SHARED /* there were too few rounds when nobody else used the core */
};

/* Ratio and value by their medians; a value by those rounds when nobody else used the core, if that
 * is known. */
enum verdict result_verdict(const struct result *result);
enum verdict result_instructions_verdict(const struct result *result);

void report_text(const struct report *report, FILE *out);
void report_json(const struct report *report, FILE *out);

#endif
