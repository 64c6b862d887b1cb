/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the models share: a memory with store buffers, and death.
 *
 * A process that stores puts the store into its own buffer; some time later the process `memory`
 * of the model makes it visible. Loads see the memory, not the buffers of others: this is TSO, the
 * memory of x86. No model lets a process load a word that it may still have in its own buffer.
 */

/* A full fence, and every atomic read-modify-write: all own stores are visible. membarrier(2) is
 * this condition on the buffer of somebody else. */
#define visible(buffer) empty(buffer)

/*
 * One step of a process that SIGKILL may end: either the step, or death before it. What a process
 * did between two stores is private, so death before each store and after the last one is death
 * everywhere. The stores of the dead become visible like all others. Who waits for others does not
 * die there: it is as good as death one step before, and would hide that nobody ends the wait.
 */
#define step(action, kills, dead) \
	if \
	:: action \
	:: atomic { kills > 0 -> kills--; goto dead } \
	fi

#ifdef NO_DEATH
#define PUBLISHER_KILLS 0
#define SUBSCRIBER_KILLS 0
#endif

#define bit(n) (1 << (n))
