/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <floe/floe.h>
#include <inttypes.h>
#include <string.h>

#include "alone.h"
#include "instructions.h"

/* Floors that move by more than this within one run make its ratios doubtful. */
#define FLOOR_SPREAD_MAX 1.5

/* A median of fewer rounds is none. */
#define ALONE_ROUNDS_MIN 3

static enum verdict judge(double value, double target)
{
	if (target == 0)
		return VERDICT_NO_TARGET;
	return value <= target ? VERDICT_MET : VERDICT_MISSED;
}

enum verdict result_verdict(const struct result *result)
{
	if (!result->values.count)
		return VERDICT_NO_TARGET;
	if (result->c->ratio_max > 0)
		return judge(series_median(&result->ratios), result->c->ratio_max);
	if (!result->c->kind->was_alone || result->c->value_max == 0)
		return judge(series_median(&result->values), result->c->value_max);
	if (result->alone.count < ALONE_ROUNDS_MIN)
		return VERDICT_SHARED;
	return judge(series_median(&result->alone), result->c->value_max);
}

enum verdict result_instructions_verdict(const struct result *result)
{
	if (result->instructions < 0)
		return VERDICT_NO_TARGET;
	return judge(result->instructions, result->c->instructions_max);
}

static const char *verdict_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_NO_TARGET] = "",
		[VERDICT_MET] = "yes",
		[VERDICT_MISSED] = "NO",
		[VERDICT_SHARED] = "not known: others used the core",
	};

	return words[verdict];
}

/*
 * Text
 */

/* Three digits or more, so that a column of very different values stays readable. */
static void put_value(FILE *out, double value)
{
	int decimals = value < 10 ? 2 : value < 1000 ? 1 : 0;

	fprintf(out, " %9.*f", decimals, value);
}

static void text_machine(const struct report *report, FILE *out)
{
	const struct machine *m = report->machine;

	fprintf(out, "floe       %s, %s\n", floe_version(), BENCH_LINKED);
	fprintf(out, "processor  %s\n", m->cpu);
	fprintf(out, "cores      %d", m->cores[0]);
	if (m->cores[1] >= 0)
		fprintf(out, " and %d", m->cores[1]);
	fprintf(out, ": %s\n", m->relation);
	fprintf(out, "kernel     %s, frequency governor %s\n", m->kernel, m->governor);
	fprintf(out, "load       %.2f before we began\n", m->load);
	fprintf(out, "rounds     %u, each figure below is the median, least or greatest of them\n",
		report->rounds);
}

static void text_target(const struct bench_case *c, FILE *out)
{
	if (c->ratio_max > 0)
		fprintf(out, "  <= %4.1fx", c->ratio_max);
	else if (c->value_max > 0)
		fprintf(out, "  <= %2.0f %s", c->value_max, c->kind->unit);
	else
		fprintf(out, "  %8s", "");
}

static void text_row(const struct result *result, FILE *out)
{
	fprintf(out, "  %-20s", result->c->name);
	if (result->left_out) {
		fprintf(out, " left out: %s\n", result->left_out);
		return;
	}
	put_value(out, series_min(&result->values));
	put_value(out, series_median(&result->values));
	put_value(out, series_max(&result->values));
	if (result->ratios.count) {
		put_value(out, series_median(&result->floors));
		fprintf(out, " %6.2f %6.2f %6.2f", series_min(&result->ratios),
			series_median(&result->ratios), series_max(&result->ratios));
	} else if (result->c->value_max > 0) {
		fprintf(out, " %9s %20s", "", "");
	}
	if (result_verdict(result) != VERDICT_NO_TARGET) {
		text_target(result->c, out);
		fprintf(out, "  %s", verdict_word(result_verdict(result)));
	}
	if (result->alone.count && result->c->value_max > 0)
		fprintf(out, ", %.2f in the %zu rounds alone", series_median(&result->alone),
			result->alone.count);
	fputc('\n', out);
}

static void text_heading(const struct bench_kind *kind, FILE *out)
{
	fprintf(out, "\n%s, %s\n", kind->title, kind->unit);
	fprintf(out, "  %-20s %9s %9s %9s %9s %6s %6s %6s  %8s\n", "", "least", "median",
		"greatest", "floor", "least", "ratio", "most", "target");
}

