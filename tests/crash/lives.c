/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lives: processes that are born on the same topic, work, and are killed after a random time, one
 * after the other, many times.
 *
 *	heirs    publishers. Each adopts the ring of the one before; a reliable subscriber that
 *		 lives through all of it gets every message once and in order, keeps its
 *		 mapping of the ring, and the folder never takes more memory than after the first.
 *	wounds   publishers that also subscribe, with loans out and samples held, on a ring of 20
 *		 chunks. Afterwards 20 can be lent.
 */

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <floe/inspect.h>

#include "frame/frame.h"
#include "message.h"
#include "scene.h"
#include "world.h"

#define WRONG_USAGE 100
#define DEPTH 4
#define CHUNKS 20
#define HOLDS 3
/* Longer than opening takes, so that some die before they work. */
#define LIFE_US 400

static struct {
	const char *label;
	size_t heirs, wounds;
	uint64_t seed;
	bool tap, json;
} option = {.label = ""};

/* What a life says about itself. */
struct life {
	_Atomic uint64_t sent;
	_Atomic uint32_t works;
};

static struct life *life;
static pid_t living;
static size_t reported;

static uint64_t draw(uint64_t below)
{
	option.seed ^= option.seed << 13;
	option.seed ^= option.seed >> 7;
	option.seed ^= option.seed << 17;
	return (option.seed >> 20) % below;
}

static void begin_life(void (*live)(void))
{
	pid_t parent = getpid();

	atomic_store(&life->works, 0);
	living = fork();
	expect(living >= 0);
	if (living)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		live();
	_exit(1);
}

/* It ended by our signal, not by what it found wrong. */
static void expect_killed(void)
{
	int status;

	(void)kill(living, SIGKILL);
	while (waitpid(living, &status, 0) < 0)
		expect_equal(errno, EINTR);
	living = 0;
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/*
 * What stays the same
 */

static uint64_t blocks;

static int add_blocks(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)path;
	(void)kind;
	(void)place;
	/* Places are further names of the same file. */
	blocks += S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks * 512 / st->st_nlink : 0;
	return 0;
}

static uint64_t count_bytes(void)
{
	blocks = 0;
	(void)nftw(getenv("FLOE_DIR"), add_blocks, 16, FTW_PHYS);
	return blocks;
}

struct mappings {
	uint64_t rings;  /* differs when a ring is mapped elsewhere, or another one is */
	uint64_t shared; /* how many there are; the file of each publisher's process is one */
};

static struct mappings look_at_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct mappings found = {0};
	char line[4608];

	expect(maps);
	while (fgets(line, sizeof(line), maps)) {
		found.shared += strchr(line, ' ')[4] == 's';
		for (const char *at = strstr(line, "/pub.") ? line : ""; *at; at++)
			found.rings = (found.rings ^ (unsigned char)*at) * 0x100000001b3u;
	}
	(void)fclose(maps);
	return found;
}

/*
 * Report
 */

static void report(const char *name, size_t deaths, double seconds)
{
	double rate = (double)deaths / (seconds + 1e-9);

	if (option.tap)
		printf("ok %zu - %s: %zu deaths\n", ++reported, name, deaths);
	else if (option.json)
		printf("{\"build\": \"%s\", \"lives\": \"%s\", \"deaths\": %zu, \"seconds\": %.1f, "
		       "\"rate\": %.0f, \"passed\": true}\n",
		       option.label, name, deaths, seconds, rate);
	else
		printf("%-40s %9zu deaths %6.0f/s  pass\n", name, deaths, rate);
	(void)fflush(stdout);
}

/*
 * Heirs
 */

static struct {
	struct floe_subscriber *sub;
	struct account account;
	uint64_t adopted;
	uint64_t bytes;
	struct mappings mappings;
} reader;

static struct floe_publisher *open_publisher(void)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, CHUNKS};
	struct floe_publisher *pub;

	expect_equal(floe_publisher_open(&pub, WORLD_TOPIC,
					 PUBLISHER(.depth = DEPTH, .loans_max = CHUNKS + 1,
						   .pools = &pool, .pools_count = 1)),
		     0);
	return pub;
}

/* Inline and in chunks, each kind sometimes. */
static size_t choose_size(uint64_t sequence)
{
	return sequence % 3 ? MESSAGE_CHUNK : MESSAGE_INLINE;
}

static _Noreturn void live_as_heir(void)
{
	struct floe_publisher *pub = open_publisher();
	uint64_t published = message_published(pub);

	/* The one before it may have sent one more than it could say. */
	expect(published - atomic_load(&life->sent) <= 1);
	atomic_store(&life->sent, published);
	atomic_store(&life->works, 1);
	for (;;) {
		int r = message_publish(pub, choose_size(published), MESSAGE_VICTIM);

		expect(r >= 0);
		if (r == 1)
			atomic_store(&life->sent, ++published);
		else
			expect(floe_publisher_wait(pub, -1) == 1);
	}
}

