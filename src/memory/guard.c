/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"

struct guard {
	_Atomic uintptr_t base; /* 0: free; stored last */
	_Atomic size_t size;
	atomic_bool broken;
};

static struct guard guards[GUARDS_MAX];
static _Atomic uint32_t search_from;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static bool installed;
static size_t page_size;
static void (*tell)(void);

/* One that is being filled; no mapping begins there. */
#define TAKEN ((uintptr_t)1)

uint32_t guard_add(const void *base, size_t size)
{
	uint32_t from = atomic_load(&search_from);

	for (uint32_t i = 0; i < GUARDS_MAX; i++) {
		uint32_t index = (from + i) % GUARDS_MAX;
		struct guard *guard = &guards[index];
		uintptr_t expected = 0;

		if (!atomic_compare_exchange_strong(&guard->base, &expected, TAKEN))
			continue;
		atomic_store(&guard->size, size);
		atomic_store(&guard->broken, false);
		atomic_store(&guard->base, (uintptr_t)base);
		atomic_store(&search_from, index + 1);
		return index + 1;
	}
	return 0;
}

void guard_remove(uint32_t guard)
{
	if (guard)
		atomic_store(&guards[guard - 1].base, 0);
}

bool guard_is_broken(uint32_t guard)
{
	return guard && atomic_load(&guards[guard - 1].broken);
}

/*
 * The handler
 */

static bool covers(const struct guard *guard, uintptr_t address)
{
	uintptr_t base = atomic_load(&guard->base);

	return base > TAKEN && address >= base && address - base < atomic_load(&guard->size);
}

static bool is_guarded(uintptr_t address)
{
	for (uint32_t i = 0; i < GUARDS_MAX; i++)
		if (covers(&guards[i], address))
			return true;
	return false;
}

/* All of them: a child has guards of mappings that only its parent has, and may map there what it likes. */
static void note_broken(uintptr_t address)
{
	for (uint32_t i = 0; i < GUARDS_MAX; i++)
		if (covers(&guards[i], address))
			atomic_store(&guards[i].broken, true);
}

static bool replace(uintptr_t address)
{
	void *page = (void *)(address & ~(uintptr_t)(page_size - 1));

	if (os->map_over(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0) < 0)
		return false;
	memset(page, 0xff, page_size);
	return true;
}

/* What would have happened without us: for a fault the kernel does not know SIG_IGN, and with the
 * default in place the instruction meets it again. */
static void do_default(int number, const siginfo_t *info)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};

	if (info->si_code <= 0 && before.sa_handler == SIG_IGN)
		return;
	(void)os->set_action(number, &standard, NULL);
	if (info->si_code <= 0)
		(void)raise(number);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	sigset_t mask;

	if (!(before.sa_flags & SA_SIGINFO) &&
	    (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)) {
		do_default(number, info);
		return;
	}
	(void)pthread_sigmask(SIG_BLOCK, &before.sa_mask, &mask);
	if (before.sa_flags & SA_SIGINFO)
		before.sa_sigaction(number, info, context);
	else
		before.sa_handler(number);
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* BUS_ADRERR is what a page without memory behind it says; failing memory and unaligned access, and
 * what others send, are not ours. */
static void handle(int number, siginfo_t *info, void *context)
{
	int kept = errno;
	uintptr_t address = (uintptr_t)info->si_addr;

	if (info->si_code == BUS_ADRERR && is_guarded(address) && replace(address)) {
		note_broken(address);
		tell();
	} else {
		pass_on(number, info, context);
	}
	errno = kept;
}

static bool is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == handle;
}

/* What was there before is known before the first signal can come. */
static int install(void (*told)(void))
{
	struct sigaction ours = {.sa_sigaction = handle,
				 .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	struct sigaction now;
	int r = os->set_action(SIGBUS, NULL, &now);

	if (r < 0 || is_ours(&now))
		return r;
	/* He who came later may call us: calling him would never end. */
	if (installed)
		return -EBUSY;
	before = now;
	tell = told;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	(void)sigemptyset(&ours.sa_mask);
	r = os->set_action(SIGBUS, &ours, NULL);
	installed = r == 0;
	return r;
}

/* Another thread may have been in a call when we forked. */
static void forget_parent(void)
{
	(void)pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forget_parent);
}

int guard_install(void (*told)(void))
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r;

	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&lock);
	r = install(told);
	(void)pthread_mutex_unlock(&lock);
	return r;
}
