/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "look.h"
#include "object.h"
#include "text.h"
#include "wait.h"

/* Containers have 64 MiB unless they are told otherwise: eight frames of 8 MiB. */
#define TMPFS_SMALL (UINT64_C(64) << 20)

/* Part of the tmpfs that should be free: one in so many. */
#define TMPFS_SPARE 20

/* Segments are mapped, so files are not open for long; a process still has its own. */
#define FILES_LOW 256

/* Users who log in, by the ranges of systemd; systemd-logind leaves the files of others alone. */
#define UID_PEOPLE 1000
#define UID_SERVICES 61184

enum doctor_result {
	DOCTOR_OK,
	DOCTOR_NOTE,  /* good to know; the exit code stays */
	DOCTOR_FOUND, /* something to do */
};

static struct {
	bool quiet;
} wish;

static const struct frame_option options[] = {
	OPTION_FLAG("quiet", 'q', &wish.quiet, "only what is found, no notes and no praise"),
	{0},
};

struct doctor {
	struct frame *frame;
	const char *path;  /* the domain's folder */
	const char *check; /* the check that is running */
	unsigned told;     /* sentences of this check */
	unsigned found;    /* in all checks */
};

static void tell(struct doctor *doctor, enum doctor_result result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct doctor *doctor, enum doctor_result result, const char *format, ...)
{
	static const char *const names[] = {"ok", "note", "found"};
	char sentence[1024];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);

	doctor->told++;
	doctor->found += result == DOCTOR_FOUND;
	if (wish.quiet && result != DOCTOR_FOUND)
		return;
	if (doctor->frame->json)
		object_print(json_pack("{s:s, s:s, s:o}", "check", doctor->check, "result",
				       names[result], "text", object_text(sentence)));
	else
		printf("%-5s %s\n", names[result], sentence);
}

/* First line of a small file of the kernel; false: there is none. */
static bool read_line(const char *path, char *ret, int size)
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(ret, size, file);

	if (file)
		(void)fclose(file);
	if (is_read)
		ret[strcspn(ret, "\n")] = '\0';
	return is_read;
}

/*
 * The folder
 */

static void check_tmpfs(struct doctor *doctor)
{
	struct look_space space;
	int r = look_space(&space, doctor->path);

	if (r < 0) {
		tell(doctor, DOCTOR_FOUND, "Nothing can be said about the file system of '%s': %s.",
		     doctor->path, strerror(-r));
		return;
	}
	if (!space.is_tmpfs)
		tell(doctor, DOCTOR_FOUND,
		     "'%s' is not on a tmpfs: messages go to a disk. Set FLOE_DIR to a folder in /dev/shm.",
		     doctor->path);
	if (space.free < space.size / TMPFS_SPARE)
		tell(doctor, DOCTOR_FOUND,
		     "The file system of '%s' is nearly full, %s of %s are free: remove what is not "
		     "needed, or enlarge it (mount -o remount,size=...).",
		     doctor->path, text_bytes(space.free).text, text_bytes(space.size).text);
	else if (space.size <= TMPFS_SMALL)
		tell(doctor, DOCTOR_NOTE,
		     "The file system of '%s' is small, %s: large messages need more "
		     "(mount -o remount,size=..., docker run --shm-size=1g).",
		     doctor->path, text_bytes(space.size).text);
	if (!doctor->told)
		tell(doctor, DOCTOR_OK, "%s of %s are free in the tmpfs of '%s'.",
		     text_bytes(space.free).text, text_bytes(space.size).text, doctor->path);
}

