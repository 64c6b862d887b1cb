/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* Descriptors and shared mappings are compared as text, one per line. */
#define RESOURCES_MAX 65536

/* How often the time that is left is looked at. */
#define LOOK_NS 250000000

/* What the running test sees as $FLOE_DIR. */
static char folder[64];

/* A skipped test's reason travels to the parent through this pipe. */
static int reason_pipe[2];

void (*frame_caught)(const char *text);

void frame_fail(const char *file, int line, const char *text)
{
	if (frame_caught)
		frame_caught(text);
	(void)fprintf(stderr, "%s:%d: %s failed\n", file, line, text);
	_exit(1);
}

void frame_equal(const char *file, int line, const char *text, long long a, long long b)
{
	if (a == b)
		return;
	if (frame_caught)
		frame_caught(text);
	(void)fprintf(stderr, "%s:%d: %s failed: %lld and %lld\n", file, line, text, a, b);
	_exit(1);
}

void frame_skip(const char *reason)
{
	_exit(write(reason_pipe[1], reason, strlen(reason)) < 0 ? 1 : FRAME_SKIPPED);
}

/*
 * Leaks
 */

struct resources {
	size_t size;
	char text[RESOURCES_MAX];
};

__attribute__((format(printf, 2, 3))) static void add(struct resources *r, const char *format, ...)
{
	size_t room = sizeof(r->text) - r->size;
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(r->text + r->size, room, format, arguments);
	va_end(arguments);
	expect(size >= 0 && (size_t)size < room);
	r->size += (size_t)size;
}

static void list_descriptors(struct resources *r)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	expect(dir);
	while ((entry = readdir(dir))) {
		char target[4096] = "";

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		add(r, "descriptor %s of %s\n", entry->d_name, target);
	}
	closedir(dir);
}

/* A line of maps(5) is: address permissions offset device inode path; the permissions end in 's'
 * when the mapping is shared. */
static void list_shared_mappings(struct resources *r)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4608];

	expect(maps);
	while (fgets(line, sizeof(line), maps)) {
		const char *permissions = strchr(line, ' ');

		if (permissions && permissions[4] == 's')
			add(r, "shared mapping %s", line);
	}
	(void)fclose(maps);
}

static struct resources *list_resources(void)
{
	struct resources *r = calloc(1, sizeof(*r));

	expect(r);
	list_descriptors(r);
	list_shared_mappings(r);
	return r;
}

static bool has_line(const struct resources *r, const char *line, size_t size)
{
	for (const char *at = r->text; (at = memmem(at, strlen(at), line, size)); at += size)
		if ((at == r->text || at[-1] == '\n') && at[size] == '\n')
			return true;
	return false;
}

/* How many of `of` whose line begins so are not among `others`. */
static int count_missing(const struct resources *of, const struct resources *others,
			 const char *begin, const char *word)
{
	int count = 0;

	for (const char *next, *line = of->text; *line; line = next + 1) {
		next = strchr(line, '\n');
		if (strncmp(line, begin, strlen(begin)) != 0 ||
		    has_line(others, line, (size_t)(next - line)))
			continue;
		(void)fprintf(stderr, "%s: %.*s\n", word, (int)(next - line), line);
		count++;
	}
	return count;
}

/* Closing what is another's is as bad as not closing what is one's own. */
static int count_leaks(const struct resources *before, const struct resources *after)
{
	return count_missing(after, before, "", "leaked") +
	       count_missing(before, after, "descriptor", "closed");
}

/*
 * The test's process
 */

_Noreturn static void run_child(const struct test *test, const sigset_t *mask)
{
	struct resources *before, *after;
	int leaks;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	close(reason_pipe[0]);
	expect(setenv("FLOE_DIR", folder, 1) == 0);
	expect(setenv("FLOE_DOMAIN", "test", 1) == 0);

	before = list_resources();
	test->run();
	after = list_resources();
	leaks = count_leaks(before, after);
	free(before);
	free(after);
	/* Not _exit: sanitizers report at exit. */
	exit(leaks ? 1 : 0);
}

