/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "session.h"

#define CPU_FILE "/sys/devices/system/cpu/cpu%d/%s"

/*
 * Small files of the kernel
 */

static bool read_cpu_file(int cpu, const char *what, char *text, int size)
{
	char path[128];
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), CPU_FILE, cpu, what);
	file = fopen(path, "re");
	if (!file)
		return false;

	read = fgets(text, size, file);
	fclose(file);
	if (read)
		text[strcspn(text, "\n")] = '\0';
	return read;
}

static int read_cpu_number(int cpu, const char *what)
{
	char text[32];

	return read_cpu_file(cpu, what, text, sizeof(text)) ? atoi(text) : -1;
}

/* The line is "key : value" in cpuinfo. */
static const char *value_of(const char *line, const char *key)
{
	const char *colon = strchr(line, ':');

	return colon && !strncmp(line, key, strlen(key)) ? colon + 1 + strspn(colon + 1, " \t")
							 : NULL;
}

/* Only x86 names its model and says "hypervisor" among its flags. */
static void look_at_cpuinfo(struct machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[4096];
	const char *value;

	strcpy(machine->cpu, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if ((value = value_of(line, "model name")))
			snprintf(machine->cpu, sizeof(machine->cpu), "%.90s", value);
		if ((value = value_of(line, "flags")))
			machine->is_virtual = strstr(value, "hypervisor");
	}
	if (file)
		fclose(file);
}

/*
 * The two cores
 */

static bool share_a_core(int a, int b)
{
	return read_cpu_number(a, "topology/physical_package_id") ==
		       read_cpu_number(b, "topology/physical_package_id") &&
	       read_cpu_number(a, "topology/core_id") == read_cpu_number(b, "topology/core_id");
}

static int find_second(const cpu_set_t *allowed, int first, bool may_share)
{
	for (int cpu = first + 1; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET((size_t)cpu, allowed) && (may_share || !share_a_core(first, cpu)))
			return cpu;
	return -1;
}

static void choose_cores(int cores[2])
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		fail("cannot see which cores we may use: %s", strerror(errno));
	for (cores[0] = 0; !CPU_ISSET((size_t)cores[0], &allowed);)
		cores[0]++;
	cores[1] = find_second(&allowed, cores[0], false);
	if (cores[1] < 0)
		cores[1] = find_second(&allowed, cores[0], true);
}

static const char *relation_of(const int cores[2])
{
	if (cores[1] < 0)
		return "only one core: what needs two is left out";
	if (read_cpu_number(cores[0], "topology/physical_package_id") !=
	    read_cpu_number(cores[1], "topology/physical_package_id"))
		return "two cores in two sockets";
	if (share_a_core(cores[0], cores[1]))
		return "two hyper-threads of one core";
	return "two physical cores";
}

void machine_look(struct machine *machine, const int *wanted)
{
	struct utsname name;

	*machine = (struct machine){.governor = "unknown"};
	look_at_cpuinfo(machine);
	uname(&name);
	snprintf(machine->kernel, sizeof(machine->kernel), "%.20s %.60s", name.sysname,
		 name.release);
	if (wanted)
		memcpy(machine->cores, wanted, sizeof(machine->cores));
	else
		choose_cores(machine->cores);
	snprintf(machine->relation, sizeof(machine->relation), "%s%s", relation_of(machine->cores),
		 machine->is_virtual && machine->cores[1] >= 0 ? ", as this virtual machine is told"
							       : "");
	read_cpu_file(machine->cores[0], "cpufreq/scaling_governor", machine->governor,
		      sizeof(machine->governor));
	if (getloadavg(&machine->load, 1) != 1)
		machine->load = -1;
}

/*
 * Disturbance
 */

/* The eighth number of the first line of /proc/stat, in ticks. */
static uint64_t read_stolen_ms(void)
{
	FILE *file = fopen("/proc/stat", "re");
	uint64_t ticks = 0;

	if (!file)
		return 0;
	if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &ticks) != 1)
		ticks = 0;
	fclose(file);
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

void disturbance_look(struct disturbance *d)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	d->preempted = (uint64_t)usage.ru_nivcsw;
	getrusage(RUSAGE_CHILDREN, &usage);
	d->preempted += (uint64_t)usage.ru_nivcsw;
	d->stolen_ms = read_stolen_ms();
	d->time_ns = now_ns();
}

struct disturbance disturbance_since(const struct disturbance *before)
{
	struct disturbance now;

	disturbance_look(&now);
	return (struct disturbance){
		.stolen_ms = now.stolen_ms - before->stolen_ms,
		.preempted = now.preempted - before->preempted,
		.time_ns = now.time_ns - before->time_ns,
	};
}