static void check_one_folder(struct doctor *doctor, const char *path, const struct stat *stat)
{
	bool is_shared = stat->st_mode & (S_IWGRP | S_IWOTH);

	if (!S_ISDIR(stat->st_mode))
		tell(doctor, DOCTOR_FOUND,
		     "'%s' is no folder: remove it or choose another FLOE_DIR.", path);
	else if (stat->st_uid != geteuid() && stat->st_uid != 0 && !is_shared)
		tell(doctor, DOCTOR_FOUND,
		     "'%s' belongs to user %u, who lets nobody else in: choose another FLOE_DIR, or run "
		     "as that user.",
		     path, stat->st_uid);
	else if ((stat->st_mode & S_IWOTH) && !(stat->st_mode & S_ISVTX))
		tell(doctor, DOCTOR_FOUND,
		     "Everybody can remove what others made in '%s': chmod +t, as /tmp has it.",
		     path);
	else if (access(path, R_OK | W_OK | X_OK) < 0)
		tell(doctor, DOCTOR_FOUND,
		     "This user may not write to '%s' (owner %u, group %u, mode %04o): nothing can be "
		     "published or subscribed there.",
		     path, stat->st_uid, stat->st_gid, stat->st_mode & 07777);
}

/* The domain's folder, and the folder of all domains above it. */
static void check_folder(struct doctor *doctor)
{
	char *path = strdup(doctor->path);
	char *slash = path ? strrchr(path, '/') : NULL;
	struct stat status;
	bool is_there = false;

	if (path && stat(path, &status) == 0) {
		check_one_folder(doctor, path, &status);
		is_there = true;
	}
	if (slash)
		*slash = '\0';
	if (path && slash && stat(path, &status) == 0)
		check_one_folder(doctor, path, &status);
	free(path);

	if (doctor->told)
		return;
	if (is_there)
		tell(doctor, DOCTOR_OK, "The folder '%s' has the right owner and mode.",
		     doctor->path);
	else
		tell(doctor, DOCTOR_OK, "The folder '%s' does not exist: nobody uses this domain.",
		     doctor->path);
}

/* nftw has no argument for its user. */
static struct doctor *walking;

/* Every file of ours begins with these four letters. */
static bool is_ours(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char magic[4] = {0};
	bool is_ours;

	/* What this user may not read is somebody's business and told as hidden elsewhere. */
	if (fd < 0)
		return errno == EACCES || errno == ENOENT;
	is_ours = read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
		  !memcmp(magic, "floe", sizeof(magic));
	(void)close(fd);
	return is_ours;
}

static int check_file(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
	(void)place;
	if (kind != FTW_F && kind != FTW_SL)
		return 0;
	if (!S_ISREG(stat->st_mode) || !is_ours(path))
		tell(walking, DOCTOR_FOUND, "'%s' is not a file of floe: remove it.",
		     text_name(path).text);
	return 0;
}

static void check_files(struct doctor *doctor)
{
	walking = doctor;
	if (nftw(doctor->path, check_file, 16, FTW_PHYS) < 0 && errno != ENOENT)
		tell(doctor, DOCTOR_FOUND, "'%s' cannot be searched: %s.", doctor->path,
		     strerror(errno));
	if (!doctor->told)
		tell(doctor, DOCTOR_OK, "There are no strange files.");
}

/*
 * Who is there
 */

static void tell_leftover(void *user, const char *sentence)
{
	tell(user, DOCTOR_FOUND, "%s", text_name(sentence).text);
}

static void check_leftovers(struct doctor *doctor)
{
	int r = floe_view_clean(doctor->frame->view, 1, tell_leftover, doctor);

	if (r < 0)
		tell(doctor, DOCTOR_FOUND, "It cannot be seen what dead processes left: %s.",
		     frame_reason(r));
	else if (r > 0)
		tell(doctor, DOCTOR_NOTE, "'floe clean' removes what dead processes left.");
	else
		tell(doctor, DOCTOR_OK, "Dead processes left nothing.");
}

/* 'T' is stopped, 't' traced: alive, but it gives nothing back. */
static bool is_stopped(int32_t pid)
{
	char path[64];
	char line[512];
	const char *end;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, line, sizeof(line)))
		return false;
	/* The name before may contain anything, also parentheses. */
	end = strrchr(line, ')');
	return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