static void read_all(void)
{
	struct floe_sample sample;
	int r;

	while ((r = floe_take(reader.sub, &sample)) == 1) {
		account_add(&reader.account, &sample);
		floe_release(reader.sub, &sample);
	}
	expect_equal(r, 0);
}

/* Reads meanwhile. One in four may die before it works; so may any, after a while. */
static void let_live(double seconds)
{
	double begin = scene_now(), until = begin + seconds;
	bool soon = draw(4) == 0;

	while (scene_now() < until) {
		read_all();
		if (!soon && !atomic_load(&life->works))
			until = scene_now() + seconds;
		expect(scene_now() < begin + scene_patience());
	}
}

/* The file of a process is a page; a few of the dead may wait for the next one who comes. */
#define WAITING_BYTES (8 * 4096)

static void clean(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
}

static void expect_unchanged(void)
{
	struct mappings mappings = look_at_mappings();

	expect(mappings.rings != 0);
	expect_equal(mappings.rings, reader.mappings.rings);
	expect(mappings.shared <= reader.mappings.shared + 1);
	expect(count_bytes() <= reader.bytes + WAITING_BYTES);
	clean();
	expect_equal(count_bytes(), reader.bytes);
}

/* After each death everything that was sent has come, and it was not a message more. */
static void die_as_heir(size_t i)
{
	uint64_t sent;

	begin_life(live_as_heir);
	let_live((double)draw(LIFE_US) * 1e-6);
	expect_killed();
	read_all();
	sent = atomic_load(&life->sent);
	expect(reader.account.last == sent || reader.account.last == sent + 1);
	expect_equal(reader.account.lost, 0);
	if (i % 1024 == 0)
		expect_unchanged();
}

static void open_reader(void)
{
	expect_equal(floe_subscriber_open(&reader.sub, WORLD_TOPIC,
					  SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE)),
		     0);
}

/* The first one makes the ring, and works; then nothing more is needed. */
static void have_first(void)
{
	begin_life(live_as_heir);
	for (double until = scene_now() + scene_patience(); !reader.account.last;) {
		read_all();
		expect(scene_now() < until);
	}
	expect_killed();
	read_all();
	clean();
	reader.mappings = look_at_mappings();
	reader.bytes = count_bytes();
}

static void live_through_heirs(size_t count)
{
	struct progress progress;
	double begin = scene_now();
	struct floe_publisher *pub;

	memset(&reader, 0, sizeof(reader));
	memset(life, 0, sizeof(*life));
	progress_begin(&progress, option.label, "heirs", "deaths", count);
	progress.silent |= option.tap;
	open_reader();
	have_first();
	for (size_t i = 1; i <= count; i++) {
		die_as_heir(i);
		progress_show(&progress, i, 0);
	}
	progress_end(&progress);

	expect_unchanged();
	pub = open_publisher();
	expect_equal(message_published(pub), reader.account.last);
	floe_publisher_close(pub);
	floe_subscriber_close(reader.sub);
	expect_equal(world_count_files(), 0);
	report("heirs get the ring, and every message comes", count, scene_now() - begin);
}

/*
 * Wounds
 */

struct wounded {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_loan loan[CHUNKS];
	struct floe_sample sample[HOLDS];
	size_t loans;
	size_t samples;
	uint64_t published;
};

static void lend_one(struct wounded *w)
{
	struct floe_loan *loan = &w->loan[w->loans];

	if (w->loans < CHUNKS / 4 && floe_loan(w->pub, MESSAGE_CHUNK, loan) == 1)
		w->loans++;
}

static void send_one(struct wounded *w)
{
	struct floe_loan *loan;

	if (!w->loans)
		return;
	loan = &w->loan[--w->loans];
	message_write(loan->data, loan->size, MESSAGE_VICTIM, ++w->published);
	expect_equal(floe_publish(w->pub, loan), 1);
}

static void take_one(struct wounded *w)
{
	if (w->samples < HOLDS && floe_take(w->sub, &w->sample[w->samples]) == 1)
		w->samples++;
}

static void release_one(struct wounded *w)
{
	if (!w->samples)
		return;
	(void)message_read(&w->sample[--w->samples]);
	floe_release(w->sub, &w->sample[w->samples]);
}

static _Noreturn void live_wounded(void)
{
	static void (*const does[])(struct wounded * w) = {lend_one, send_one, take_one,
							   release_one};
	struct wounded w = {.pub = open_publisher()};

	expect_equal(floe_subscriber_open(&w.sub, WORLD_TOPIC,
					  SUBSCRIBER(.holds_max = HOLDS, .history = DEPTH)),
		     0);
	w.published = message_published(w.pub);
	atomic_store(&life->works, 1);
	for (;;)
		does[draw(4)](&w);
}