/*
 * The frame's process
 */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static void remove_folder(void)
{
	if (folder[0] && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
		(void)fprintf(stderr, "cannot remove %s: %s\n", folder, strerror(errno));
	folder[0] = 0;
}

static void make_folder(void)
{
	strcpy(folder, "/dev/shm/floe-test-XXXXXX");
	if (mkdtemp(folder))
		return;
	strcpy(folder, "/tmp/floe-test-XXXXXX");
	if (mkdtemp(folder))
		return;
	perror("mkdtemp");
	exit(1);
}

/* Orphans of the test become our children: run_chosen makes us their subreaper. */
static void end_group(pid_t group)
{
	(void)kill(-group, SIGKILL);
	while (waitpid(-group, NULL, 0) > 0 || errno == EINTR)
		;
}

static int get_deadline(void)
{
	const char *slow = getenv("FLOE_TEST_SLOW");
	int factor = slow ? atoi(slow) : 1;

	return FRAME_DEADLINE * (factor > 0 ? factor : 1);
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The part of its time that this machine has for one of all who want to run just now: a second
 * beside twenty others on two processors is a tenth of one. /proc/loadavg, the fourth number. */
static double get_share(void)
{
	FILE *load = fopen("/proc/loadavg", "re");
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN), running = 0;

	if (load && fscanf(load, "%*s %*s %*s %lf", &running) != 1)
		running = 0;
	if (load)
		(void)fclose(load);
	return running > cpus ? cpus / running : 1;
}

/* Collects all that ended; true when the child was among them. */
static bool collect(pid_t child, int *ret_status)
{
	bool found = false;
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		if (pid == child) {
			*ret_status = status;
			found = true;
		}
	return found;
}

/* False: the deadline came first. Somebody who ends the frame ends the test as well. */
static bool wait_child(pid_t child, const sigset_t *signals, int *ret_status)
{
	double before = now(), left = get_deadline();

	while (left > 0) {
		struct timespec span = {.tv_nsec = LOOK_NS};
		int signal_number = sigtimedwait(signals, NULL, &span);

		if (signal_number == SIGCHLD && collect(child, ret_status))
			return true;
		if (signal_number > 0 && signal_number != SIGCHLD) {
			end_group(child);
			remove_folder();
			_exit(128 + signal_number);
		}
		left -= (now() - before) * get_share();
		before = now();
	}
	return false;
}

static const char *get_signal_name(int number)
{
	const char *name = sigabbrev_np(number);

	return name ? name : "RT";
}

static void read_reason(char *ret, size_t size)
{
	ssize_t length = read(reason_pipe[0], ret, size - 1);

	ret[length > 0 ? length : 0] = 0;
}

static void print_result(const char *result, size_t number, const char *name)
{
	printf("%s %zu - ", result, number);
	for (; *name; name++)
		(void)putchar(*name == '_' ? ' ' : *name);
}

/* Prints the result and returns it as an exit status. */
static int report(const struct test *test, size_t number, bool ended, int status)
{
	char reason[256];

	if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		print_result("ok", number, test->name);
		printf("\n");
		return 0;
	}
	if (ended && WIFEXITED(status) && WEXITSTATUS(status) == FRAME_SKIPPED) {
		read_reason(reason, sizeof(reason));
		print_result("ok", number, test->name);
		printf(" # SKIP %s\n", reason);
		return FRAME_SKIPPED;
	}
	print_result("not ok", number, test->name);
	if (!ended)
		printf(": not done after %d seconds\n", get_deadline());
	else if (WIFSIGNALED(status))
		printf(": killed by SIG%s\n", get_signal_name(WTERMSIG(status)));
	else
		printf(": exit status %d\n", WEXITSTATUS(status));
	return 1;
}

static int run_one(const struct test *test, size_t number, const sigset_t *signals,
		   const sigset_t *mask)
{
	int result, status = 0;
	bool ended;
	pid_t child;

	make_folder();
	(void)fflush(NULL);
	if (pipe(reason_pipe) < 0 || (child = fork()) < 0) {
		perror("cannot start a test");
		exit(1);
	}
	if (child == 0)
		run_child(test, mask);
	(void)setpgid(child, child);
	close(reason_pipe[1]);
	ended = wait_child(child, signals, &status);
	end_group(child);
	result = report(test, number, ended, status);
	(void)fflush(stdout);
	close(reason_pipe[0]);
	remove_folder();
	return result;
}

static bool is_chosen(const struct test *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(test->name, argv[i]))
			return true;
	return argc < 2;
}

static void block_signals(sigset_t *ret_signals, sigset_t *ret_mask)
{
	static const int ours[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};

	(void)sigemptyset(ret_signals);
	for (size_t i = 0; i < TEST_COUNT(ours); i++)
		(void)sigaddset(ret_signals, ours[i]);
	(void)sigprocmask(SIG_BLOCK, ret_signals, ret_mask);
}

static int run_chosen(int argc, char **argv, const struct test *tests, size_t count)
{
	size_t number = 0, skipped = 0, failed = 0;
	sigset_t signals, mask;

	block_signals(&signals, &mask);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < count; i++) {
		int result;

		if (!is_chosen(&tests[i], argc, argv))
			continue;
		result = run_one(&tests[i], ++number, &signals, &mask);
		failed += result == 1;
		skipped += result == FRAME_SKIPPED;
	}
	printf("1..%zu\n", number);
	if (number == 0)
		(void)fprintf(stderr, "no test has a name like this; --list prints them\n");
	if (failed || number == 0)
		return 1;
	return skipped == number && !getenv("FLOE_TEST_TAP") ? FRAME_SKIPPED : 0;
}

int frame_run(int argc, char **argv, const struct test *tests, size_t count)
{
	if (argc != 2 || strcmp(argv[1], "--list") != 0)
		return run_chosen(argc, argv, tests, count);
	for (size_t i = 0; i < count; i++)
		printf("%s\n", tests[i].name);
	return 0;
}