/* Of those that are told, the one that is out for longest; NULL: none is. */
static const struct floe_loan_info *find_oldest(const struct look_topic *topic, uint32_t publisher)
{
	const struct floe_loan_info *oldest = NULL;

	for (size_t i = 0; i < topic->loans_count; i++) {
		const struct floe_loan_info *info = &topic->loans[i].info;

		if (topic->loans[i].publisher == publisher &&
		    (!oldest || info->since_ns < oldest->since_ns))
			oldest = info;
	}
	return oldest;
}

/* All of its loans are out, and it wanted more. Whoever forgot one has to be found. */
static void tell_loans(struct doctor *doctor, const struct look_topic *topic,
		       const struct floe_publisher_info *publisher,
		       const struct floe_loan_info *oldest)
{
	struct text_name process = text_name(publisher->process);
	struct text_place place = text_place(oldest->file, oldest->line);

	tell(doctor, DOCTOR_FOUND,
	     "Publisher %u of '%s' (%s, process %d) stands at its limit of %llu loans and was refused "
	     "%llu: it must publish or discard what it has. The oldest, %s, is out for %s%s%s%s.",
	     publisher->index, text_name(topic->info.name).text, process.text, publisher->pid,
	     (unsigned long long)publisher->loans_max, (unsigned long long)publisher->loans_refused,
	     text_bytes(oldest->size).text, oldest->exact ? "" : "more than ",
	     text_duration(wait_now_ns() - (int64_t)oldest->since_ns).text,
	     *oldest->file ? ", lent at "
			   : "; FLOE_TRACE_LOANS=1 in its environment tells where it was lent",
	     *oldest->file ? place.text : "");
}

static void check_loans(struct doctor *doctor, const struct look_topic *topic,
			const struct floe_publisher_info *publisher)
{
	const struct floe_loan_info *oldest = find_oldest(topic, publisher->index);

	if (publisher->loans < publisher->loans_max)
		return;
	if (publisher->loans_refused && oldest)
		tell_loans(doctor, topic, publisher, oldest);
	/* With one loan it is usual to fill it at leisure. */
	else if (publisher->loans_max > 1)
		tell(doctor, DOCTOR_NOTE,
		     "Publisher %u of '%s' (%s, process %d) has all of its %llu loans out: the next "
		     "floe_loan fails unless it publishes or discards one.",
		     publisher->index, text_name(topic->info.name).text,
		     text_name(publisher->process).text, publisher->pid,
		     (unsigned long long)publisher->loans_max);
}

static void check_publisher(struct doctor *doctor, const struct look_topic *look,
			    const struct floe_publisher_info *publisher)
{
	struct text_name name = text_name(look->info.name);
	struct text_name process = text_name(publisher->process);
	const char *topic = name.text;

	if (publisher->state == FLOE_STATE_BROKEN)
		tell(doctor, DOCTOR_FOUND,
		     "Publisher %u of '%s' has a file that is not what it must be.",
		     publisher->index, topic);
	else if (publisher->state == FLOE_STATE_HIDDEN)
		tell(doctor, DOCTOR_NOTE, "Publisher %u of '%s' does not let this user look.",
		     publisher->index, topic);
	else if (publisher->state == FLOE_STATE_DEAD)
		tell(doctor, DOCTOR_NOTE,
		     "Publisher %u of '%s' is dead; its ring of %s stays for those who are there, "
		     "until a publisher with the same options goes on with it or the last of them "
		     "leaves.",
		     publisher->index, topic, text_bytes(publisher->memory).text);
	if (publisher->state != FLOE_STATE_ALIVE)
		return;

	check_loans(doctor, look, publisher);
	if (is_stopped(publisher->pid))
		tell(doctor, DOCTOR_FOUND,
		     "Publisher %u of '%s' (%s, process %d) is stopped: kill -CONT %d.",
		     publisher->index, topic, process.text, publisher->pid, publisher->pid);
}