static void die_wounded(void)
{
	bool soon = draw(4) == 0;
	double begin = scene_now(), until;

	begin_life(live_wounded);
	while (!soon && !atomic_load(&life->works))
		expect(scene_now() < begin + scene_patience());
	until = scene_now() + (double)draw(LIFE_US) * 1e-6;
	while (scene_now() < until)
		;
	expect_killed();
}

/* With a ring full of inline messages, and nobody alive who holds anything. */
static size_t count_free(void)
{
	struct floe_publisher *pub = open_publisher();
	size_t count;
	int last;

	for (int i = 0; i < DEPTH; i++)
		expect_equal(message_publish(pub, MESSAGE_INLINE, MESSAGE_VICTIM), 1);
	count = world_count_loans(pub, &last);
	expect_equal(last, 0);
	floe_publisher_close(pub);
	return count;
}

static void live_with_wounds(size_t count)
{
	struct floe_subscriber *sub;
	struct progress progress;
	double begin = scene_now();

	progress_begin(&progress, option.label, "wounds", "deaths", count);
	progress.silent |= option.tap;
	/* Somebody keeps the ring; it holds nothing and takes nothing. */
	expect_equal(floe_subscriber_open(&sub, WORLD_TOPIC, NULL), 0);
	for (size_t i = 1; i <= count; i++) {
		/* Each death draws other numbers: a child has a copy of ours. */
		(void)draw(2);
		die_wounded();
		progress_show(&progress, i, 0);
	}
	progress_end(&progress);
	expect_equal(count_free(), CHUNKS);
	floe_subscriber_close(sub);
	expect_equal(world_count_files(), 0);
	report("all chunks of a pool of 20 are free", count, scene_now() - begin);
}

/*
 * The program
 */

static void print_usage(void)
{
	printf("Usage: crash-lives [OPTIONS]\n"
	       "\n"
	       "Processes are killed one after the other at random moments, and replaced.\n"
	       "\n"
	       "  --heirs N      publishers, each of which adopts the ring of the one before\n"
	       "  --wounds N     publishers that have loans out and hold samples, on 20 chunks\n"
	       "  --seed N       repeats the choices of a run, as far as the machine lets it\n"
	       "  --label TEXT   names the build in the report\n"
	       "  --tap, --json  the report for programs; JSON has one object a line\n"
	       "\n"
	       "Exit status: 0 all is well, 1 something was wrong, 100 wrong usage.\n");
}

static uint64_t read_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*text && !*end)
		return number;
	(void)fprintf(stderr, "crash-lives: '%s' is not a number\n", text);
	exit(WRONG_USAGE);
}

static void read_option(int letter)
{
	switch (letter) {
	case 'e':
		option.heirs = read_number(optarg);
		break;
	case 'w':
		option.wounds = read_number(optarg);
		break;
	case 'S':
		option.seed = read_number(optarg) + 1;
		break;
	case 'l':
		option.label = optarg;
		break;
	case 't':
		option.tap = true;
		break;
	case 'j':
		option.json = true;
		break;
	case 'h':
		print_usage();
		exit(0);
	default:
		exit(WRONG_USAGE);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"heirs", required_argument, NULL, 'e'}, {"wounds", required_argument, NULL, 'w'},
		{"seed", required_argument, NULL, 'S'},  {"label", required_argument, NULL, 'l'},
		{"tap", no_argument, NULL, 't'},         {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},        {0},
	};
	int letter;

	option.seed = 1 + (uint64_t)(scene_now() * 1e6) % 1000000;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0)
		read_option(letter);
	if (optind == argc && option.heirs + option.wounds)
		return;
	(void)fprintf(stderr, "crash-lives: say how many --heirs or --wounds; --help tells more\n");
	exit(WRONG_USAGE);
}

static void play(void)
{
	if (option.heirs)
		live_through_heirs(option.heirs);
	if (option.wounds)
		live_with_wounds(option.wounds);
	if (option.tap)
		printf("1..%zu\n", reported);
	(void)fflush(stdout);
}

/* What is found wrong ends the player at once; the folder is its parent's to remove. */
static pid_t player;

static void end_player(void)
{
	if (player > 0)
		(void)kill(player, SIGKILL);
}

static void start_player(void)
{
	pid_t parent = getpid();

	player = fork();
	expect(player >= 0);
	if (player)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (getppid() == parent)
		play();
	_exit(0);
}

int main(int argc, char **argv)
{
	int status = 0;

	read_options(argc, argv);
	life = mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(life != MAP_FAILED);
	scene_begin(end_player);
	start_player();
	while (waitpid(player, &status, 0) < 0)
		expect_equal(errno, EINTR);
	player = 0;
	scene_end();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