static void text_table(const struct report *report, FILE *out)
{
	const char *title = "";

	for (size_t i = 0; i < report->count; i++) {
		const struct result *result = &report->results[i];

		if (!result->c)
			continue;
		if (strcmp(result->c->kind->title, title) != 0)
			text_heading(result->c->kind, out);
		title = result->c->kind->title;
		text_row(result, out);
	}
}

static double quantile(const struct result *result, double share)
{
	return (double)histogram_quantile(&result->histogram, share) /
	       result->c->kind->histogram_scale;
}

/* Ten events have no 99th percentile. */
static void put_quantile(FILE *out, const struct result *result, double share)
{
	if ((double)result->histogram.count * (1 - share) >= 1)
		put_value(out, quantile(result, share));
	else
		fprintf(out, " %9s", "-");
}

static void text_quantiles(const struct report *report, FILE *out)
{
	bool begun = false;

	for (size_t i = 0; i < report->count; i++) {
		const struct result *result = &report->results[i];

		if (!result->histogram.count)
			continue;
		if (!begun)
			fprintf(out,
				"\nsingle events of all rounds, ns\n  %-20s %9s %9s %9s %9s %9s\n",
				"", "events", "p50", "p99", "p99.9", "max");
		begun = true;
		fprintf(out, "  %-20s %9" PRIu64, result->c->name, result->histogram.count);
		put_quantile(out, result, 0.5);
		put_quantile(out, result, 0.99);
		put_quantile(out, result, 0.999);
		put_value(out, (double)result->histogram.max / result->c->kind->histogram_scale);
		fputc('\n', out);
	}
}

static void text_instructions(const struct report *report, FILE *out)
{
	bool begun = false;

	for (size_t i = 0; i < report->count; i++) {
		const struct result *result = &report->results[i];

		if (!result->c || !result->c->kind->instructions)
			continue;
		if (!begun)
			fprintf(out, "\ninstructions for each operation, %s\n",
				instructions_method());
		begun = true;
		fprintf(out, "  %-20s", result->c->name);
		if (result->instructions >= 0)
			fprintf(out, " %9.1f", result->instructions);
		if (result_instructions_verdict(result) != VERDICT_NO_TARGET)
			fprintf(out, "  <= %.0f  %s", result->c->instructions_max,
				verdict_word(result_instructions_verdict(result)));
		fputc('\n', out);
	}
}

/* Cases whose floor was not the same thing from round to round. */
static unsigned count_unsteady(const struct report *report)
{
	unsigned unsteady = 0;

	for (size_t i = 0; i < report->count; i++) {
		const struct series *floors = &report->results[i].floors;

		if (floors->count && series_max(floors) > FLOOR_SPREAD_MAX * series_min(floors))
			unsteady++;
	}
	return unsteady;
}

static void text_noise(const struct report *report, FILE *out)
{
	const struct disturbance *d = report->disturbance;
	unsigned unsteady = count_unsteady(report);

	fprintf(out,
		"\nnoise: %.1f seconds, preempted %" PRIu64 " times, the host took %" PRIu64
		" ms\n",
		(double)d->time_ns / 1e9, d->preempted, d->stolen_ms);
	if (unsteady)
		fprintf(out,
			"noise: the floor of %u cases moved by more than %.1f between rounds;"
			" trust ratios, not ns\n",
			unsteady, FLOOR_SPREAD_MAX);
	if (alone_share() >= 0)
		fprintf(out,
			"noise: cost: nobody else used the core in %.0f %% of the batches; rounds"
			" with such batches count only these, targets only such rounds\n",
			100 * alone_share());
}

void report_text(const struct report *report, FILE *out)
{
	text_machine(report, out);
	text_table(report, out);
	text_quantiles(report, out);
	text_instructions(report, out);
	text_noise(report, out);
}

/*
 * JSON
 */

/* Names and models are plain text, but the model is not ours. */
static void json_string(FILE *out, const char *key, const char *text)
{
	fprintf(out, "\"%s\": \"", key);
	for (const char *s = text; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		if ((unsigned char)*s >= ' ')
			fputc(*s, out);
	}
	fputc('"', out);
}