/* The least that a living publisher's ring holds for this subscriber; 0: there is none. */
static uint64_t find_depth(const struct look_topic *topic,
			   const struct floe_subscriber_info *subscriber)
{
	bool drops = subscriber->policy == FLOE_POLICY_DROP_NEWEST;
	uint64_t least = subscriber->queue_max;

	for (size_t i = 0; i < topic->publishers_count; i++) {
		const struct floe_publisher_info *publisher = &topic->publishers[i];
		uint64_t depth = drops ? publisher->lane_depth : publisher->depth;

		if (publisher->state == FLOE_STATE_ALIVE && (!least || depth < least))
			least = depth;
	}
	return least;
}

/* No publisher waits for one that drops the newest, so nobody else would tell. */
static void check_lane(struct doctor *doctor, const char *topic, uint64_t depth,
		       const struct floe_subscriber_info *subscriber)
{
	struct text_name process = text_name(subscriber->process);

	if (subscriber->policy != FLOE_POLICY_DROP_NEWEST)
		return;
	if (subscriber->state == FLOE_STATE_DEAD)
		tell(doctor, DOCTOR_NOTE,
		     "Subscriber %u of '%s', which dropped the newest, is dead: its lanes keep %llu "
		     "messages until somebody joins the topic.",
		     subscriber->index, topic, (unsigned long long)subscriber->behind);
	else if (subscriber->state == FLOE_STATE_ALIVE && depth && subscriber->behind >= depth)
		tell(doctor, DOCTOR_NOTE,
		     "Subscriber %u of '%s' (%s, process %d) drops the newest, and %llu messages wait "
		     "for it: what comes while its lane is full is dropped.",
		     subscriber->index, topic, process.text, subscriber->pid,
		     (unsigned long long)subscriber->behind);
}

/* depth: see find_depth */
static void check_subscriber(struct doctor *doctor, const char *topic, uint64_t depth,
			     const struct floe_subscriber_info *subscriber)
{
	struct text_name process = text_name(subscriber->process);

	if (subscriber->state == FLOE_STATE_BROKEN)
		tell(doctor, DOCTOR_FOUND,
		     "Subscriber %u of '%s' has a file that is not what it must be.",
		     subscriber->index, topic);
	else if (subscriber->state == FLOE_STATE_HIDDEN)
		tell(doctor, DOCTOR_NOTE, "Subscriber %u of '%s' does not let this user look.",
		     subscriber->index, topic);
	check_lane(doctor, topic, depth, subscriber);
	if (subscriber->state != FLOE_STATE_ALIVE)
		return;

	if (subscriber->holds_max && subscriber->held >= subscriber->holds_max)
		tell(doctor, DOCTOR_FOUND,
		     "Subscriber %u of '%s' (%s, process %d) holds all %llu samples it may hold and "
		     "takes no more: it must call floe_release, or ask for a larger holds_max.",
		     subscriber->index, topic, process.text, subscriber->pid,
		     (unsigned long long)subscriber->holds_max);
	else if (subscriber->held)
		tell(doctor, DOCTOR_OK,
		     "Subscriber %u of '%s' (%s, process %d) holds %llu of %llu samples.",
		     subscriber->index, topic, process.text, subscriber->pid,
		     (unsigned long long)subscriber->held,
		     (unsigned long long)subscriber->holds_max);
	if (depth && subscriber->policy == FLOE_POLICY_RELIABLE && subscriber->behind >= depth)
		tell(doctor, DOCTOR_NOTE,
		     "Subscriber %u of '%s' (%s, process %d) is reliable and %llu messages behind: "
		     "publishers wait for it.",
		     subscriber->index, topic, process.text, subscriber->pid,
		     (unsigned long long)subscriber->behind);
	if (is_stopped(subscriber->pid))
		tell(doctor, DOCTOR_FOUND,
		     "Subscriber %u of '%s' (%s, process %d) is stopped%s: kill -CONT %d.",
		     subscriber->index, topic, process.text, subscriber->pid,
		     subscriber->policy == FLOE_POLICY_RELIABLE
			     ? " and reliable, so publishers wait"
			     : "",
		     subscriber->pid);
}

