/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floed: the coordinator of a domain. Nothing passes through it: it lays topics down, notices deaths
 * at once and cleans up. It may come, go and be killed at any time.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "guardian.h"
#include "notify.h"
#include "os/os.h"
#include "say.h"
#include "status.h"

#define DONE 0
#define FAILED 1
#define USAGE 2

enum task {
	TASK_RUN,
	TASK_CHECK,
	TASK_STATUS,
	TASK_METRICS,
};

/* What the command line says; NULL, negative: nothing. */
struct wish {
	enum task task;
	const char *config;
	const char *dir;
	const char *domain;
	int monitoring;
	int level;
	int64_t wait_ns;
};

static const char help[] =
	"Usage: floed [OPTION...]\n"
	"\n"
	"Coordinates a domain: lays down the topics of a configuration, notices at once when\n"
	"a process dies, and removes what it left. Programs work with and without it.\n"
	"\n"
	"  -c, --config FILE       instead of " CONFIG_PATH "\n"
	"  -d, --dir DIR           instead of the file's dir; without both $FLOE_DIR,\n"
	"                          /dev/shm/floe-UID\n"
	"  -n, --domain NAME       instead of the file's name; without both $FLOE_DOMAIN,\n"
	"                          default\n"
	"  -l, --log-level LEVEL   " SAY_LEVELS " (info)\n"
	"  -m, --monitoring on|off notice deaths and clean up (on)\n"
	"  -w, --wait SECONDS      for another floed that is just ending (1)\n"
	"      --check             read the configuration, say what is wrong, and end\n"
	"      --status            what the floed of this domain has done, and end\n"
	"      --metrics           the same and the topics, for Prometheus, and end\n"
	"  -h, --help              this text\n"
	"  -V, --version\n"
	"\n"
	"SIGHUP reads the configuration again, SIGTERM ends floed and takes back what it laid\n"
	"down. Exit status: 0 done; 1 it failed, or no floed runs; 2 wrong usage.\n";

enum {
	OPTION_CHECK = 256,
	OPTION_STATUS,
	OPTION_METRICS,
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"dir", required_argument, NULL, 'd'},
	{"domain", required_argument, NULL, 'n'},
	{"log-level", required_argument, NULL, 'l'},
	{"monitoring", required_argument, NULL, 'm'},
	{"wait", required_argument, NULL, 'w'},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"status", no_argument, NULL, OPTION_STATUS},
	{"metrics", no_argument, NULL, OPTION_METRICS},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int refuse(const char *what, const char *value, const char *expected)
{
	(void)fprintf(stderr, "floed: %s is '%s', but should be %s\n", what, value, expected);
	return USAGE;
}

static int set_level(struct wish *wish, const char *value)
{
	enum say_level level;

	if (!say_find_level(value, &level))
		return refuse("--log-level", value, SAY_LEVELS);
	wish->level = (int)level;
	return -1;
}

static int set_monitoring(struct wish *wish, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return refuse("--monitoring", value, "on or off");
	wish->monitoring = !strcmp(value, "on");
	return -1;
}

static int set_wait(struct wish *wish, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0 && seconds <= 3600))
		return refuse("--wait", value, "seconds up to 3600");
	wish->wait_ns = (int64_t)(seconds * 1e9);
	return -1;
}

/* What is left of a path is another one, and an empty one would mean the default. */
static int set_text(const char **ret, const char *option, const char *value, size_t size_max)
{
	if (!*value || strlen(value) > size_max) {
		(void)fprintf(stderr, "floed: %s has %zu bytes, but should have 1 to %zu\n", option,
			      strlen(value), size_max);
		return USAGE;
	}
	*ret = value;
	return -1;
}

/* -1: go on; else an exit status */
static int take_option(struct wish *wish, int option)
{
	switch (option) {
	case 'c':
		wish->config = optarg;
		return -1;
	case 'd':
		return set_text(&wish->dir, "--dir", optarg, DOMAIN_PATH_MAX - 1);
	case 'n':
		return set_text(&wish->domain, "--domain", optarg, DOMAIN_NAME_SIZE_MAX);
	case 'l':
		return set_level(wish, optarg);
	case 'm':
		return set_monitoring(wish, optarg);
	case 'w':
		return set_wait(wish, optarg);
	case OPTION_CHECK:
		wish->task = TASK_CHECK;
		return -1;
	case OPTION_STATUS:
		wish->task = TASK_STATUS;
		return -1;
	case OPTION_METRICS:
		wish->task = TASK_METRICS;
		return -1;
	case 'h':
		(void)fputs(help, stdout);
		return DONE;
	case 'V':
		(void)puts("floed " FLOE_VERSION);
		return DONE;
	default:
		(void)fputs("floed: 'floed --help' says more\n", stderr);
		return USAGE;
	}
}