static void json_series(FILE *out, const char *key, const struct series *s)
{
	if (!s->count)
		return;
	fprintf(out,
		",\n     \"%s\": {\"min\": %.4g, \"median\": %.4g, \"max\": %.4g, \"rounds\": [",
		key, series_min(s), series_median(s), series_max(s));
	for (size_t i = 0; i < s->count; i++)
		fprintf(out, "%s%.4g", i ? ", " : "", s->values[i]);
	fputs("]}", out);
}

static void json_histogram(FILE *out, const struct result *result)
{
	if (!result->histogram.count)
		return;
	fprintf(out,
		",\n     \"events\": {\"count\": %" PRIu64
		", \"p50\": %.1f, \"p99\": %.1f, \"p99_9\": %.1f, \"max\": %.1f}",
		result->histogram.count, quantile(result, 0.5), quantile(result, 0.99),
		quantile(result, 0.999),
		(double)result->histogram.max / result->c->kind->histogram_scale);
}

static void json_verdict(FILE *out, const char *key, enum verdict verdict)
{
	if (verdict == VERDICT_MET || verdict == VERDICT_MISSED)
		fprintf(out, ",\n     \"%s\": %s", key, verdict == VERDICT_MET ? "true" : "false");
}

static void json_targets(FILE *out, const struct result *result)
{
	const struct bench_case *c = result->c;

	if (c->ratio_max > 0)
		fprintf(out, ",\n     \"ratio_target\": %g", c->ratio_max);
	if (c->value_max > 0)
		fprintf(out, ",\n     \"value_target\": %g", c->value_max);
	json_verdict(out, "met", result_verdict(result));
	if (result->instructions >= 0)
		fprintf(out, ",\n     \"instructions\": %.1f", result->instructions);
	if (c->instructions_max > 0)
		fprintf(out, ",\n     \"instructions_target\": %g", c->instructions_max);
	json_verdict(out, "instructions_met", result_instructions_verdict(result));
}

static void json_result(FILE *out, const struct result *result)
{
	fputs("    {", out);
	json_string(out, "name", result->c->name);
	fputs(", ", out);
	json_string(out, "unit", result->c->kind->unit);
	fprintf(out, ", \"payload\": %zu", result->c->payload);
	if (result->left_out) {
		fputs(", ", out);
		json_string(out, "left_out", result->left_out);
	}
	if (result->c->floor) {
		fputs(", ", out);
		json_string(out, "floor_name", result->c->floor);
	}
	json_series(out, "value", &result->values);
	json_series(out, "alone", &result->alone);
	json_series(out, "floor", &result->floors);
	json_series(out, "ratio", &result->ratios);
	json_histogram(out, result);
	json_targets(out, result);
	fputc('}', out);
}

static void json_machine(FILE *out, const struct report *report)
{
	const struct machine *m = report->machine;

	fputs("  \"machine\": {", out);
	json_string(out, "processor", m->cpu);
	fprintf(out, ", \"cores\": [%d, %d], ", m->cores[0], m->cores[1]);
	json_string(out, "relation", m->relation);
	fputs(", ", out);
	json_string(out, "kernel", m->kernel);
	fputs(", ", out);
	json_string(out, "governor", m->governor);
	fprintf(out, ", \"virtual\": %s, \"load\": %.2f},\n", m->is_virtual ? "true" : "false",
		m->load);
}

void report_json(const struct report *report, FILE *out)
{
	const struct disturbance *d = report->disturbance;
	const char *separator = "";

	fputs("{\n  ", out);
	json_string(out, "floe", floe_version());
	fputs(",\n  ", out);
	json_string(out, "linked", BENCH_LINKED);
	fputs(",\n", out);
	json_machine(out, report);
	fprintf(out,
		"  \"noise\": {\"seconds\": %.1f, \"preempted\": %" PRIu64
		", \"stolen_ms\": %" PRIu64 ", \"unsteady\": %u, \"alone\": %.3f},\n",
		(double)d->time_ns / 1e9, d->preempted, d->stolen_ms, count_unsteady(report),
		alone_share());
	fprintf(out, "  \"rounds\": %u,\n  ", report->rounds);
	json_string(out, "instructions_method", instructions_method());
	fputs(",\n  \"cases\": [", out);
	for (size_t i = 0; i < report->count; i++) {
		if (!report->results[i].c)
			continue;
		fprintf(out, "%s\n", separator);
		json_result(out, &report->results[i]);
		separator = ",";
	}
	fputs("\n  ]\n}\n", out);
}