static void check_participants(struct doctor *doctor)
{
	struct look_topics topics = {0};
	int r = look_topics(&topics, doctor->frame->view);

	for (size_t i = 0; i < topics.count && r >= 0; i++) {
		struct look_topic *topic = &topics.topics[i];
		struct text_name name = text_name(topic->info.name);

		r = look_inside(topic, doctor->frame->view);
		for (size_t k = 0; k < topic->publishers_count; k++)
			check_publisher(doctor, topic, &topic->publishers[k]);
		for (size_t k = 0; k < topic->subscribers_count; k++)
			check_subscriber(doctor, name.text,
					 find_depth(topic, &topic->subscribers[k]),
					 &topic->subscribers[k]);
	}
	if (r < 0)
		tell(doctor, DOCTOR_FOUND, "'%s' cannot be read: %s.", doctor->path,
		     frame_reason(r));
	else if (!doctor->told)
		tell(doctor, DOCTOR_OK, "%zu topic%s, and nobody there is stuck.", topics.count,
		     topics.count == 1 ? "" : "s");
	look_topics_end(&topics);
}

/*
 * The system
 */

static void read_setting(const char *path, bool *removes)
{
	FILE *file = fopen(path, "re");
	char line[256];
	char value[16];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " RemoveIPC = %15s", value) == 1)
			*removes = strcmp(value, "no") != 0 && strcmp(value, "false") != 0 &&
				   strcmp(value, "off") != 0 && strcmp(value, "0") != 0;
	if (file)
		(void)fclose(file);
}

/* What systemd-logind was told; the last word counts, the default is yes. */
static bool removes_ipc(void)
{
	static const char *const patterns[] = {
		"/etc/systemd/logind.conf",
		"/usr/lib/systemd/logind.conf.d/*.conf",
		"/run/systemd/logind.conf.d/*.conf",
		"/etc/systemd/logind.conf.d/*.conf",
	};
	bool removes = true;

	for (size_t i = 0; i < FRAME_COUNT_OF(patterns); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			read_setting(found.gl_pathv[k], &removes);
		globfree(&found);
	}
	return removes;
}

static void check_logind(struct doctor *doctor)
{
	bool is_person = geteuid() >= UID_PEOPLE && geteuid() < UID_SERVICES;
	bool has_logind = access("/run/systemd/users", F_OK) == 0;
	bool is_in_shm = !strncmp(doctor->path, "/dev/shm/", 9);

	if (is_person && has_logind && is_in_shm && removes_ipc())
		tell(doctor, DOCTOR_FOUND,
		     "systemd-logind removes this user's files in /dev/shm when the last session ends: "
		     "run services as a system user, set RemoveIPC=no in logind.conf, or "
		     "'loginctl enable-linger'.");
	else
		tell(doctor, DOCTOR_OK, "Nobody removes the folder when this user logs out.");
}

static void check_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned major = 0;
	unsigned minor = 0;
	unsigned version;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2) {
		tell(doctor, DOCTOR_NOTE, "The kernel does not tell its version.");
		return;
	}

	version = major * 1000 + minor;
	if (version < 5014)
		tell(doctor, DOCTOR_NOTE,
		     "Linux %s is older than 5.14: memory is reserved page by page, "
		     "so opening takes longer.",
		     name.release);
	if (version < 5016)
		tell(doctor, DOCTOR_FOUND,
		     "Linux %s is older than 5.16 (futex_waitv): a subscriber cannot "
		     "sleep on several publishers at once, it looks again and again.",
		     name.release);
	if (!doctor->told)
		tell(doctor, DOCTOR_OK, "Linux %s has all that is used.", name.release);
}