static int read_arguments(struct wish *wish, int argc, char **argv)
{
	int option;
	int r = -1;

	while (r < 0 && (option = getopt_long(argc, argv, "c:d:n:l:m:w:hV", options, NULL)) != -1)
		r = take_option(wish, option);
	if (r < 0 && optind < argc) {
		(void)fprintf(stderr, "floed: '%s' is one word too many\n", argv[optind]);
		r = USAGE;
	}
	return r;
}

/* The file first, then what the command line says; `user` is the wish. */
static int read_config(void *user, struct config *ret_config, struct floe_error *error)
{
	const struct wish *wish = user;
	const char *path = wish->config;
	int r = 0;

	if (!path && access(CONFIG_PATH, F_OK) == 0)
		path = CONFIG_PATH;
	config_init(ret_config);
	if (path)
		r = config_read(ret_config, path, error);
	if (r < 0)
		return r;
	if (wish->dir)
		(void)snprintf(ret_config->dir, sizeof(ret_config->dir), "%s", wish->dir);
	if (wish->domain)
		(void)snprintf(ret_config->domain, sizeof(ret_config->domain), "%s", wish->domain);
	if (wish->monitoring >= 0)
		ret_config->monitoring = wish->monitoring != 0;
	if (wish->level >= 0)
		ret_config->level = (enum say_level)wish->level;
	return 0;
}

/* Each watched process is a descriptor. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct wish *wish, struct config *config)
{
	struct floe_error error = {0};
	struct guardian guardian;
	int r;

	raise_limits();
	(void)signal(SIGPIPE, SIG_IGN);
	if (!*config->path)
		say(SAY_INFO, "no " CONFIG_PATH ": built-in defaults");
	r = guardian_begin(&guardian, config, os->now_ns() + wish->wait_ns, &error);
	if (r < 0) {
		say(SAY_ERROR, "%s", *error.text ? error.text : strerror(-r));
	} else {
		guardian.reload = read_config;
		guardian.user = wish;
		say(SAY_INFO, "ready: '%s', %zu topics, monitoring %s",
		    guardian.office.node->domain.path, guardian.config.topics_count,
		    guardian.config.monitoring ? "on" : "off");
		guardian_tell_ready(&guardian);
		r = guardian_run(&guardian);
		notify("STOPPING=1");
		say(SAY_VERBOSE, "ends");
	}
	guardian_end(&guardian);
	return r < 0 ? FAILED : DONE;
}

static int show(const struct wish *wish, const struct config *config)
{
	struct floe_error error;
	struct domain domain;

	if (domain_init(&domain, *config->dir ? config->dir : NULL,
			*config->domain ? config->domain : NULL, &error) < 0) {
		say(SAY_ERROR, "%s", error.text);
		return FAILED;
	}
	return wish->task == TASK_STATUS ? status_print(&domain) : status_print_metrics(&domain);
}

static int check(const struct config *config)
{
	printf("%s: %zu topics, %u users: nothing is wrong\n",
	       *config->path ? config->path : "built-in defaults", config->topics_count,
	       config->quotas.count);
	return DONE;
}

int main(int argc, char **argv)
{
	struct wish wish = {.monitoring = -1, .level = -1, .wait_ns = 1000000000};
	struct floe_error error;
	static struct config config;
	int r = read_arguments(&wish, argc, argv);

	if (r >= 0)
		return r;
	say_init(wish.level < 0 ? SAY_INFO : (enum say_level)wish.level);
	if (read_config(&wish, &config, &error) < 0) {
		(void)fprintf(stderr, "floed: %s\n", error.text);
		return FAILED;
	}
	say_init(config.level);
	if (wish.task == TASK_CHECK)
		r = check(&config);
	else
		r = wish.task == TASK_RUN ? run(&wish, &config) : show(&wish, &config);
	config_deinit(&config);
	return fflush(stdout) == 0 ? r : FAILED;
}