/* What the kernel has may still be forbidden, by a container or by the administrator. */
static void check_calls(struct doctor *doctor)
{
	char line[16];

	if (syscall(SYS_futex_waitv, NULL, 0U, 0U, NULL, 0) < 0 && errno == EPERM)
		tell(doctor, DOCTOR_FOUND,
		     "futex_waitv is forbidden here, as a container's seccomp profile "
		     "does: a subscriber of several publishers looks again and again.");
	if (syscall(SYS_io_uring_setup, 0U, NULL) < 0 && (errno == EPERM || errno == ENOSYS))
		tell(doctor, DOCTOR_NOTE,
		     "io_uring is %s here%s: behind floe_subscriber_fd is a timer of a millisecond.",
		     errno == EPERM ? "forbidden" : "missing",
		     read_line("/proc/sys/kernel/io_uring_disabled", line, sizeof(line)) &&
				     strcmp(line, "0") != 0
			     ? " (sysctl kernel.io_uring_disabled)"
			     : "");
	if (!doctor->told)
		tell(doctor, DOCTOR_OK, "futex_waitv and io_uring are allowed.");
}

static void check_huge_pages(struct doctor *doctor)
{
	static const char setting[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	char line[128];

	if (!read_line(setting, line, sizeof(line)))
		tell(doctor, DOCTOR_NOTE,
		     "This kernel has no transparent huge pages for tmpfs: large rings "
		     "take one page table entry per 4 KiB.");
	else if (strstr(line, "[never]") || strstr(line, "[deny]"))
		tell(doctor, DOCTOR_NOTE,
		     "Huge pages are off for tmpfs: with messages of many MiB, "
		     "'echo advise > %s' and mounting with huge=advise can be faster.",
		     setting);
	else
		tell(doctor, DOCTOR_OK, "Huge pages are possible on tmpfs (%s).", line);
}

static void check_limits(struct doctor *doctor)
{
	struct rlimit files = {0};
	struct rlimit locked = {0};

	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)getrlimit(RLIMIT_MEMLOCK, &locked);
	if (files.rlim_cur < FILES_LOW)
		tell(doctor, DOCTOR_FOUND, "This process may open only %llu files: ulimit -n 1024.",
		     (unsigned long long)files.rlim_cur);
	if (locked.rlim_cur < (64U << 10))
		tell(doctor, DOCTOR_NOTE,
		     "Only %s may be locked in memory (ulimit -l): rings of io_uring "
		     "need more on kernels before 5.12, and so does mlock.",
		     text_bytes(locked.rlim_cur).text);
	if (!doctor->told)
		tell(doctor, DOCTOR_OK, "%llu open files are allowed%s.",
		     (unsigned long long)files.rlim_cur,
		     locked.rlim_cur == RLIM_INFINITY ? ", and locking all memory" : "");
}

static const struct {
	const char *name;
	void (*run)(struct doctor *doctor);
} checks[] = {
	{"tmpfs", check_tmpfs},
	{"folder", check_folder},
	{"files", check_files},
	{"leftovers", check_leftovers},
	{"participants", check_participants},
	{"logind", check_logind},
	{"kernel", check_kernel},
	{"calls", check_calls},
	{"huge-pages", check_huge_pages},
	{"limits", check_limits},
};

static int doctor_run(struct frame *frame)
{
	struct doctor doctor = {.frame = frame};

	if (!frame_view(frame))
		return FRAME_FAILED;

	doctor.path = floe_view_path(frame->view);
	for (size_t i = 0; i < FRAME_COUNT_OF(checks); i++) {
		doctor.check = checks[i].name;
		doctor.told = 0;
		checks[i].run(&doctor);
	}
	return doctor.found ? FRAME_FAILED : FRAME_DONE;
}

const struct command doctor_command = {
	.name = "doctor",
	.summary = "find out what is wrong, and say what to do",
	.operands = "",
	.options = options,
	.text = "Looks at the tmpfs, the folder, its files, what dead processes left, who is\n"
		"stuck, and what the system allows. Each sentence is \"ok\", a \"note\" or\n"
		"\"found\". It changes nothing. Exit status: 0 nothing found, 1 something\n"
		"found.\n",
	.examples = "  floe doctor\n"
		    "  floe doctor --quiet || floe clean\n",
	.run = doctor_run,
};
